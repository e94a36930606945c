"""Editing a UCI file as text: comments, order, quotes and line ends stay, and the rest of the file with them.

Rule 1: an edit is a new text; writing it is somebody else's business, and so is whether it makes sense.
Rule 2: a value is replaced in its line; a new line looks like its neighbours; added and removed leaves no trace.
"""

from edgeturn.command.failure import Wrong
from edgeturn.relay import uci

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeturn.relay.uci import Entry, Section

_RELAY = "config relay 'main'"
_TAB = 9


class Document:
    """A configuration file's text, to be changed."""

    def __init__(self, text: str, file: str) -> None:
        """Take a text; Wrong where it is no UCI."""
        self._file = file
        self._read(text)

    @property
    def text(self) -> str:
        """Return the text as it is now."""
        return "".join(self._lines)

    def entries(self, name: str) -> "list[Entry]":
        """Return what the relay section has of an option."""
        relay = self._relay()
        return [entry for entry in relay.entries if entry.name == name] if relay else []

    def section(self, kind: str, name: str) -> "Section | None":
        """Return a section by type and what it's about."""
        for each in self.sections:
            if (each.kind, each.title()) == (kind, name):
                return each
        return None

    def set(self, name: str, value: str) -> None:
        """Give an option of the relay a value."""
        found = self.entries(name)
        if not found:
            self._insert("option", name, value)
            return
        number = found[-1].line
        line = self._lines[number - 1]
        start, end = self._places(number)[2]
        self._lines[number - 1] = line[:start] + uci.quote(_one_line(value)) + line[end:]
        self._read(self.text)

    def add(self, name: str, value: str, first: bool = False) -> None:
        """Add a value to a list of the relay, behind or in front of the others."""
        self._insert("list", name, value, first)

    def set_list(self, name: str, values: "Sequence[str]") -> None:
        """Give a list of the relay these values instead of those that it has."""
        old = self.entries(name)
        for value in values:
            self.add(name, value)  # behind the old ones, whose lines stay where they are
        self.remove(old)

    def remove(self, entries: "list[Entry]") -> None:
        """Remove entries with their lines."""
        gone = {entry.line for entry in entries}
        self._read("".join([line for number, line in enumerate(self._lines, 1) if number not in gone]))

    def add_section(
        self, kind: str, name: str, options: "list[tuple[str, str]]", lists: "Sequence[tuple[str, str]]" = ()
    ) -> None:
        """Add a section at the end; what can't be its name on OpenWrt is its option `name`."""
        # Of two sections with one name UCI makes one, and of two types it reads nothing of the file.
        free = uci.is_name(name) and not any(each.name == name for each in self.sections)
        added = [f"config {kind} {uci.quote(_one_line(name))}"] if free else [f"config {kind}"]
        options = options if free else [("name", name)] + options
        added += [f"\toption {option} {uci.quote(_one_line(value))}" for option, value in options]
        added += [f"\tlist {option} {uci.quote(_one_line(value))}" for option, value in lists]
        end = self._ending()
        gap = end if self.text else ""
        self._read(self._whole() + gap + "".join([line + end for line in added]))

    def remove_section(self, section: "Section") -> None:
        """Remove a section, and the empty line in front of it."""
        start = section.line - 1
        if start and not self._lines[start - 1].strip():
            start -= 1
        self._read("".join(self._lines[:start] + self._lines[section.end :]))

    def _relay(self) -> "Section | None":
        for section in self.sections:
            if section.kind == "relay":
                return section
        return None

    def _insert(self, keyword: str, name: str, value: str, first: bool = False) -> None:
        relay = self._relay()
        if relay is None:
            self._read(self._whole() + _RELAY + self._ending())
            relay = self._relay()
            assert relay is not None
        alike = [entry for entry in relay.entries if entry.name == name]
        model = alike or [entry for entry in relay.entries if entry.is_list == (keyword == "list")]
        head = f"\t{keyword} "
        if model:
            line = model[-1].line
            head = self._lines[line - 1][: self._places(line)[1][0]]
        at = alike[0].line - 1 if alike and first else alike[-1].line if alike else relay.end
        lines = _split(self._whole())
        lines.insert(at, f"{head}{name} {uci.quote(_one_line(value))}{self._ending()}")
        self._read("".join(lines))

    def _places(self, number: int) -> "list[tuple[int, int]]":
        """Return where the words of a line begin and end."""
        return [(start, end) for _, start, end in uci.pieces(self._lines[number - 1].rstrip("\n"))]

    def _read(self, text: str) -> None:
        try:
            self.sections = uci.parse(text, self._file)
        except uci.ConfigError as error:
            raise Wrong(f"{error}; correct that by hand first.")
        self._lines = _split(text)

    def _ending(self) -> str:
        return "\r\n" if self._lines and self._lines[0].endswith("\r\n") else "\n"

    def _whole(self) -> str:
        """Return the text with its last line ended."""
        text = self.text
        return text if not text or text.endswith("\n") else text + self._ending()


def _one_line(value: str) -> str:
    if "\n" in value or "\r" in value or "\0" in value:
        raise Wrong("a value can't have a line break or a NUL in it.")
    if any(_is_unprintable(ord(each)) for each in value):
        raise Wrong("a value can't have control characters or halves of characters in it.")
    return value


def _is_unprintable(number: int) -> bool:
    """Say whether a character would do something to a terminal, or is no character by itself: a surrogate."""
    return (number < 0x20 and number != _TAB) or 0x7F <= number < 0xA0 or 0xD800 <= number < 0xE000


def _split(text: str) -> "list[str]":
    """Return the lines as uci.parse counts them, with their ends."""
    lines = text.split("\n")
    return [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
