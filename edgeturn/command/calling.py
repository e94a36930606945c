"""A command line: the row of the table that it means, its arguments and options, and help; then the command is called.

Rule 1: what was typed wrongly is a Wrong that says what to type; nothing has been done then.
"""

import sys

from edgeturn import __version__, seam
from edgeturn.command import table
from edgeturn.command.failure import EXIT_CODES, FAILED, Failure, Wrong
from edgeturn.command.place import default_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    Kind = str | tuple[int, int] | tuple[str, ...]
    Option = tuple[str, str, Kind, str]
    Row = tuple[str, str, str, tuple[str, ...], tuple[Option, ...]]

_HELP = ("-h", "--help", table.FLAG, "Show this message and exit.")
_VERSION = ("", "--version", table.FLAG, "Show the version and exit.")
_ROOT = (table.FILE, _VERSION, _HELP)
_CAPTURED = "`tcpdump -w FILE port 3478` here, then `edgeturn diagnose FILE` on a PC"
# What to do on a router for what only a PC or a server has.
_INSTEAD = {
    "init": "`edgeturn run` makes a configuration",
    "diagnose": _CAPTURED,
    "capture": _CAPTURED,
    "trace": _CAPTURED,
    "probe": "`edgeturn probe URI` on a PC asks this relay",
    "snippet": "`edgeturn snippet APP --name HOST -c COPY` on a PC, with a copy of the configuration",
    "top": "`edgeturn status` and `edgeturn sessions` show it once",
}


class Given:
    """What was typed behind a command: by the names of arguments and long options."""

    def __init__(self, values: "dict[str, object]") -> None:
        """Take the values; what wasn't given is absent."""
        self._values = values
        self.file = self.text("--config") or default_file()

    def text(self, name: str) -> "str | None":
        """Return a text, None where it wasn't given."""
        value = self._values.get(name)
        return value if isinstance(value, str) else None

    def number(self, name: str) -> "int | None":
        """Return a number, None where it wasn't given."""
        value = self._values.get(name)
        return value if isinstance(value, int) else None

    def flag(self, name: str) -> bool:
        """Say whether a flag was given."""
        return name in self._values

    def texts(self, name: str) -> "list[str]":
        """Return what may be given several times."""
        value = self._values.get(name)
        return value if isinstance(value, list) else []


def main(arguments: "list[str]") -> int:
    """Run a command line without the program's name; return the exit code."""
    try:
        return _call(arguments)
    except Failure as failure:
        message, code = failure.message, failure.exit_code
    except KeyboardInterrupt:
        message, code = "stopped.", FAILED
    except OSError as error:
        message, code = f"{seam.reason(error)}.", FAILED
    seam.write_error(f"Error: {message}\n")
    return code


def _call(arguments: "list[str]") -> int:
    before, words, values = _split_root(arguments)
    if "--version" in values:
        print(__version__)
        return 0
    if "--help" in values or not words:
        _print_overview()
        return 0
    row, rest = _find(words)
    if row is None:
        return 0
    given = _parse(row, rest)
    if "--help" in given:
        _print_help(row)
        return 0
    return _function(row)(Given(before | given)) or 0


def _split_root(arguments: "list[str]") -> "tuple[dict[str, object], list[str], dict[str, object]]":
    """Return the file that is named in front of the command, the words from the command on, and all in front."""
    values: dict[str, object] = {}
    left = list(arguments)
    while left and left[0].startswith("-"):
        _take_option("edgeturn", _ROOT, left, values)
    return {name: value for name, value in values.items() if name == "--config"}, left, values


def _find(words: "list[str]") -> "tuple[Row | None, list[str]]":
    """Return the row that words mean and what is behind it; None where a group's help was wanted, which is printed."""
    rows = [row for row in table.COMMANDS if row[0].split(" ")[0] == words[0]]
    if not rows:
        raise Wrong(_unknown(words[0]))
    if rows[0][0] == words[0]:
        return rows[0], words[1:]
    for row in rows:
        if words[1:2] == row[0].split(" ")[1:]:
            return row, words[2:]
    if words[1:2] and words[1] not in ("-h", "--help"):
        known = ", ".join([row[0].split(" ")[1] for row in rows])
        raise Wrong(f"'{words[0]}' has no command '{words[1]}'; there are {known}.")
    print(f"Usage: edgeturn {words[0]} COMMAND\n\n  {dict(table.TOP)[words[0]]}\n\nCommands:")
    _print_columns([(row[0].split(" ")[1], row[1]) for row in rows])
    return None, []


def _unknown(name: str) -> str:
    if name in dict(table.TOP):
        here = _INSTEAD.get(name, "")
        return (
            f"'{name}' needs the whole edgeturn with Python and click, which isn't what runs here{here and '; '}{here}."
        )
    return f"there is no command '{name}'; `edgeturn --help` lists them."


