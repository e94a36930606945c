"""`edgeturn discovery`: how clients of this network find the relay without being told (RFC 8155, RFC 5928).

Rule 1: pyroute2 is loaded by the commands that change addresses only.
Rule 2: a file of dnsmasq is written only where it's asked for, and only one of our own.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from edgeturn.cli import discovery_records, place
from edgeturn.cli.failure import Failure, reason
from edgeturn.cli.kernel_advice import NEEDS_PYROUTE2, has_pyroute2
from edgeturn.cli.output import json_option, print_json
from edgeturn.protocol import anycast
from edgeturn.protocol.address import format_ip
from edgeturn.relay import network
from edgeturn.relay.configuration import Configuration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyroute2 import IPRoute

_DNSMASQ_FOLDER = Path("/etc/dnsmasq.d")
_FILE_NAME = "edgeturn.conf"
_NOT_PERMITTED = "addresses may be changed by root only (CAP_NET_ADMIN): call this as root."


@click.group("discovery")
def discovery_command() -> None:
    """Let clients of this network find the relay by themselves.

    By anycast: with option `discovery` the relay answers at 192.0.0.10 and 2001:1::2, which clients behind this router
    reach without knowing it, and names the address to use. By DNS: records for dnsmasq name the relay to who asks for
    turn:DOMAIN, and to who browses for services.

    \b
    Examples:
      edgeturn config set discovery 1
      edgeturn discovery attach
      edgeturn discovery records --domain lan --install
    """


@discovery_command.command()
@place.with_file
@json_option
def show(file: Path, as_json: bool) -> None:
    """Show which anycast addresses this machine has, and the records. Changes nothing."""
    settings = place.read(file)
    mine = {each.ip for each in network.interfaces()}
    rows = {format_ip(ip): ip in mine for ip in anycast.ADDRESSES}
    if as_json:
        print_json({"wanted": settings.values["discovery"], "addresses": rows})
        return
    for text, there in rows.items():
        click.echo(f"{text:<12} {'is served' if there else 'is not here'}")
    if settings.values["discovery"] and not any(rows.values()):
        click.echo(f"Next: `{place.command('discovery attach', file)}` as root adds them.")
    elif not settings.values["discovery"]:
        click.echo(f"Next: `{place.command('config set discovery 1', file)}`, and reload.")


@discovery_command.command()
@place.with_file
def attach(file: Path) -> None:
    """Add the anycast addresses to this machine; a relay with option `discovery` answers there."""
    settings = place.read(file)
    with _netlink() as netlink:
        from edgeturn.kernel.attaching import anycast as addresses

        there = addresses.add(netlink)
    click.echo(f"Served: {', '.join(there)}.")
    if not settings.values["discovery"]:
        click.echo(f"Next: `{place.command('config set discovery 1', file)}`, for the relay doesn't answer there yet.")


@discovery_command.command()
@place.with_file
def detach(file: Path) -> None:
    """Remove the anycast addresses that were added; others' stay."""
    with _netlink() as netlink:
        from edgeturn.kernel.attaching import anycast as addresses

        gone = addresses.remove(netlink)
    click.echo(f"Removed: {', '.join(gone)}." if gone else "There is none of ours.")


@discovery_command.command("records")
@click.option("--domain", default="lan", show_default=True, help="The domain that clients search.")
@click.option(
    "--form", type=click.Choice(list(discovery_records.FORMS)), help="[default: uci on OpenWrt, else dnsmasq]"
)
@click.option("--install", is_flag=True, help="Write them where dnsmasq reads them, instead of printing.")
@place.with_file
def records_command(domain: str, form: str | None, install: bool, file: Path) -> None:
    """Print the DNS records by which clients find the relay, ready for dnsmasq."""
    settings = place.read(file)
    form = form or ("uci" if place.exists(place.OPENWRT_FOLDER) else "dnsmasq")
    text = "\n".join(discovery_records.FORMS[form](discovery_records.services(settings), domain)) + "\n"
    if not install:
        click.echo(text, nl=False)
        return
    if form != "dnsmasq":
        raise Failure(f"only dnsmasq's own form is installed; run what `{_without_install(file)}` prints.")
    target = _DNSMASQ_FOLDER / _FILE_NAME
    try:
        target.write_text(text)
    except OSError as error:
        raise Failure(f"{target} can't be written: {reason(error)}; is dnsmasq installed, and are you root?") from None
    click.echo(f"Wrote {target}. Next: restart dnsmasq (`systemctl restart dnsmasq`).")


def at_start(settings: Configuration) -> list[str]:
    """Add the addresses for a relay that is about to start; return what to say of it."""
    if not settings.values["discovery"]:
        return []
    if os.geteuid() != 0:
        return ["Discovery: start the relay as root to have it add the anycast addresses."]
    try:
        with _netlink() as netlink:
            from edgeturn.kernel.attaching import anycast as addresses

            return [f"Discovery: served at {', '.join(addresses.add(netlink))}."]
    except Failure as error:
        return [f"Discovery: no anycast address: {error.message}"]


def again(file: Path) -> list[str]:
    """Return the command by which a relay that runs has addresses changed; `attach` or `detach` goes behind it."""
    return [sys.executable, "-m", "edgeturn", "-c", os.path.abspath(file), "discovery"]


def _without_install(file: Path) -> str:
    return place.command("discovery records", file)


@contextmanager
def _netlink() -> "Iterator[IPRoute]":
    if not has_pyroute2():
        raise Failure(f"{NEEDS_PYROUTE2}.")
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        with IPRoute() as netlink:
            yield netlink
    except NetlinkError as error:
        said = _NOT_PERMITTED if error.code in (1, 13) else f"the kernel refused: {error.args[-1]}."
        raise Failure(said) from None
