"""`edgeturn credentials`: mint a time-limited credential."""

import shlex
import time
from pathlib import Path

import click

from edgeturn.cli import ice, place
from edgeturn.cli.failure import Wrong
from edgeturn.cli.ice import Login
from edgeturn.cli.output import print_json
from edgeturn.relay.configuration import Configuration

_LONGEST = 10 * 365 * 86400


@click.command("credentials")
@click.option("--user", default="guest", show_default=True, help="Name that quotas and logs go by.")
@click.option(
    "--ttl", default=ice.LIFETIME, show_default=True, type=click.IntRange(1, _LONGEST), help="Seconds it is valid."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "env", "text"]),
    default="json",
    show_default=True,
    help="json: iceServers for RTCPeerConnection; env: for a shell; text: for people.",
)
@place.with_file
def credentials_command(user: str, ttl: int, form: str, file: Path) -> None:
    """Mint a time-limited credential from the first secret.

    The relay needs not be told: who knows the secret can mint.

    \b
    Examples:
      edgeturn credentials
      edgeturn credentials --user alice --ttl 3600 --format text
      eval "$(edgeturn credentials --format env)"
    """
    settings = place.read(file)
    secrets = settings.items("secret")
    if not secrets:
        raise Wrong(f"{file} has no secret to mint from; `{place.command('secret add', file)}` makes one.")
    login = ice.mint(str(secrets[0]), user, ttl)
    _FORMS[form](settings, login)


def _print_json(settings: Configuration, login: Login) -> None:
    print_json(ice.servers(settings, login))


def _print_env(settings: Configuration, login: Login) -> None:
    rows = (
        ("TURN_URLS", ",".join(ice.urls(settings))),
        ("TURN_USERNAME", login.username),
        ("TURN_PASSWORD", login.password),
        ("TURN_REALM", settings.text("realm")),
        ("TURN_EXPIRES", str(login.expires)),
    )
    for name, value in rows:
        click.echo(f"export {name}={shlex.quote(value)}")


def _print_text(settings: Configuration, login: Login) -> None:
    click.echo(f"username  {login.username}\npassword  {login.password}\nrealm     {settings.text('realm')}")
    for url in ice.urls(settings):
        click.echo(f"url       {url}")
    click.echo(f"expires   {time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime(login.expires))}")


_FORMS = {"json": _print_json, "env": _print_env, "text": _print_text}
