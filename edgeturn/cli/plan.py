"""`edgeturn plan`: what pools cost, and which pools fit; the numbers are those that the daemon prints at its start."""

from pathlib import Path

import click

from edgeturn.cli import place
from edgeturn.cli.failure import Wrong
from edgeturn.cli.output import bytes_text, counted, json_option, pool_text, print_json, print_table
from edgeturn.protocol.limits import MOST_ALLOCATIONS, Limits
from edgeturn.relay import options
from edgeturn.relay.plan import COSTS, CPYTHON, MICROPYTHON, Estimate, fitting, open_files

_INTERPRETERS = (CPYTHON, MICROPYTHON)
_SIZES = ((4, 4), (8, 8), (16, 16), (32, 32))
# Of IPv6: UDPv6 1472, sock_inode_cache 832, dentry 192, filp 192, by /proc/slabinfo of Linux 6.18; of IPv4 128 less.
_SOCKET_SIZE = 2688
_TLS_NOTE = "Each that uses TLS takes about 20 kB more while it lasts, on MicroPython 45 kB."
_LIBRARY_NOTE = "With a certificate CPython takes 6 MB more for its TLS library, with `dtls` 21 MB."
_NOTE = "Measured on 64-bit machines; on 32-bit ones objects are smaller."


class _Size(click.ParamType[int]):
    name = "size"

    def convert(self, value: str, parameter: click.Parameter | None, context: click.Context | None) -> int:
        try:
            return options.size(value)
        except ValueError as error:
            self.fail(f"{error}.", parameter, context)


_HELP = """Compute pool sizes from memory, or memory from pool sizes, for both interpreters.

A relay takes all memory of its pools at start. What isn't given is taken from the configuration file.

\b
Examples:
  edgeturn plan --memory 8M
  edgeturn plan --allocations 256 --channels 4
"""


@click.command("plan", help=_HELP)
@click.option(
    "--memory", type=_Size(), metavar="BYTES", help="What a relay may take, such as 8M: print pools that fit."
)
@click.option("--allocations", type=click.IntRange(1, MOST_ALLOCATIONS), help="Print what so many allocations cost.")
@click.option("--permissions", type=click.IntRange(1, 256), help="Permissions of an allocation.")
@click.option("--channels", type=click.IntRange(1, 256), help="Channels of an allocation.")
@click.option("--families", type=click.IntRange(1, 2), default=2, show_default=True, help="1: only IPv4 or IPv6.")
@place.with_file
@json_option
def plan_command(
    memory: int | None,
    allocations: int | None,
    permissions: int | None,
    channels: int | None,
    families: int,
    file: Path,
    as_json: bool,
) -> None:
    """Print what is asked for."""
    if memory is not None and allocations is not None:
        raise Wrong("--memory and --allocations exclude each other: one is computed from the other.")
    limits = place.read(file).limits() if place.exists(file) else Limits()
    limits.max_allocations = allocations or limits.max_allocations
    sizes = [(permissions or limits.max_permissions, channels or limits.max_channels)]
    if memory is None:
        _cost(_with(limits, sizes[0]), families, as_json)
    else:
        given = permissions is not None or channels is not None
        _fit(limits, sizes if given else sorted({*_SIZES, *sizes}), families, memory, as_json)


def _cost(limits: Limits, families: int, as_json: bool) -> None:
    estimates = {name: Estimate(name, limits, families) for name in _INTERPRETERS}
    if as_json:
        print_json({name: vars(estimate) for name, estimate in estimates.items()})
        return
    click.echo(
        f"{counted(limits.max_allocations, 'allocation')}, each with {pool_text(limits)}, "
        f"relayed over {_families(families)}:\n"
    )
    rows = [
        (
            name,
            bytes_text(each.pool),
            bytes_text(each.streams),
            bytes_text(each.total - each.pool - each.streams),
            bytes_text(each.total),
            f"{each.total} bytes",
        )
        for name, each in estimates.items()
    ]
    print_table(("", "POOLS", "CONNECTIONS", "THE REST", "IN ALL", ""), rows)
    _print_notes(estimates[MICROPYTHON], limits, families)


def _print_notes(micro: Estimate, limits: Limits, families: int) -> None:
    click.echo(f"\nMicroPython's heap has a fixed size: start it with -X heapsize={(micro.heap + 1023) // 1024}k")
    click.echo(f"Connections over TCP and TLS: {limits.max_connections} (max_connections). {_TLS_NOTE}")
    click.echo(_LIBRARY_NOTE)
    kernel = f"{bytes_text(_SOCKET_SIZE)} each, more under load"
    click.echo(f"Sockets: {micro.sockets}, their memory in the kernel comes on top ({kernel}).")
    click.echo(f"Open files: {open_files(limits, families)} (`ulimit -n`).")
    click.echo(_NOTE)


def _fit(limits: Limits, sizes: list[tuple[int, int]], families: int, memory: int, as_json: bool) -> None:
    found = [(*size, _counts(_with(limits, size), families, memory)) for size in sizes]
    if not any(count for _, _, counts in found for count in counts):
        raise Wrong(_too_little(_with(limits, min(sizes)), families, memory))
    if as_json:
        names = ("max_permissions", "max_channels", *_INTERPRETERS)
        print_json([dict(zip(names, (first, second, *counts), strict=True)) for first, second, counts in found])
        return
    click.echo(f"max_allocations that fit into {bytes_text(memory)}, relayed over {_families(families)}:\n")
    header = ("MAX_PERMISSIONS", "MAX_CHANNELS", *(name.upper() for name in _INTERPRETERS))
    print_table(header, [(first, second, *(count or "none" for count in counts)) for first, second, counts in found])
    click.echo()
    for name in _INTERPRETERS:
        estimate = Estimate(name, limits, families)
        alone = bytes_text(estimate.total - estimate.pool - estimate.streams)
        click.echo(f"{name} alone, without pools, takes {alone}, and its connections {bytes_text(estimate.streams)}.")
    heap = memory - COSTS[MICROPYTHON].process
    if heap > 0:
        click.echo(f"MicroPython's heap has a fixed size: start it with -X heapsize={heap // 1024}k")
    click.echo(_NOTE)


def _too_little(limits: Limits, families: int, memory: int) -> str:
    limits.max_allocations = 1
    least, name = min((Estimate(name, limits, families).total, name) for name in _INTERPRETERS)
    return (
        f"--memory {memory} is too little for a relay: the least is {least} bytes, "
        f"for one allocation with {pool_text(limits)} on {name}."
    )


def _counts(limits: Limits, families: int, memory: int) -> list[int]:
    return [fitting(name, limits, families, memory) for name in _INTERPRETERS]


def _with(limits: Limits, size: tuple[int, int]) -> Limits:
    taken = Limits()
    taken.max_allocations = limits.max_allocations
    taken.max_permissions, taken.max_channels = size
    taken.max_connections, taken.stream_buffer = limits.max_connections, limits.stream_buffer
    taken.tcp_relay, taken.max_tcp_peers = limits.tcp_relay, limits.max_tcp_peers
    return taken


def _families(count: int) -> str:
    return "IPv4 and IPv6" if count == 2 else "one address family"
