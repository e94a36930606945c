"""`edgeturn user`: who logs in with a password of its own."""

import sys

from edgeturn.command import change, identity, place
from edgeturn.command.failure import Wrong
from edgeturn.command.output import print_json, print_table
from edgeturn.protocol.credentials import SHA256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.command.calling import Given
    from edgeturn.command.edit import Document
    from edgeturn.relay.configuration import User

_NAME_SIZE = 508  # bytes, RFC 8489 §14.3
_NO_BREAK_SPACE = 0xA0
# Up to here every character is assigned, and none is written in two ways by Unicode's NFC; above begins what only a
# large table tells, which isn't here.
_LAST_SIMPLE = 0x2FF


def add(given: "Given") -> None:
    """Add a user."""
    password, file = given.text("--password"), given.file
    if password is not None and given.flag("--generate"):
        raise Wrong("--password and --generate exclude each other.")
    name = user_name(given.text("NAME") or "")
    if password == "-":
        password = sys.stdin.readline().rstrip("\r\n")
    chosen = identity.random_word() if password is None else opaque(password, "a password")
    add_to(file, name, chosen)
    change.tell(file, f"Added user '{name}'" + (f" with password {chosen}" if password is None else ""))


def show(given: "Given") -> None:
    """List the users."""
    print_users(place.read(given.file).users, given.file, given.flag("--json"))


def remove(given: "Given") -> None:
    """Remove a user."""
    remove_from(given.file, opaque(given.text("NAME") or "", "a name"))


def add_to(file: str, name: str, password: str) -> None:
    """Add a user to a file; Wrong where there is one of the name."""

    def edit(document: "Document") -> None:
        if document.section("user", name):
            raise Wrong(f"there is a user '{name}' already; `{place.command('user remove', file, name)}` comes first.")
        document.add_section("user", name, [("password", password)])

    change.apply(file, edit)


def remove_from(file: str, name: str) -> None:
    """Remove a user from a file and say what that means; Wrong where there is none of the name."""

    def edit(document: "Document") -> None:
        section = document.section("user", name)
        if section is None:
            raise Wrong(f"there is no user '{name}'; `{place.command('user list', file)}` shows who is there.")
        document.remove_section(section)

    change.apply(file, edit)
    change.tell(file, f"Removed user '{name}'")
    print(f"Sessions of it go on; `{place.command('kick --user', file, name)}` ends them.")
    change.tell_if_closed(file)


def print_users(users: "list[User]", file: str, as_json: bool) -> None:
    """Print the users of a file."""
    rows = [(user.name, "keys" if user.keys else "password", _algorithms(user.keys)) for user in users]
    if as_json:
        print_json([{"name": name, "kept": kept, "algorithms": known.split(", ")} for name, kept, known in rows])
    elif rows:
        print_table(("NAME", "KEPT AS", "ALGORITHMS"), rows)
    else:
        print(f"No user; `{place.command('user add NAME', file)}` makes one.")


def user_name(text: str) -> str:
    """Return a name as it is compared; Wrong where it can't be one."""
    return checked_name(opaque(text, "a name"))


def checked_name(name: str) -> str:
    """Return a name; Wrong where it can't be one."""
    if ":" in name:
        raise Wrong("a name can't have a colon: it separates name, realm and password, and expiry and name in time-limited ones.")  # fmt: skip  # noqa: E501
    if len(name.encode()) > _NAME_SIZE:
        raise Wrong(f"a name can have {_NAME_SIZE} bytes at most (RFC 8489 §14.3).")
    return name


def opaque(text: str, what: str) -> str:
    """Return a text by the OpaqueString profile (RFC 8265), as far as that goes without Unicode's tables."""
    if not text:
        raise Wrong(f"{what} can't be empty.")
    for each in text:
        number = ord(each)
        if number < 0x20 or 0x7F <= number < _NO_BREAK_SPACE:
            raise Wrong(f"{what} can't have control characters or unassigned ones.")
        if number > _LAST_SIMPLE:
            raise Wrong(f"{what} can have letters of Latin scripts only here: '{each}' is beyond what this tool can normalise.")  # fmt: skip  # noqa: E501
    return text.replace(chr(_NO_BREAK_SPACE), " ")


def _algorithms(keys: "dict[int, bytes]") -> str:
    return "MD5, SHA-256" if not keys or SHA256 in keys else "MD5"
