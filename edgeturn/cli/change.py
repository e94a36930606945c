"""Changing a configuration file, for people who mistype: an option of another name is proposed."""

from collections.abc import Callable
from pathlib import Path

from edgeturn.cli import place
from edgeturn.cli.failure import Wrong
from edgeturn.command import change
from edgeturn.command.edit import Document
from edgeturn.relay import options


def apply(file: Path, edit: Callable[[Document], None]) -> None:
    """Edit a file; Wrong, and nothing changed, where the result would be no correct configuration."""
    place.read_text(file)  # says it in this tool's words where there's no such file
    change.apply(str(file), edit)


def tell(file: Path, what: str, live: bool = True) -> None:
    """Say what was changed and when a running relay takes it."""
    change.tell(str(file), what, live)


def tell_if_closed(file: Path) -> None:
    """Say so where nobody can log in, and what makes a login."""
    change.tell_if_closed(str(file))


def option_named(name: str) -> options.Option:
    """Return an option of the relay section; Wrong where there is none of that name."""
    found = options.find("relay", name)
    if found is not None:
        return found
    raise Wrong(
        f"there is no option '{name}'{_meant(name)}; `{place.command('config reference', None)}` lists all of them."
    )


def _meant(name: str) -> str:
    import difflib

    close = difflib.get_close_matches(name, names(), 1)
    return f", perhaps '{close[0]}' is meant" if close else ""


def names() -> list[str]:
    """Return the names of the relay section's options."""
    return [option.name for option in options.OPTIONS if option.section == "relay"]
