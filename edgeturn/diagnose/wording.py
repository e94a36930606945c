"""Texts for people, apart from the code that chooses them: entries of a document that reads like one.

    # NAME: other name, other name
    What it is or what is wrong, in a few sentences.
    - what to do next; a long one goes on
      in lines that are indented
    + the same, to be done where the relay runs
    See: NAME, NAME
    Try: a command

Rule 1: in the texts of cases {word} stands for what the case has found out.
Rule 2: where a relay of one's own answered on its control socket, steps with + come first; else last, and say where.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from edgeturn.diagnose.case import LIKELY, Finding
from edgeturn.diagnose.evidence import Evidence


@dataclass
class Entry:
    """An entry: its name, what else it is called, its text, steps, related names, and a command."""

    name: str
    also: tuple[str, ...] = ()
    text: str = ""
    steps: tuple[str, ...] = ()  # each with its sign and a space in front
    see: tuple[str, ...] = ()
    command: str = ""


def parse(document: str) -> list[Entry]:
    """Return the entries of a document."""
    return [_entry(part.splitlines()) for part in f"\n{document.strip()}".split("\n# ")[1:]]


def _entry(lines: list[str]) -> Entry:
    name, _, also = lines[0].partition(": ")
    entry = Entry(name, _names(also))
    for line in lines[1:]:
        if line.startswith("See: "):
            entry.see = _names(line[5:])
        elif line.startswith("Try: "):
            entry.command = line[5:]
        elif line.startswith(("- ", "+ ")):
            entry.steps = (*entry.steps, line)
        elif line.startswith("  "):
            entry.steps = (*entry.steps[:-1], f"{entry.steps[-1]} {line.strip()}")
        else:
            entry.text = f"{entry.text} {line}".strip()
    return entry


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(", ")) if text else ()


@dataclass
class Wording:
    """The texts of some cases, by their names."""

    entries: dict[str, Entry]

    def finding(
        self, name: str, evidence: Evidence, told: Iterable[str], certainty: str = LIKELY, **found: object
    ) -> Finding:
        """Return what a case says, with what it has found out in the places for it."""
        entry = self.entries[name]
        steps = [step[2:].format(**found) for step in entry.steps if step[0] == "-"]
        there = [step[2:].format(**found) for step in entry.steps if step[0] == "+"]
        if evidence.relay is None:
            then = [*steps, *(f"At the relay: {step}" for step in there)]
        else:
            then = [*there, *steps]
        return Finding(name, entry.text.format(**found), tuple(told), tuple(then), certainty)


def of_cases(document: str) -> Wording:
    """Return the texts of cases."""
    return Wording({entry.name: entry for entry in parse(document)})
