"""Editing a configuration leaves everything else as it is, byte for byte."""

import pytest

from edgeturn.command.edit import Document
from edgeturn.command.failure import Wrong

TEXT = """\
# head
config relay 'main'   # the only one
\toption realm   "exa mple.org"  # keep me
    list listen 192.0.2.1:3478
    list listen '192.0.2.1:3479' # second

\t# about secrets
\tlist  secret one

config user 'alice'
\toption password 's3cret'
# foot"""


def document(text: str = TEXT) -> Document:
    return Document(text, "test.conf")


def test_a_value_is_replaced_in_its_line() -> None:
    edited = document()
    edited.set("realm", "example.net")
    assert edited.text == TEXT.replace('"exa mple.org"', "'example.net'")


def test_a_quote_in_a_value_survives() -> None:
    edited = document()
    edited.set("realm", "it's")
    assert edited.entries("realm")[0].value == "it's"


def test_a_new_line_looks_like_its_neighbours() -> None:
    edited = document()
    edited.add("listen", "192.0.2.2:1")
    assert "    list listen '192.0.2.1:3479' # second\n    list listen '192.0.2.2:1'\n\n" in edited.text
    edited.add("secret", "two", first=True)
    assert "\t# about secrets\n\tlist  secret 'two'\n\tlist  secret one\n" in edited.text


@pytest.mark.parametrize("text", [TEXT, TEXT + "\n", TEXT.replace("\n", "\r\n") + "\r\n", "", "config relay\n"])
def test_what_is_added_and_removed_leaves_no_trace(text: str) -> None:
    edited = document(text)
    edited.set("user_quota", "3")
    edited.add("deny_peer", "192.0.2.0/24")
    edited.add_section("user", "bob", [("password", "x y")])
    section = edited.section("user", "bob")
    assert section is not None and section.entries[0].value == "x y"
    edited.remove_section(section)
    edited.remove(edited.entries("deny_peer") + edited.entries("user_quota"))
    ended = text if not text or text.endswith("\n") else text + "\n"
    made = "" if text.strip() else "config relay 'main'\n"
    assert edited.text == ended + made


def test_line_ends_stay_what_they_are() -> None:
    edited = document(TEXT.replace("\n", "\r\n"))
    edited.set("realm", "x")
    edited.set("user_quota", "3")
    assert edited.text.count("\n") == edited.text.count("\r\n")


def test_a_value_has_one_line() -> None:
    with pytest.raises(Wrong, match="line break"):
        document().set("realm", "a\nb")


def test_what_cannot_be_read_is_not_edited() -> None:
    with pytest.raises(Wrong, match=r"test\.conf:1: .*correct that by hand first"):
        document("nonsense\n")
