"""What a case is: a row that looks at the evidence and either has nothing to say or says what is wrong.

Rule 1: a judge returns None where what it needs isn't known; it never guesses by what is absent from a poor source.
Rule 2: the conclusion is the answer, in a plain sentence; evidence is what was seen, next is what to type or change.
Rule 3: a row names the cases that it explains: where it speaks they are silent, for they tell only its consequences.
"""

from collections.abc import Callable
from dataclasses import dataclass

from edgeturn.diagnose.evidence import Evidence

CERTAIN, LIKELY, POSSIBLE = "certain", "likely", "possible"
CERTAINTIES = (CERTAIN, LIKELY, POSSIBLE)
# In the order in which a call is set up: what goes wrong earlier is told first.
GATHERING, ALLOCATING, ROLES, PAIRING, SECURITY, LASTING, MEDIA = (
    "gathering", "allocating", "roles", "pairing", "security", "lasting", "media",
)  # fmt: skip
STAGES = (GATHERING, ALLOCATING, ROLES, PAIRING, SECURITY, LASTING, MEDIA)


@dataclass(frozen=True)
class Finding:
    """What a case says."""

    case: str
    conclusion: str
    evidence: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    certainty: str = LIKELY


@dataclass(frozen=True)
class Case:
    """A row: its name, its stage, who judges, and the names of the cases that it explains."""

    name: str
    stage: str
    judge: Callable[[Evidence], Finding | None]
    explains: tuple[str, ...] = ()
