"""Text as each format writes it, so that what is read there is what stood here.

Rule 1: a value is quoted where it could be read as anything but text: as a number, a comment, a variable.
Rule 2: what a format can't hold is Unfit, and not something near it.
"""

import html
import json
import re
import shlex
from collections.abc import Callable, Sequence
from urllib.parse import quote as percent_encoded

from edgeturn.snippets.application import Unfit

_BARE = re.compile(r"[A-Za-z0-9_./:@%+=,?-]+")  # nothing that a shell, Docker or dotenv reads as more than itself
_BASIC = {"\\": "\\\\", '"': '\\"'}


def json_text(document: object) -> str:
    """Return JSON in one line, with the letters of other languages as they are."""
    return _printable(json.dumps(document, ensure_ascii=False), _surrogates)


def json_lines(document: object) -> list[str]:
    """Return JSON in lines."""
    return _printable(json.dumps(document, ensure_ascii=False, indent=2), _surrogates).split("\n")


def basic(text: str) -> str:
    """Return a string in double quotes as YAML, TOML, Go and Python read it."""
    return '"' + _printable("".join(_BASIC.get(each, each) for each in text), _code_point) + '"'


def yaml_single(text: str) -> str:
    """Return a string of YAML in single quotes; for text that has many double ones."""
    return "'" + text.replace("'", "''") + "'"


def raw(text: str) -> str:
    """Return a string in double quotes as Lua and libconfig read it."""
    return '"' + "".join(_BASIC.get(each, each) for each in text) + '"'


def shell(text: str) -> str:
    """Return a word of a shell."""
    return shlex.quote(text)


def url(text: str) -> str:
    """Return a user or password as it stands in a URL."""
    return percent_encoded(text, safe="")


def xml(text: str) -> str:
    """Return an attribute's value with its quotes."""
    written = html.escape(text)
    for blank in "\n\r\t":  # which a parser would make spaces of
        written = written.replace(blank, f"&#{ord(blank)};")
    return f'"{written}"'


def compose(text: str) -> str:
    """Return a value of a file that Docker Compose reads: bare, 'as it is' or "with \\ before what is special"."""
    if _BARE.fullmatch(text):
        return text
    if "'" not in text and not text.endswith("\\"):
        return f"'{text}'"
    if "$" in text:
        raise Unfit("a dollar sign beside an apostrophe or a last backslash")
    return raw(text)


def dotenv(text: str) -> str:
    """Return a value of a file that dotenv for Node.js reads, which knows three quotes and no escapes."""
    if _BARE.fullmatch(text):
        return text
    for each in "'`\"":
        if each not in text and not (each == '"' and "\\" in text):
            return each + text + each
    raise Unfit("three kinds of quotation marks")


def listed(values: Sequence[str]) -> str:
    """Return a list of strings as TOML and Python read it, in one line."""
    return "[" + ", ".join(basic(each) for each in values) + "]"


def _printable(text: str, escape: Callable[[str], str]) -> str:
    return "".join(each if each.isprintable() or each == "\n" else escape(each) for each in text)


def _code_point(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number < 1 << 16 else f"\\U{number:08x}"


def _surrogates(character: str) -> str:
    return json.dumps(character)[1:-1]
