"""The words of NAT traversal, explained: how a term is found and shown; the terms themselves are rows of `terms`.

Rule 1: an entry has a name, other names, a few plain sentences, what to see also, and the command that shows it.
Rule 2: a word that isn't there is answered with those that come nearest.
"""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from textwrap import shorten

from edgeturn.command.failure import Wrong
from edgeturn.diagnose import wording
from edgeturn.diagnose.meanings import MEANINGS
from edgeturn.diagnose.terms import addresses, calls, relaying
from edgeturn.diagnose.wording import Entry
from edgeturn.terminal.wrapping import wrapped

_WIDTH = 18


@cache
def entries() -> list[Entry]:
    """Return all terms by their names."""
    parsed = (entry for terms in (addresses, relaying, calls) for entry in wording.parse(terms.TEXT))
    return sorted(parsed, key=lambda entry: entry.name)


def find(term: str) -> Entry:
    """Return the entry of a term; Wrong with the nearest names where there's none."""
    names = {plain(name): entry for entry in entries() for name in (entry.name, *entry.also)}
    found = names.get(plain(term)) or names.get(plain(term).removesuffix("s"))
    found = found or _of_case(plain(term))
    if found is not None:
        return found
    near = dict.fromkeys(names[each].name for each in _near(plain(term), list(names)))
    hint = f"did you mean {', '.join(near)}? " if near else ""
    raise Wrong(f"{term[:60]}: is no term that is explained; {hint}`edgeturn diagnose --explain` lists them.")


def _of_case(name: str) -> Entry | None:
    """Return what a case means, by its name in --json."""
    for each in MEANINGS:
        if each.name == name:
            more = f" It may be one of: {', '.join(each.may_be)}." if each.may_be else ""
            return Entry(name, text=f"What `edgeturn diagnose` finds: {each.text}.{more}")
    return None


def plain(term: str) -> str:
    """Return a term without what people write differently."""
    return re.sub(r"[\s_/-]+", "-", term.strip().lower())


def _near(term: str, names: list[str]) -> list[str]:
    inside = [name for name in names if len(term) > 2 and term in name.split("-")]
    return (inside + get_close_matches(term, names, 4, 0.6))[:4]


def as_text(entry: Entry) -> Iterator[str]:
    """Return the lines of an entry."""
    yield from wrapped(entry.name + (f" (also: {', '.join(entry.also)})" if entry.also else "")).splitlines()
    yield ""
    yield from wrapped(entry.text).splitlines()
    if entry.command:
        yield ""
        yield from wrapped(entry.command, "Try:      ", " " * 10).splitlines()
    if entry.see:
        yield from ([] if entry.command else [""])
        yield from wrapped(", ".join(entry.see), "See also: ", " " * 10).splitlines()


def as_json(entry: Entry) -> dict[str, object]:
    """Return an entry for programs."""
    return {
        "term": entry.name, "also": entry.also, "text": entry.text, "see": entry.see, "command": entry.command,
    }  # fmt: skip


def overview() -> Iterator[str]:
    """Return a line for each term: its name and how its text begins."""
    for entry in entries():
        first = re.split(r"(?<=[.:;]) ", entry.text)[0].rstrip(".:;")
        yield f"{entry.name:{_WIDTH}} {shorten(first, 79 - _WIDTH, placeholder='…')}"
    yield ""
    yield "`edgeturn diagnose --explain TERM` says more."