def _parse(row: "Row", words: "list[str]") -> "dict[str, object]":
    """Return options and arguments by name."""
    values: dict[str, object] = {}
    left, plain = list(words), []
    while left:
        if left[0] == "--":
            plain += left[1:]
            break
        if left[0].startswith("-") and left[0] != "-":
            _take_option(row[0], row[4] + (_HELP,), left, values)
        else:
            plain.append(left.pop(0))
    if "--help" not in values:
        _take_arguments(row, plain, values)
    return values


def _take_option(words: str, options: "tuple[Option, ...]", left: "list[str]", values: "dict[str, object]") -> None:
    """Take an option and its value from the front of what is left."""
    name, equals, value = left.pop(0).partition("=")
    if not name.startswith("--") and len(name) > 2:  # -cFILE
        name, equals, value = name[:2], "=", name[2:] + equals + value
    for option in options:
        if name in option[:2]:
            break
    else:
        shown = "edgeturn" if words == "edgeturn" else f"edgeturn {words}"
        raise Wrong(f"there is no option '{name}'; `{shown} --help` lists them.")
    if option[2] == table.FLAG:
        if equals:
            raise Wrong(f"option '{name}' takes no value.")
        values[option[1]] = True
        return
    if not equals:
        if not left:
            raise Wrong(f"option '{name}' needs a value: {name} {_metavar(option[2])}.")
        value = left.pop(0)
    _keep(option, value, values)


def _keep(option: "Option", value: str, values: "dict[str, object]") -> None:
    """Keep an option's value as its kind wants it."""
    kind, name = option[2], option[1]
    if isinstance(kind, str):
        if not kind.endswith("..."):
            values[name] = value
            return
        several = values.setdefault(name, [])
        assert isinstance(several, list)
        several.append(value)
    elif isinstance(kind[0], str):
        if value not in kind:
            raise Wrong(f"option '{name}' is one of {_metavar(kind).replace('|', ', ')}, not '{value}'.")
        values[name] = value
    else:
        values[name] = number(value, kind[0], int(kind[1]), f"option '{name}'")


def number(text: str, least: int, most: int, what: str) -> int:
    """Return a whole number; Wrong where it is none in these bounds."""
    if not text or len(text) > 10 or any(each not in "0123456789" for each in text) or not least <= int(text) <= most:
        raise Wrong(f"{what} is a whole number from {least} to {most}, not '{text}'.")
    return int(text)


def _take_arguments(row: "Row", plain: "list[str]", values: "dict[str, object]") -> None:
    left = list(plain)
    for argument in row[3]:
        if argument.endswith("...") and left:
            values[argument] = left
            left = []
        elif left:
            values[argument] = left.pop(0)
        elif not argument.startswith("["):
            raise Wrong(f"{argument} is missing: `{_usage(row)}`.")
    if left:
        raise Wrong(f"'{left[0]}' is one word too many: `{_usage(row)}`.")


def _usage(row: "Row") -> str:
    return " ".join(("edgeturn", row[0]) + row[3])


def _metavar(kind: "Kind") -> str:
    if isinstance(kind, str):
        return kind.replace("...", "")
    return "|".join([str(each) for each in kind]) if isinstance(kind[0], str) else "NUMBER"


def _print_overview() -> None:
    print("Usage: edgeturn [OPTIONS] COMMAND\n\n  Run and look after a STUN and TURN relay.\n\nCommands:")
    known = [row[0].split(" ")[0] for row in table.COMMANDS]
    _print_columns([row for row in table.TOP if row[0] in known])
    print("\nOptions:")
    _print_options(_ROOT)
    print("\nExit codes:")
    _print_columns([(str(code), meaning) for code, meaning in EXIT_CODES])


def _print_help(row: "Row") -> None:
    print(f"Usage: {_usage(row)} [OPTIONS]\n\n  {row[1] or dict(table.TOP)[row[0]]}\n\nOptions:")
    _print_options(row[4] + (_HELP,))


def _print_options(options: "tuple[Option, ...]") -> None:
    rows = []
    for short, name, kind, about in options:
        left = ", ".join([each for each in (short, name) if each]) + (f" {_metavar(kind)}" if kind else "")
        bounds = f"  [{kind[0]} to {kind[1]}]" if isinstance(kind, tuple) and isinstance(kind[0], int) else ""
        if about:
            rows.append((left, about + bounds))
    _print_columns(rows)


def _print_columns(rows: "list[tuple[str, str]]") -> None:
    width = max([len(row[0]) for row in rows])
    for left, right in rows:
        print(f"  {left}{' ' * (width - len(left))}  {right}")


def _function(row: "Row"):  # type: ignore[no-untyped-def]
    """Return what a row calls."""
    module, _, name = row[2].partition(".")
    path = "edgeturn.command." + module
    __import__(path)
    return getattr(sys.modules[path], name)
