"""Reading what people have: each kind of document is a row, and recognises itself by its content.

Rule 1: the first row that recognises a document reads it; a capture is told by its first bytes, text by its words.
Rule 2: what people send is bounded, and broken: a reader takes what it understands and notes the rest in Side.notes.
"""

from collections.abc import Callable
from dataclasses import dataclass

from edgeturn.diagnose.evidence import Side
from edgeturn.diagnose.reading import about_webrtc, candidates, capture, packed, sdp, webrtc_internals
from edgeturn.diagnose.unreadable import Unreadable

__all__ = ["MOST_BYTES", "Unreadable", "read"]

MOST_BYTES = 256 << 20
KINDS = "a webrtc-internals dump, an about:webrtc log, SDP, ICE candidates, a pcap or pcapng capture"


@dataclass(frozen=True)
class Reader:
    """A row: the kind of a document, how it is recognised, and what it becomes."""

    kind: str
    recognises: Callable[[bytes], bool]
    read: Callable[[str, bytes], list[Side]]


READERS = (
    Reader("capture", capture.recognises, capture.read),
    Reader("webrtc-internals", webrtc_internals.recognises, webrtc_internals.read),
    Reader("about:webrtc", about_webrtc.recognises, about_webrtc.read),
    Reader("sdp", sdp.recognises, sdp.read),
    Reader("candidates", candidates.recognises, candidates.read),
)


def read(name: str, data: bytes) -> list[Side]:
    """Return the sides that a document shows; Unreadable where it is none of ours."""
    if len(data) > MOST_BYTES:
        raise Unreadable(f"{name}: is larger than {MOST_BYTES >> 20} MB; capture or copy less.")
    data = packed.unpacked(name, data)
    if not data.strip():
        raise Unreadable(f"{name}: is empty.")
    for reader in READERS:
        if reader.recognises(data):
            return reader.read(name, data)
    raise Unreadable(f"{name}: is none of these: {KINDS}.")
