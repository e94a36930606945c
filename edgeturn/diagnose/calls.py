"""Which sides belong together: a browser's dump tells of all its connections, and each call is judged by itself.

Rule 1: two ends of one call know each other's ice-ufrag. Two that know others are two calls, or both talk to an SFU.
Rule 2: what knows no other end may belong to any call, and is shown to each.
"""

from dataclasses import replace

from edgeturn.diagnose import seen
from edgeturn.diagnose.evidence import Evidence, Side


def calls(evidence: Evidence) -> list[Evidence]:
    """Return the evidence of each call; the same where there's one."""
    groups: list[list[Side]] = []
    for side in [each for each in evidence.sides if _fragments(each, local=False)]:
        linked = [group for group in groups if any(_are_ends(side, each) for each in group)]
        rest = [group for group in groups if group not in linked]
        groups = [*rest, [*(each for group in linked for each in group), side]]
    if len(groups) < 2:
        return [evidence]
    known = [id(side) for group in groups for side in group]
    others = [side for side in evidence.sides if id(side) not in known]
    return [replace(evidence, sides=[*group, *others]) for group in groups]


def _fragments(side: Side, local: bool) -> set[str]:
    if not seen.is_browser(side):
        return set()
    return {each.fragment for each in side.descriptions if each.local is local and each.fragment}


def _are_ends(one: Side, other: Side) -> bool:
    return any(
        _fragments(first, local=True) & _fragments(second, local=False)
        for first, second in ((one, other), (other, one))
    )
