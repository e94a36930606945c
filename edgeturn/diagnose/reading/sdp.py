"""Reading an offer or an answer: SDP (RFC 8866, RFC 8839) as such, as JSON {"type", "sdp"}, or as a log shows it.

Rule 1: a document with two descriptions, such as an offer with its answer, is two sides.
Rule 2: what isn't about connecting is passed over; a line that is no SDP is noted with its number.
"""

import json
import re

from edgeturn.diagnose.evidence import Candidate, Description, Side
from edgeturn.diagnose.reading import candidates
from edgeturn.diagnose.unreadable import Unreadable

# Blanks of one line only: \s goes on over line ends, and what is all line ends would be read again from each of them.
_BEGIN = re.compile(r"(?m)^[ \t]*v=0[ \t]*$")
_SIGN = re.compile(r"(?m)^[ \t]*a=(ice-ufrag|fingerprint|setup|mid|group):")
_LINE = re.compile(r"^[a-z]=.*$")
KINDS = ("offer", "answer", "pranswer", "rollback")
_MOST_DESCRIPTIONS = 8
_MOST_NOTES = 5
_MEDIA = re.compile(r"(?m)^m=(\w+) (\d+)")


def recognises(data: bytes) -> bool:
    """Say whether it is SDP, or JSON around SDP."""
    text = plain(data.decode(errors="replace"))
    return _BEGIN.search(text) is not None or _SIGN.search(text) is not None


def plain(text: str) -> str:
    r"""Return text with the line ends that a log or JSON wrote as \r\n."""
    return text.replace("\\r", "").replace("\\n", "\n").replace("\r", "") if "\\n" in text else text.replace("\r", "")


def read(name: str, data: bytes) -> list[Side]:
    """Return a side for each description."""
    text = data.decode(errors="replace")
    found = _of_json(text) or [("", each) for each in _split(plain(text))]
    if not found:
        raise Unreadable(f"{name}: holds no offer and no answer.")
    kinds = _kinds([kind for kind, _ in found], [sdp for _, sdp in found])
    return [_side(name, kind, sdp) for kind, (_, sdp) in zip(kinds, found, strict=True)]


def describe(sdp: str, kind: str, local: bool, at: float = 0.0) -> tuple[Description, list[Candidate]]:
    """Return what a description says about connecting, and its candidates."""
    lines = [line.strip() for line in plain(sdp).splitlines()[: candidates.MOST_LINES]]
    found = candidates.merged(
        [each for line in lines if line.startswith("a=candidate:") and (each := candidates.parse(line, at=at))]
    )
    media = _MEDIA.findall("\n".join(lines))
    bundled = "a=group:BUNDLE" in sdp  # then port 0 may mean bundle-only
    description = Description(
        local=local,
        kind=kind,
        setup=_value(lines, "a=setup:"),
        ice_lite="a=ice-lite" in lines,
        trickle="trickle" in _value(lines, "a=ice-options:"),
        end_of_candidates="a=end-of-candidates" in lines,
        candidates=len(found),
        media=tuple(medium for medium, _ in media),
        disabled=tuple(
            medium for medium, port in media if port == "0" and "a=bundle-only" not in lines and not bundled
        ),
        fragment=_value(lines, "a=ice-ufrag:"),
        fingerprint=_value(lines, "a=fingerprint:").lower(),
        at=at,
    )
    return description, found


def _value(lines: list[str], start: str) -> str:
    return next((line[len(start) :].strip() for line in lines if line.startswith(start)), "")


def _side(name: str, kind: str, sdp: str) -> Side:
    description, found = describe(sdp, kind, local=True)
    article = {"offer": "an SDP offer", "answer": "an SDP answer"}.get(kind, "SDP")
    side = Side(f"{name} ({article})", "sdp", candidates=found, descriptions=[description])
    side.gathered_all = True if description.end_of_candidates else None
    for number, line in enumerate(sdp.splitlines(), 1):
        if line.strip() and not _LINE.match(line.strip()) and len(side.notes) < _MOST_NOTES:
            side.notes.append(f"line {number}: no SDP: {' '.join(line.split())[:50]}")
    return side


def _split(text: str) -> list[str]:
    """Return the descriptions of a text, each with the lines in front of the first one."""
    starts = [found.start() for found in _BEGIN.finditer(text)][:_MOST_DESCRIPTIONS]
    if not starts:
        return [text]
    ends = [*starts[1:], len(text)]
    starts[0] = 0
    return [text[start:end] for start, end in zip(starts, ends, strict=True)]


def _of_json(text: str) -> list[tuple[str, str]]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return []
    rows = document if isinstance(document, list) else [document]
    found = [_row(each) for each in rows[:_MOST_DESCRIPTIONS] if isinstance(each, dict)]
    return [row for row in found if row[1]]


def _row(document: dict[str, object]) -> tuple[str, str]:
    """Return kind and SDP of {"type", "sdp"}, also where an application put it into a field of its message."""
    for each in (document, *document.values()):
        if isinstance(each, dict) and isinstance(each.get("sdp"), str):
            kind = each.get("type")
            return (kind if kind in KINDS else "", str(each["sdp"]))
    return ("", document) if isinstance(document, str) else ("", "")


def _kinds(said: list[str], descriptions: list[str]) -> list[str]:
    """Return offer or answer for each; actpass is of an offer, active or passive of an answer (RFC 8842 §5)."""
    found = []
    for kind, sdp in zip(said, descriptions, strict=True):
        setup = _value([line.strip() for line in sdp.splitlines()], "a=setup:")
        found.append(kind or {"actpass": "offer", "active": "answer", "passive": "answer"}.get(setup, ""))
    return found
