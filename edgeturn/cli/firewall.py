"""`edgeturn firewall`: our own table, and what in everybody else's keeps packets from the relay.

Rule 1: pyroute2 is loaded by the commands that need it, for `run` and `--help` have to do without.
Rule 2: others' tables are read and never changed; what opens them is said as commands to type.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from edgeturn.cli import control, kernel_advice, place
from edgeturn.cli.failure import Failure
from edgeturn.cli.kernel_advice import NEEDS_PYROUTE2, has_pyroute2
from edgeturn.cli.output import json_option, print_json
from edgeturn.kernel.maps import instance
from edgeturn.relay.configuration import Configuration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.kernel.firewall.tables import Tables

_NOT_PERMITTED = "the firewall may be seen and changed by root only (CAP_NET_ADMIN): call this as root"
_NO_NF_TABLES = (
    "this kernel has no nf_tables: on OpenWrt install the package kmod-nft-core, elsewhere `modprobe nf_tables`; "
    "where iptables does the work, `iptables-save` shows its rules."
)


@click.group("firewall")
def firewall_command() -> None:
    """Open the relay's ports in nftables, and find what else is in the way.

    A table of our own accepts and counts what clients send to the listening ports, over UDP and where the relay serves
    TCP and TLS over TCP, and what peers send to the ports that are relayed now: the relay adds and removes those by
    itself. Peers get in over TCP with option `tcp_relay`. Ports that only local networks reach are left out. What
    another table drops stays dropped; that is found, with the commands that open it there. Packets that the kernel path
    carries pass no firewall.

    \b
    Examples:
      edgeturn firewall show
      edgeturn firewall open
      edgeturn firewall close
    """


@firewall_command.command()
@place.with_file
@json_option
def show(file: Path, as_json: bool) -> None:
    """Show what is open, what is in the way, and what to do. Changes nothing."""
    settings = kernel_advice.read(file)
    with _tables("show", file) as link:
        from edgeturn.cli import firewall_report

        report = firewall_report.make(link, settings, file)
    if as_json:
        print_json(report.document())
        return
    report.print_table()
    report.print_ways()


@firewall_command.command("open")
@place.with_file
@json_option
def open_ports(file: Path, as_json: bool) -> None:
    """Make our table, or bring it up to date.

    The relay keeps its live ports in it. Where the relay may not, as with option `user`, all of `relay_ports` is open.
    """
    settings = kernel_advice.read(file)
    with _tables("open", file) as link:
        from edgeturn.cli import firewall_report

        why_not = _open(link, settings)
        report = firewall_report.make(link, settings, file)
    if as_json:
        print_json(report.document() | {"unfollowed": why_not})
        return
    report.print_opened(why_not)
    report.print_ways()


@firewall_command.command("close")
@place.with_file
@json_option
def close_ports(file: Path, as_json: bool) -> None:
    """Remove our table; others' rules stay as they are."""
    settings = kernel_advice.read(file)
    with _tables("close", file) as link:
        from edgeturn.kernel.firewall import own

        table = instance(settings.text("control"))
        there = own.close_table(link, table)
    if as_json:
        print_json({"table": table, "removed": there})
        return
    click.echo(f"Removed the table inet {table}." if there else f"There is no table inet {table}.")


def _open(link: "Tables", settings: Configuration) -> str:
    """Make the table and let the relay fill it; return why it can't, "" where it can."""
    from edgeturn.kernel.firewall import own, ways

    table, wanted = instance(settings.text("control")), ways.opened(settings)
    if own.read_table(link, table) is None:
        own.open_table(link, table, wanted, None)
    why_not = _refill(settings)
    own.open_table(link, table, wanted, ways.relay_ports(settings) if why_not else None)
    return why_not


def _refill(settings: Configuration) -> str:
    """Let the relay put its live ports into the table; return why it can't, "" where it can or will."""
    user = settings.text("user")
    try:
        answer: dict[str, Any] = control.ask(settings, "openings")
    except control.Unreachable:
        return f"it becomes user '{user}' (option `user`)" if user else ""
    except control.Refused:
        return "the relay that runs is of another version; restart it"
    if user and answer["trouble"]:
        return f"it runs as user '{user}' (option `user`)"
    return str(answer["trouble"])


@contextmanager
def _tables(name: str, file: Path) -> "Iterator[Tables]":
    """Open nf_tables for one of our commands; Failure with what to do where that can't be."""
    if not has_pyroute2():
        raise Failure(f"{NEEDS_PYROUTE2}.")
    from pyroute2.netlink.exceptions import NetlinkError

    from edgeturn.kernel.firewall.tables import Tables, Unavailable

    try:
        with Tables() as link:
            yield link
    except Unavailable as unavailable:
        if unavailable.permitted:
            raise Failure(_NO_NF_TABLES) from None
        raise Failure(f"{_NOT_PERMITTED}: `{place.as_root(f'firewall {name}', file)}`.") from None
    except NetlinkError as error:
        said = error.args[-1]
        raise Failure(f"the kernel's nf_tables refused: {said}; `nft list ruleset` shows what is there.") from None
