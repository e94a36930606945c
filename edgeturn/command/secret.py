"""`edgeturn secret`: the shared secrets, by their fingerprints."""

import sys

from edgeturn.command import change, identity, place
from edgeturn.command.failure import Wrong
from edgeturn.command.output import print_json, print_table
from edgeturn.protocol.digests import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.command.calling import Given
    from edgeturn.command.edit import Document


def add(given: "Given") -> None:
    """Add a secret behind the others."""
    value = given.text("[VALUE]")
    add_to(given.file, identity.random_word() if value is None else value)


def rotate(given: "Given") -> None:
    """Put a new random secret in front."""
    rotate_in(given.file)


def show(given: "Given") -> None:
    """List the secrets."""
    print_secrets(given.file, given.flag("--show"), given.flag("--json"))


def remove(given: "Given") -> None:
    """Remove a secret."""
    remove_from(given.file, given.text("FINGERPRINT|SECRET") or "")


def add_to(file: str, chosen: str) -> None:
    """Add a secret to a file, behind the others; "-" stands for a line of standard input, which no process list has."""
    if chosen == "-":
        chosen = sys.stdin.readline().rstrip("\r\n")
    if not chosen:
        raise Wrong("a secret can't be empty; nothing was changed.")
    change.apply(file, lambda document: _add(document, chosen, False))
    change.tell(file, f"Added the secret with fingerprint {fingerprint(chosen)}")


def rotate_in(file: str) -> None:
    """Put a new random secret in front, and say what to do next."""
    chosen = identity.random_word()
    old: list[str] = []

    def edit(document: "Document") -> None:
        old.extend([fingerprint(entry.value) for entry in document.entries("secret")])
        _add(document, chosen, True)

    change.apply(file, edit)
    print(f"New credentials are made with the secret {fingerprint(chosen)} from now on. Next:")
    print(f"  1. {place.service('reload', file)}")
    shown = place.command("secret list --show", file)
    print(f"  2. give the new secret (`{shown}`) to whatever else mints credentials")
    for each in old:
        print(f"  3. once the last credential of {each} has expired: {place.command('secret remove ' + each, file)}")


def print_secrets(file: str, show: bool, as_json: bool) -> None:
    """Print the secrets of a file by fingerprint."""
    secrets = [str(each) for each in place.read(file).items("secret")]
    if as_json:
        print_json([_entry(secret, number == 0, show) for number, secret in enumerate(secrets)])
    elif secrets:
        rows = [
            (fingerprint(secret), "accepted" if number else "mints", secret if show else "")
            for number, secret in enumerate(secrets)
        ]
        print_table(("FINGERPRINT", "USE", "SECRET" if show else ""), rows)
    else:
        print(f"No secret; `{place.command('secret add', file)}` makes one.")


def remove_from(file: str, which: str) -> None:
    """Remove a secret by itself or its fingerprint, and say what that means."""
    left = []

    def edit(document: "Document") -> None:
        entries = document.entries("secret")
        found = [entry for entry in entries if which in (entry.value, fingerprint(entry.value))]
        if not found:
            raise Wrong(f"there is no such secret; `{place.command('secret list', file)}` shows the fingerprints.")
        document.remove(found)
        left.append(len(entries) - len(found))

    change.apply(file, edit)
    change.tell(file, f"Removed the secret, {left[0]} left")
    print(
        f"Sessions that were started with it go on: `{place.command('sessions', file)}` lists them, "
        f"`{place.command('kick ID', file)}` ends one."
    )
    change.tell_if_closed(file)


def fingerprint(secret: str) -> str:
    """Return what a secret is known by without telling it."""
    return "".join([f"{byte:02x}" for byte in sha256(secret.encode())[:4]])


def _entry(secret: str, mints: bool, show: bool) -> "dict[str, object]":
    entry: dict[str, object] = {"fingerprint": fingerprint(secret), "mints": mints}
    if show:
        entry["secret"] = secret
    return entry


def _add(document: "Document", secret: str, first: bool) -> None:
    if any(entry.value == secret for entry in document.entries("secret")):
        raise Wrong("this secret is there already; nothing was changed.")
    document.add("secret", secret, first)
