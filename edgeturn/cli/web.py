"""`edgeturn web`: the page for people and the metrics, as processes of their own.

Rule 1: it's off unless the configuration or the command line says where to listen, and that is on the local network.
Rule 2: the token is printed to a terminal only, or where it's asked for: a log is no place for it.
"""

import errno
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeturn.cli import change, place, ports
from edgeturn.cli.failure import Failure, reason
from edgeturn.command import identity
from edgeturn.command.edit import Document
from edgeturn.relay import options
from edgeturn.relay.configuration import Configuration
from edgeturn.serving.packages import command_for

if TYPE_CHECKING:
    from edgeturn.web.site import Site

_ROOT = Path(__file__).resolve().parents[2]


@click.command("web")
@click.option(
    "--listen", "places", metavar="ADDRESS[:PORT]", multiple=True, help="Where, instead of web_listen. May be repeated."
)
@click.option("--public", is_flag=True, help="Take addresses that others than the local network may reach.")
@click.option(
    "--make-token",
    "what",
    flag_value="make-token",
    help="Make a new token, write it to the configuration, print it, and end.",
)
@click.option("--link", "what", flag_value="link", help="Print the page's address with the token, and end.")
@click.option(
    "--metrics-token",
    "what",
    flag_value="metrics-token",
    help="Print the token that reads /metrics and nothing else, and end.",
)
@click.option(
    "--dashboard",
    type=click.Choice(["grafana", "alerts", "scrape"]),
    help="Print a dashboard for Grafana, alert rules or a scrape_config for Prometheus, and end.",
)
@click.option("--unit", "what", flag_value="unit", help="Print a unit that has systemd run it, and end.")
@click.option("--beside", type=int, hidden=True)
@place.with_file
def web_command(
    places: tuple[str, ...], public: bool, what: str | None, dashboard: str | None, beside: int | None, file: Path
) -> None:
    """Serve a page for people, and metrics for Prometheus.

    Status, charts, sessions, users, secrets, credentials with QR codes, and a test of this relay in the visitor's own
    browser. `edgeturn run` starts it by itself where option web_listen is set; a token is made at the first start.

    \b
    Examples:
      edgeturn web --listen 192.168.1.1
      edgeturn config add web_listen 192.168.1.1:8478
      edgeturn web --link
      edgeturn web --unit > /etc/systemd/system/edgeturn-web.service
    """
    wanted = Wanted(file.absolute(), places, public)
    if dashboard:
        click.echo(_dashboard(dashboard, file.absolute(), places, public), nl=False)
    elif what:
        click.echo(PRINTED[what](wanted))
    else:
        _serve(wanted, beside)


@dataclass(frozen=True)
class Wanted:
    """What is asked for: the configuration, and what the command line says besides."""

    file: Path
    places: tuple[str, ...] = ()
    public: bool = False

    def read(self) -> "Site":
        """Return what the page is to be, by the file as it is now."""
        from edgeturn.web import site

        return site.of(place.read(self.file), self.places, self.public)


def start_beside(settings: Configuration, file: Path) -> list[str]:
    """Start the page beside the relay that this process is about to be; return what to say of it.

    Whatever is wrong with the page keeps no relay from starting.
    """
    if not settings.items("web_listen"):
        return []
    try:
        _check_packages()
        from edgeturn.web import site

        wanted = site.of(_with_token(file.absolute()))
        taken = _taken(wanted)
    except Failure as failure:
        return [f"No page: {failure.message}"]
    argv = [sys.executable, "-P", "-m", "edgeturn", "web", "--beside", str(os.getpid()), "-c", str(file.absolute())]
    environment = os.environ | {"PYTHONPATH": str(_ROOT)}
    subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=environment)
    how = place.command("web --link", file)
    if taken:
        return [f"No page yet: {taken}; it is tried again and again."]
    return [f"The page is at {' and '.join(site.links(wanted))}; `{how}` prints how to log in."]


def _dashboard(name: str, file: Path, places: tuple[str, ...], public: bool) -> str:
    from edgeturn.web import dashboards, site

    if name in dashboards.FILES:
        return dashboards.FILES[name]()
    settings = _with_token(file)
    wanted = site.of(settings, places, public)
    return dashboards.scrape(wanted.scheme, wanted.places, site.metrics_token(settings.text("web_token")))


def _serve(wanted: Wanted, beside: int | None) -> None:
    _check_packages()
    from edgeturn.web import site, supervision

    if beside is not None and not supervision.end_with(beside):
        return
    token, made = _with_token(wanted.file).text("web_token"), wanted.read()
    taken = _taken(made) if beside is None else ""  # beside a relay, the one before may not have ended yet
    if taken:
        other = place.command("web --listen ADDRESS:PORT", wanted.file)
        raise Failure(f"{taken}. End it, or take another port: `{other}`.")

    def ready() -> None:
        for each in site.links(made, token if sys.stdout.isatty() else ""):
            click.echo(f"The page is at {each}")
        if not sys.stdout.isatty():
            click.echo(f"`{place.command('web --link', wanted.file)}` prints how to log in.")
        sys.stdout.flush()

    supervision.keep(wanted.read, lambda sentence: click.echo(f"edgeturn web: {sentence}", err=True), ready)


def _taken(wanted: "Site") -> str:
    """Return which place somebody else has, "" where none; one that isn't there yet is waited for."""
    from edgeturn.web import listening

    for each in wanted.places:
        where = options.place(options.WEB_PORT)(each)
        try:
            listening.opened(where).close()
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                continue
            holder = ports.find(where)
            return f"can't listen on {each}: {reason(error)}" + (f"; {holder.text()}" if holder else "")
    return ""


def _links(wanted: Wanted) -> str:
    from edgeturn.web import site

    token = _with_token(wanted.file).text("web_token")
    return "\n".join(site.links(wanted.read(), token))


def _metrics_token(wanted: Wanted) -> str:
    from edgeturn.web import site

    return site.metrics_token(_with_token(wanted.file).text("web_token"))


def _unit(wanted: Wanted) -> str:
    from edgeturn.cli import web_unit

    place.read(wanted.file)  # what is wrong in it is said here, and not at each start of the unit
    return web_unit.text(wanted.file).rstrip()


def _with_token(file: Path) -> Configuration:
    """Return the configuration of a file, with a token made where there was none."""
    settings = place.read(file)
    if settings.text("web_token"):
        return settings
    _make_token(file)
    return place.read(file)


def _make_token(file: Path) -> str:
    token = identity.random_word()

    def edit(document: Document) -> None:
        document.set("web_token", token)

    change.apply(file, edit)
    return token


def _check_packages() -> None:
    if importlib.util.find_spec("aiohttp") is None:
        raise Failure(f"the page needs the Python package aiohttp: `{command_for('aiohttp', 'segno')}`.")


PRINTED: dict[str, Callable[[Wanted], str]] = {
    "make-token": lambda wanted: f"Log in with {_make_token(wanted.file)}",
    "link": _links,
    "metrics-token": _metrics_token,
    "unit": _unit,
}
