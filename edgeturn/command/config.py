"""`edgeturn config`: show, change and check the configuration."""

import os

from edgeturn.command import change, place
from edgeturn.command.edit import Document
from edgeturn.command.failure import Wrong
from edgeturn.command.output import print_json, print_table
from edgeturn.relay import options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.command.calling import Given
    from edgeturn.relay.options import Option

_READABLE_BY_OTHERS = 0o077
_SECRETS = ("secret", "web_token")


def show(given: "Given") -> None:
    """Show every option's value."""
    print_all(given.file, given.flag("--show"), given.flag("--json"))


def get(given: "Given") -> None:
    """Print an option's value."""
    print_one(given.file, _named(given), given.flag("--json"))


def set_value(given: "Given") -> None:
    """Give an option a value, or a list these values."""
    set_in(given.file, _named(given), given.texts("VALUE..."))


def unset(given: "Given") -> None:
    """Remove an option or a whole list."""
    unset_in(given.file, _named(given))


def add(given: "Given") -> None:
    """Add a value to a list."""
    add_to(given.file, _named(given), given.text("VALUE") or "")


def remove(given: "Given") -> None:
    """Remove a value from a list."""
    remove_from(given.file, _named(given), given.text("VALUE") or "")


def check(given: "Given") -> None:
    """Say whether the file is correct."""
    check_file(given.file)


def _named(given: "Given") -> "Option":
    name = given.text("NAME") or ""
    found = options.find("relay", name)
    if found is None:
        raise Wrong(f"there is no option '{name}'; `{place.command('config show', given.file)}` lists all of them.")
    return found


def print_all(file: str, show: bool, as_json: bool) -> None:
    """Show every option's value, those that aren't in the file with their defaults."""
    place.read(file)
    document = Document(place.read_text(file), file)
    rows = [option for option in options.OPTIONS if option.section == "relay"]
    if as_json:
        shown = [option for option in rows if show or option.name not in _SECRETS]
        print_json({option.name: _value(document, option) for option in shown})
        return
    table = []
    for option in rows:
        values = hidden(option, values_of(document, option), show)
        table.append((option.name, ", ".join(values) or "-", "file" if document.entries(option.name) else "default"))
    print_table(("OPTION", "VALUE", "FROM"), table)


def print_one(file: str, option: "Option", as_json: bool) -> None:
    """Print an option's value, a list's values one a line."""
    document = Document(place.read_text(file), file)
    if as_json:
        print_json(_value(document, option))
        return
    for value in values_of(document, option):
        print(value)


def set_in(file: str, option: "Option", values: "list[str]") -> None:
    """Give an option a value, or a list these values instead of those that it has."""
    name = option.name
    if not option.is_list and len(values) > 1:
        raise Wrong(f"'{name}' takes one value, not {len(values)}; {file} was not changed.")

    def edit(document: Document) -> None:
        if option.is_list:
            document.set_list(name, values)
        else:
            document.set(name, values[0])

    change.apply(file, edit)
    change.tell(file, f"{name} is {', '.join(values)}", option.live)


def unset_in(file: str, option: "Option") -> None:
    """Remove an option or a whole list, so that its default counts."""
    change.apply(file, lambda document: document.remove(document.entries(option.name)))
    change.tell(file, f"{option.name} has its default, {option.default or 'none'}", option.live)
    if option.name == "secret":
        change.tell_if_closed(file)


def add_to(file: str, option: "Option", value: str) -> None:
    """Add a value to a list."""
    _check_list(option, file)

    def edit(document: Document) -> None:
        if value in values_of(document, option):
            raise Wrong(f"'{option.name}' has the value {value} already; {file} was not changed.")
        document.add(option.name, value)

    change.apply(file, edit)
    change.tell(file, f"{option.name} has {value} too", option.live)


def remove_from(file: str, option: "Option", value: str) -> None:
    """Remove a value from a list."""
    _check_list(option, file)

    def edit(document: Document) -> None:
        found = [entry for entry in document.entries(option.name) if entry.value == value]
        if not found:
            has = ", ".join(hidden(option, values_of(document, option), False)) or "no value"
            raise Wrong(f"'{option.name}' doesn't have the value {value}, it has {has}; {file} was not changed.")
        document.remove(found)

    change.apply(file, edit)
    change.tell(file, f"{option.name} no longer has {value}", option.live)
    if option.name == "secret":
        change.tell_if_closed(file)


def check_file(file: str) -> None:
    """Say whether a file is correct, and what may be a mistake nevertheless."""
    settings = place.read(file)
    print(f"{file} is correct.")
    change.tell_if_closed(file)
    if os.stat(file)[0] & _READABLE_BY_OTHERS:
        print(f"But others may read the secrets in it: `chmod 600 {file}`.")
    for prefix in settings.items("allow_peer"):
        if str(prefix).endswith("/0"):
            print(f"But allow_peer {prefix} opens every address, this machine's own services too.")


def _check_list(option: "Option", file: str) -> None:
    if not option.is_list:
        raise Wrong(
            f"'{option.name}' is no list: use `{place.command('config set ' + option.name + ' VALUE', file)}` and "
            f"`{place.command('config unset ' + option.name, file)}`."
        )


def values_of(document: Document, option: "Option") -> "list[str]":
    """Return the values of an option, its default where the file has none."""
    values = [entry.value for entry in document.entries(option.name)]
    return values or ([] if option.default is None else [option.default])


def _value(document: Document, option: "Option") -> "list[str] | str | None":
    values = values_of(document, option)
    return values if option.is_list else values[-1] if values else None


def hidden(option: "Option", values: "list[str]", show: bool) -> "list[str]":
    """Return the values, or of secrets only how many there are."""
    if option.name not in _SECRETS or show or not values:
        return values
    return [f"{len(values)} hidden, --show shows them"]
