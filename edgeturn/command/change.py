"""Changing a configuration file: edit, check the whole, write at once, say when it takes effect."""

from edgeturn.command import files, place
from edgeturn.command.edit import Document
from edgeturn.command.failure import Wrong
from edgeturn.relay.configuration import Configuration
from edgeturn.relay.uci import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def apply(file: str, edit: "Callable[[Document], None]") -> None:
    """Edit a file; Wrong, and nothing changed, where the result would be no correct configuration."""
    before = place.read_text(file)
    document = Document(before, file)
    edit(document)
    try:
        Configuration(document.text, file)
    except ConfigError as error:
        raise Wrong(f"{error.message}; {file} was not changed.")
    if document.text != before:
        files.replace(file, document.text)


def tell(file: str, what: str, live: bool = True) -> None:
    """Say what was changed and when a running relay takes it."""
    if live:
        print(f"{what}; a running relay takes it by `{place.service('reload', file)}`.")
    else:
        print(f"{what}; it takes effect when the relay is started next.")


def tell_if_closed(file: str) -> None:
    """Say so where nobody can log in, and what makes a login."""
    settings = place.read(file)
    if not settings.items("secret") and not settings.users:
        print(
            f"But nobody can log in: {file} has no secret and no user; `{place.command('secret add', file)}` or "
            f"`{place.command('user add NAME', file)}` makes one."
        )
