"""`edgeturn credentials`: mint a time-limited credential (draft-uberti-behave-turn-rest) for an application."""

from edgeturn import seam
from edgeturn.command import caveat, ice, place
from edgeturn.command.failure import Wrong
from edgeturn.command.output import date_text, print_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.command.calling import Given
    from edgeturn.command.ice import Login
    from edgeturn.relay.configuration import Configuration


def credentials(given: "Given") -> None:
    """Mint a credential from the first secret."""
    user = given.text("--user")
    mint(
        given.file,
        "guest" if user is None else user,
        given.number("--ttl") or ice.LIFETIME,
        given.text("--format") or "json",
    )


def mint(file: str, user: str, seconds: int, form: str) -> None:
    """Mint a credential from the first secret of a file and print it in a form; Wrong where there's no secret."""
    settings = place.read(file)
    secrets = settings.items("secret")
    if not secrets:
        raise Wrong(f"{file} has no secret to mint from; `{place.command('secret add', file)}` makes one.")
    for line in caveat.clock():
        seam.write_error(f"{line}\n")
    _FORMS[form](settings, ice.mint(str(secrets[0]), user, seconds))


def _print_json(settings: "Configuration", login: "Login") -> None:
    print_json(ice.servers(settings, login))


def _print_env(settings: "Configuration", login: "Login") -> None:
    rows = (
        ("TURN_URLS", ",".join(ice.urls(settings))),
        ("TURN_USERNAME", login.username),
        ("TURN_PASSWORD", login.password),
        ("TURN_REALM", settings.text("realm")),
        ("TURN_EXPIRES", str(login.expires)),
    )
    for name, value in rows:
        print(f"export {name}={place.quoted(value)}")


def _print_text(settings: "Configuration", login: "Login") -> None:
    print(f"username  {login.username}\npassword  {login.password}\nrealm     {settings.text('realm')}")
    for url in ice.urls(settings):
        print(f"url       {url}")
    for url in ice.left_out(settings):
        print(f"left out  {url}")
    print(f"expires   {date_text(login.expires)}")


_FORMS = {"json": _print_json, "env": _print_env, "text": _print_text}
