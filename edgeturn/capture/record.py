"""A capture of what a tap shows: each message as a packet of its own with comments, for Wireshark.

Rule 1: an interface a transport; what was encrypted is shown as it was inside, over TCP or UDP, and says so.
Rule 2: what the relay answered and why, and what that changed, are comments of the packet.
Rule 3: what happened by itself is an empty packet of UDP with a comment.
Rule 4: it ends before it is longer than it may be.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from edgeturn import __version__
from edgeturn.capture import pcapng
from edgeturn.capture.frames import LONGEST, MOST, Frames
from edgeturn.capture.happenings import happened, is_of_answer
from edgeturn.capture.messages import words
from edgeturn.protocol import address

REDACTED = (
    "Zeros of the same length stand for MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256, NONCE, MOBILITY-TICKET, "
    "ACCESS-TOKEN, RESERVATION-TOKEN, the data of Send and Data, and attributes that the relay doesn't know; "
    "FINGERPRINT is made anew to fit. Headers of IP, UDP and TCP are made up around each message. "
    "Media on channels isn't here."
)
_ENCRYPTED = "encrypted on the wire, shown here as it was inside"
# transport: whether a stream, what is said of it
_TRANSPORTS: tuple[tuple[str, bool, str], ...] = (
    ("udp", False, "STUN and TURN over UDP"),
    ("tcp", True, "STUN and TURN over TCP"),
    ("tls", True, f"STUN and TURN over TLS: {_ENCRYPTED}, over TCP"),
    ("dtls", False, f"STUN and TURN over DTLS: {_ENCRYPTED}, over UDP"),
)
_ENCRYPTING = ("tls", "dtls")
_NAMES = [name for name, _, _ in _TRANSPORTS]
_MOST_PENDING = 1000
_OTHERS = ((1, 1023), (8080, 8080))  # ports for which Wireshark expects something else

Document = dict[str, Any]


@dataclass
class Count:
    """What a capture has, for its summary."""

    messages: int = 0
    lost: int = 0
    size: int = 0
    clients: set[str] = field(default_factory=set)
    refusals: dict[str, int] = field(default_factory=dict)
    taken: set[tuple[str, int]] = field(default_factory=set)  # ports that Wireshark would read as something else

    def decode_as(self) -> list[str]:
        """Return what makes Wireshark read every message as STUN."""
        return [f"-d {protocol}.port=={port},stun" for protocol, port in sorted(self.taken)]


class Record:
    """Writes what a tap shows by a function, up to so many bytes."""

    def __init__(self, write: Callable[[bytes], object], version: str, most: int) -> None:
        """Begin with what is said of the whole capture; version: of the relay."""
        self.count = Count()
        self._write = write
        self._most = most
        self._frames = Frames()
        self._seen: dict[str, dict[str, str]] = {}  # client -> by which way it came
        self._pending: list[tuple[str, str]] = []  # client and what happened, until its answer comes
        application = f"edgeturn {__version__}"
        self._put(pcapng.section(application, f"Signalling of a TURN relay, edgeturn {version}. {REDACTED}"))
        for name, _, about in _TRANSPORTS:
            self._put(pcapng.interface(name, about, f"{about}."))

    def take(self, document: Document) -> bool:
        """Write what a tap shows; say whether more may come."""
        event = document["event"]
        if event == "lost":
            self.count.lost += document["count"]
        elif event == "message" and document["transport"] in _NAMES:
            return self._message(document)
        elif event in ("message", "ended"):
            pass
        elif is_of_answer(document):
            self._pending = [*self._pending, (document["client"], happened(document))][-_MOST_PENDING:]
        elif document["client"] in self._seen:
            return self._packet(document | self._seen[document["client"]], b"", [happened(document)])
        return True

    def _message(self, document: Document) -> bool:
        client = document["client"]
        self._see(client, document)
        comments = _comments(document)
        if document["direction"] == "out":
            comments += [text for source, text in self._pending if source == client]
            self._pending = [each for each in self._pending if each[0] != client]
        if not self._packet(document, bytes.fromhex(document["message"]), comments):
            return False
        self._add_up(document)
        return True

    def _see(self, client: str, document: Document) -> None:
        """Remember by which way a client comes."""
        if client not in self._seen and len(self._seen) >= MOST:
            del self._seen[next(iter(self._seen))]
        self._seen[client] = {"direction": "out", "transport": document["transport"], "server": document["server"]}

    def _add_up(self, document: Document) -> None:
        count, told = self.count, words(document)
        count.messages += 1
        if len(count.clients) < MOST:
            count.clients.add(document["client"])
        if told.is_refusal:
            count.refusals[told.outcome] = count.refusals.get(told.outcome, 0) + 1

    def _packet(self, document: Document, data: bytes, comments: list[str]) -> bool:
        """Write a packet, if there's room for it."""
        number = _NAMES.index(document["transport"])
        ends = address.parse(document["client"]), address.parse(document["server"])
        self._see_port("tcp" if _TRANSPORTS[number][1] else "udp", address.port_of(ends[1]))
        source, destination = ends if document["direction"] == "in" else (ends[1], ends[0])
        stream = bool(data) and _TRANSPORTS[number][1]  # an empty segment would look like a defect of TCP
        frame = self._frames.frame(stream, source, destination, data)
        size = len(frame) + max(len(data) - LONGEST, 0)
        return self._put(pcapng.packet(number, document["at_us"], frame, size, comments))

    def _see_port(self, protocol: str, port: int) -> None:
        if any(first <= port <= last for first, last in _OTHERS):
            self.count.taken.add((protocol, port))

    def _put(self, block: bytes) -> bool:
        if self.count.size + len(block) > self._most:
            return False
        self._write(block)
        self.count.size += len(block)
        return True


def _comments(document: Document) -> list[str]:
    """Return what was answered and why, and who it is."""
    told, found = words(document), []
    if told.outcome:
        found.append(f"{told.method}: {told.outcome}" + (f", {told.why}" if told.why else ""))
    session = f", session {document['session']}" if document["session"] else ""
    found.append((f"user {document['user']}" if document["user"] else "no login yet") + session)
    if document["transport"] in _ENCRYPTING:
        found.append(f"{document['transport'].upper()}: {_ENCRYPTED}")
    return found
