"""From evidence to findings: every row of every table is asked, and what another finding explains is left out.

Rule 1: what may be one of several causes is left out, too, where one of those is found.
Rule 2: the best first: the more certain, then the earlier in a call's setting up, then the order of the tables.
"""

from collections.abc import Sequence

from edgeturn.diagnose.calls import calls
from edgeturn.diagnose.case import CERTAINTIES, STAGES, Case, Finding
from edgeturn.diagnose.cases import (
    allocating,
    dropping,
    gathering,
    lasting,
    media,
    pairing,
    reaching,
    refusing,
    relaying,
    roles,
)
from edgeturn.diagnose.evidence import Evidence
from edgeturn.diagnose.meanings import MAY_BE

CASES: tuple[Case, ...] = (
    *gathering.CASES,
    *reaching.CASES,
    *allocating.CASES,
    *refusing.CASES,
    *roles.CASES,
    *relaying.CASES,
    *dropping.CASES,
    *pairing.CASES,
    *lasting.CASES,
    *media.CASES,
)


def conclude(evidence: Evidence, cases: Sequence[Case] = CASES) -> list[Finding]:
    """Return what the cases find, best first."""
    told = [row for call in calls(evidence) for row in _of_call(call, cases)]
    told.sort(key=lambda row: (CERTAINTIES.index(row[1].certainty), STAGES.index(row[0].stage)))
    once: dict[str, Finding] = {}
    for _, finding in told:  # what a dump and a capture both show is told once
        once.setdefault(finding.case, finding)
    return list(once.values())


def _of_call(evidence: Evidence, cases: Sequence[Case]) -> list[tuple[Case, Finding]]:
    """Return what the cases find, without what is explained by others."""
    found = [(case, finding) for case in cases if (finding := case.judge(evidence)) is not None]
    explained = {name for case, _ in found for name in case.explains}
    names = {finding.case for _, finding in found}
    explained |= {name for name in names if names & set(MAY_BE.get(name, ()))}
    return [(case, finding) for case, finding in found if not explained & {case.name, finding.case}]
