"""`edgeturn plan`: what pools cost, and which pools fit; the numbers are those that the daemon prints at its start."""

from edgeturn.command import place
from edgeturn.command.failure import Wrong
from edgeturn.command.output import bytes_text, counted, pool_text, print_json, print_table
from edgeturn.protocol.limits import Limits
from edgeturn.relay import options
from edgeturn.relay.plan import COSTS, CPYTHON, MICROPYTHON, Estimate, fitting, open_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.command.calling import Given

_INTERPRETERS = (CPYTHON, MICROPYTHON)
_SIZES = ((4, 4), (8, 8), (16, 16), (32, 32))
_PARTS = ("each", "pool", "streams", "heap", "total", "sockets")
# Of IPv6: UDPv6 1472, sock_inode_cache 832, dentry 192, filp 192, by /proc/slabinfo of Linux 6.18; of IPv4 128 less.
_SOCKET_SIZE = 2688
_TLS_NOTE = "Each that uses TLS takes about 20 kB more while it lasts, on MicroPython 45 kB."
_LIBRARY_NOTE = "With a certificate CPython takes 6 MB more for its TLS library, with `dtls` 21 MB."
_NOTE = "Measured on 64-bit machines; on 32-bit ones objects are smaller."


def plan(given: "Given") -> None:
    """Print what is asked for."""
    memory = given.text("--memory")
    compute(
        given.file,
        None if memory is None else size(memory),
        given.number("--allocations"),
        (given.number("--permissions"), given.number("--channels")),
        given.number("--families") or 2,
        given.flag("--json"),
    )


def size(text: str) -> int:
    """Return a number of bytes; Wrong where it is none."""
    try:
        return options.size(text)
    except ValueError as error:
        raise Wrong(f"option '--memory': {error.args[0]}, not '{text}'.")


def compute(
    file: str,
    memory: "int | None",
    allocations: "int | None",
    asked: "tuple[int | None, int | None]",
    families: int,
    as_json: bool,
) -> None:
    """Print what allocations cost, or with a budget which fit; asked: permissions and channels, None for the file's."""
    if memory is not None and allocations is not None:
        raise Wrong("--memory and --allocations exclude each other: one is computed from the other.")
    limits = place.read(file).limits() if place.exists(file) else Limits()
    limits.max_allocations = allocations or limits.max_allocations
    sizes = [(asked[0] or limits.max_permissions, asked[1] or limits.max_channels)]
    if memory is None:
        _cost(_with(limits, sizes[0]), families, as_json)
    else:
        all_sizes = sizes if asked != (None, None) else sorted(set(_SIZES + tuple(sizes)))
        _fit(limits, all_sizes, families, memory, as_json)


def _cost(limits: Limits, families: int, as_json: bool) -> None:
    estimates = [(name, Estimate(name, limits, families)) for name in _INTERPRETERS]
    if as_json:
        print_json({name: {part: getattr(each, part) for part in _PARTS} for name, each in estimates})
        return
    print(
        f"{counted(limits.max_allocations, 'allocation')}, each with {pool_text(limits)}, "
        f"relayed over {_families(families)}:\n"
    )
    rows = []
    for name, each in estimates:
        parts = (each.pool, each.streams, each.total - each.pool - each.streams, each.total)
        rows.append([name] + [bytes_text(part) for part in parts] + [f"{each.total} bytes"])
    print_table(("", "POOLS", "CONNECTIONS", "THE REST", "IN ALL", ""), rows)
    _print_notes(estimates[1][1], limits, families)


def _print_notes(micro: Estimate, limits: Limits, families: int) -> None:
    print(f"\nMicroPython's heap has a fixed size: start it with -X heapsize={(micro.heap + 1023) // 1024}k")
    print(f"Connections over TCP and TLS: {limits.max_connections} (max_connections). {_TLS_NOTE}")
    print(_LIBRARY_NOTE)
    kernel = f"{bytes_text(_SOCKET_SIZE)} each, more under load"
    print(f"Sockets: {micro.sockets}, their memory in the kernel comes on top ({kernel}).")
    print(f"Open files: {open_files(limits, families)} (`ulimit -n`).")
    print(_NOTE)


def _fit(limits: Limits, sizes: "list[tuple[int, int]]", families: int, memory: int, as_json: bool) -> None:
    found = [(each, _counts(_with(limits, each), families, memory)) for each in sizes]
    if not any(count for _, counts in found for count in counts):
        raise Wrong(_too_little(_with(limits, min(sizes)), families, memory))
    if as_json:
        names = ("max_permissions", "max_channels") + _INTERPRETERS
        print_json([dict(zip(names, each + tuple(counts))) for each, counts in found])
        return
    print(f"max_allocations that fit into {bytes_text(memory)}, relayed over {_families(families)}:\n")
    header = ("MAX_PERMISSIONS", "MAX_CHANNELS") + tuple([name.upper() for name in _INTERPRETERS])
    print_table(header, [each + tuple([count or "none" for count in counts]) for each, counts in found])
    print()
    for name in _INTERPRETERS:
        estimate = Estimate(name, limits, families)
        alone = bytes_text(estimate.total - estimate.pool - estimate.streams)
        print(f"{name} alone, without pools, takes {alone}, and its connections {bytes_text(estimate.streams)}.")
    heap = memory - COSTS[MICROPYTHON].process
    if heap > 0:
        print(f"MicroPython's heap has a fixed size: start it with -X heapsize={heap // 1024}k")
    print(_NOTE)


def _too_little(limits: Limits, families: int, memory: int) -> str:
    limits.max_allocations = 1
    least, name = min([(Estimate(name, limits, families).total, name) for name in _INTERPRETERS])
    return (
        f"--memory {memory} is too little for a relay: the least is {least} bytes, "
        f"for one allocation with {pool_text(limits)} on {name}."
    )


def _counts(limits: Limits, families: int, memory: int) -> "list[int]":
    return [fitting(name, limits, families, memory) for name in _INTERPRETERS]


def _with(limits: Limits, sizes: "tuple[int, int]") -> Limits:
    taken = Limits()
    taken.max_allocations = limits.max_allocations
    taken.max_permissions, taken.max_channels = sizes
    taken.max_connections, taken.stream_buffer = limits.max_connections, limits.stream_buffer
    taken.tcp_relay, taken.max_tcp_peers = limits.tcp_relay, limits.max_tcp_peers
    return taken


def _families(count: int) -> str:
    return "IPv4 and IPv6" if count == 2 else "one address family"
