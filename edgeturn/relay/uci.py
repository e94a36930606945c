"""UCI, the configuration syntax of OpenWrt, read with the line of every word.

    config TYPE ['NAME']
        option NAME 'VALUE'
        list NAME 'VALUE'

Rule 1: words are separated by spaces or tabs; '…' is literal, "…" and bare words know the backslash; adjacent pieces
        are one word.
Rule 2: # begins a comment where a word could begin.
Rule 3: what can't be read is a ConfigError with file and line.
"""

_LARGEST = 1 << 20  # bytes of a file: thousands of users
_PIECE = 4096
_SPACE = " \t\r"
_NAME = "_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_WORDS = {"package": (2,), "config": (2, 3), "option": (3,), "list": (3,)}


class ConfigError(Exception):
    """What a person did wrong in a configuration: file, line and what it is."""

    def __init__(self, file: str, line: int, message: str) -> None:
        """Take file, line (0 where none is meant) and one sentence."""
        super().__init__(f"{file}:{line}: {message}" if line else f"{file}: {message}")
        self.file = file
        self.line = line
        self.message = message


def read(file: str) -> "bytes | None":
    """Return what is in a file; None where that is too much for any configuration. OSError where it can't be read."""
    pieces: list[bytes] = []
    try:
        with open(file, "rb") as stream:
            for _ in range(_LARGEST // _PIECE):  # MicroPython takes the memory for all that is asked for
                piece = stream.read(_PIECE)
                if not piece:
                    return b"".join(pieces)
                pieces.append(piece)
    except MemoryError:
        pass
    return None


class Entry:
    """An option or an element of a list."""

    def __init__(self, line: int, is_list: bool, name: str, value: str) -> None:
        """Take line number, kind, name and value."""
        self.line = line
        self.is_list = is_list
        self.name = name
        self.value = value


class Section:
    """A `config` line and its entries; `end` is the line of the last one."""

    def __init__(self, line: int, kind: str, name: str) -> None:
        """Take line number, type and name."""
        self.line = line
        self.end = line
        self.kind = kind
        self.name = name
        self.entries: list[Entry] = []

    def title(self) -> str:
        """Return what the section is about: its option `name`, for what can't be a section's name, or else that."""
        for entry in self.entries:
            if entry.name == "name" and not entry.is_list:
                return entry.value
        return self.name


def is_name(text: str) -> bool:
    """Say whether a text can be a section's name on OpenWrt: letters, digits and _."""
    return bool(text) and all(each in _NAME for each in text)


def parse(text: str, file: str) -> "list[Section]":
    """Return the sections of a text; ConfigError where it can't be read."""
    sections: list[Section] = []
    for number, line in enumerate(text.split("\n"), 1):
        try:
            words = split(line)
        except ValueError as error:
            raise ConfigError(file, number, error.args[0])
        if words:
            _add(sections, words, file, number)
    return sections


def _add(sections: "list[Section]", words: "list[str]", file: str, line: int) -> None:
    keyword = words[0]
    if keyword not in _WORDS:
        raise ConfigError(file, line, f"'{keyword}' is not one of config, option, list")
    if len(words) not in _WORDS[keyword]:
        raise ConfigError(file, line, f"'{keyword}' with {len(words) - 1} words behind, not {_WORDS[keyword][0] - 1}")
    if keyword == "config":
        sections.append(Section(line, words[1], words[2] if len(words) > 2 else ""))
    elif keyword != "package":
        if not sections:
            raise ConfigError(file, line, f"'{keyword}' before the first 'config'")
        sections[-1].entries.append(Entry(line, keyword == "list", words[1], words[2]))
        sections[-1].end = line


def split(line: str) -> "list[str]":
    """Return the words of a line; ValueError where a quote isn't closed."""
    return [word for word, _, _ in pieces(line)]


def pieces(line: str) -> "list[tuple[str, int, int]]":
    """Return the words of a line, each with where it begins and ends; ValueError where a quote isn't closed."""
    words = []
    at = 0
    while at < len(line):
        if line[at] in _SPACE:
            at += 1
        elif line[at] == "#":
            break
        else:
            start = at
            word, at = _word(line, at)
            words.append((word, start, at))
    return words


def _word(line: str, at: int) -> "tuple[str, int]":
    """Return the word that begins at a place, and the place behind it."""
    word = ""
    quote = ""
    while at < len(line) and (quote or line[at] not in _SPACE):
        character = line[at]
        if character == "\\" and quote != "'" and at + 1 < len(line):
            at += 1
            word += line[at]
        elif character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote = character
        else:
            word += character
        at += 1
    if quote:
        raise ValueError(f"the quote {quote} is not closed")
    return word, at


def quote(value: str) -> str:
    """Return a value as it is written in a file."""
    return "'" + value.replace("'", "'\\''") + "'"
