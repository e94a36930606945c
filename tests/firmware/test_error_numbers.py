"""Errors have other numbers on MIPS, but for the first 34: what the firmware holds takes the others from `errno`."""

import errno
import re

import pytest

from firmware.build import frozen

COMMON = 34  # ERANGE
_NUMBER = re.compile(r"^_?(E[A-Z]+) = (\d+)(?! if)\b", re.MULTILINE)


def told_apart(text: str) -> list[tuple[str, int]]:
    """Return the errors to which a source gives one number, though MIPS has another."""
    found = [(name, int(number)) for name, number in _NUMBER.findall(text)]
    return [(name, number) for name, number in found if name in errno.errorcode.values() and number > COMMON]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("_EINPROGRESS = 115\n", [("EINPROGRESS", 115)]),
        ("EAGAIN = 11\n", []),
        ("EMSGSIZE = 97 if EADDRINUSE == 125 else 90\n", []),
        ("_EISCONN = (106, 133)\n", []),
        ("_ECHO = 128\n", []),
    ],
)
def test_what_is_found(text: str, expected: list[tuple[str, int]]) -> None:
    assert told_apart(text) == expected


def test_no_error_has_the_number_of_one_processor() -> None:
    assert {path.name: found for path in frozen.files() if (found := told_apart(path.read_text()))} == {}
