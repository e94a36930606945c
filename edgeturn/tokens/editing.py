"""`edgeturn tokens key`: the sections `api_key` of a configuration file are added, listed and removed.

Rule 1: a key is told once, when it is made; the file gets its hash.
"""

import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from edgeturn.command import change, place, user
from edgeturn.command.edit import Document
from edgeturn.command.failure import Wrong
from edgeturn.command.output import print_json, print_table
from edgeturn.tokens.keys import Key, Keys, token_hash

_SIZE = 16  # bytes of id and key, as Twilio's
_SHORTEST = 20  # characters of a key that somebody brings: what can be guessed is found from its hash
_ID_DIGITS = 32

# Service, and how it calls the three: name, id and key.
_SHOWN = (
    ("twilio", "Twilio", "account SID AC{id}, auth token {key}"),
    ("xirsys", "Xirsys", "ident {name}, secret {key}"),
    ("cloudflare", "Cloudflare", "key ID {id}, API token {key}"),
    ("rest", "REST", "key={key}"),
    ("matrix", "Matrix", "access token {key}"),
)


@dataclass(frozen=True)
class Made:
    """What a new key is to be: options that were given, lists, and an id and a key that somebody brings."""

    options: Sequence[tuple[str, str]] = ()
    lists: Sequence[tuple[str, str]] = ()
    id: str = ""
    key: str = ""


def add(file: str, name: str, made: Made, as_json: bool) -> None:
    """Add a key to a file and tell it, this once."""
    name = user.user_name(name)
    number = _id(made.id)
    key = _key(made.key)

    def edit(document: Document) -> None:
        if document.section("api_key", name):
            raise Wrong(f"there is a key '{name}'; `{place.command('tokens key remove', file, name)}` comes first.")
        options = [("id", number), ("token_sha256", token_hash(key)), *made.options]
        document.add_section("api_key", name, options, made.lists)

    change.apply(file, edit)
    if as_json:
        print_json({"name": name, "id": number, "account_sid": f"AC{number}", "key": key})
        return
    print(f"Added key '{name}'. It's shown this once; the file has only its hash.")
    allowed = [word for option, word in made.lists if option == "format"]
    for word, service, form in _SHOWN:
        if not allowed or word in allowed:
            print(f"  {service:<11} {form.format(name=name, id=number, key=key)}")
    _tell_when()


def show(file: str, as_json: bool) -> None:
    """Print the keys of a file."""
    keys = Keys(place.read(file)).all
    if as_json:
        print_json([_entry(key) for key in keys])
    elif keys:
        rows = [
            (key.name, key.id, " ".join(key.formats) or "all", f"{key.min_ttl}-{key.max_ttl} s", key.per_minute)
            for key in keys
        ]
        print_table(("NAME", "ID", "FORMATS", "LIFETIME", "A MINUTE"), rows)
    else:
        print(f"No key; `{place.command('tokens key add NAME', file)}` makes one.")


def remove(file: str, name: str) -> None:
    """Remove a key by name or id, and say what that means."""

    def edit(document: Document) -> None:
        named = [key.name for key in Keys(place.read(file)).all if name in (key.name, key.id, f"AC{key.id}")]
        section = document.section("api_key", named[0]) if named else None
        if section is None:
            raise Wrong(f"there is no key '{name}'; `{place.command('tokens key list', file)}` shows who is there.")
        document.remove_section(section)

    change.apply(file, edit)
    print(f"Removed key '{name}'.")
    _tell_when()
    again = place.command("secret rotate", file)
    print(f"What was minted with it is good until it expires; `{again}` begins to end that earlier.")


def _tell_when() -> None:
    print("A running `edgeturn tokens` takes that by SIGHUP: `kill -HUP` and its process id.")


def _id(given: str) -> str:
    """Return an id, a new one if none is given; Twilio's with AC in front is taken too."""
    if not given:
        return secrets.token_hex(_SIZE)
    number = given.lower().removeprefix("ac") if len(given) > _ID_DIGITS else given.lower()
    if len(number) != _ID_DIGITS or any(digit not in "0123456789abcdef" for digit in number):
        raise Wrong("an id has 32 hexadecimal digits, and may have AC in front.")
    return number


def _key(given: str) -> str:
    """Return a key, a new one if none is given; - reads it from standard input."""
    if not given:
        return secrets.token_hex(_SIZE)
    key = sys.stdin.readline().rstrip("\r\n") if given == "-" else given
    if len(key) < _SHORTEST or not key.isascii() or not key.isprintable():
        raise Wrong(f"a key has {_SHORTEST} printable ASCII characters at least: a shorter one could be guessed.")
    return key


def _entry(key: Key) -> dict[str, object]:
    return {
        "name": key.name,
        "id": key.id,
        "account_sid": f"AC{key.id}",
        "formats": list(key.formats),
        "ttl": key.ttl,
        "min_ttl": key.min_ttl,
        "max_ttl": key.max_ttl,
        "per_minute": key.per_minute,
        "shared_quota": key.shared_quota,
        "origins": list(key.origins),
    }
