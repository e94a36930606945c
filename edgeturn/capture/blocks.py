"""The two file formats of packet captures, pcap and pcapng, taken apart into records: time, link type, bytes, comments.

Rule 1: a file that ends in the middle of a record, as one of a killed tcpdump does, gives all before it.
Rule 2: what no such file can have (a record longer than any packet, a block longer than the file) ends the reading
        there; only what is no capture at all is an error.
Rule 3: sizes are bounded here, so that nobody behind has to ask: MOST_RECORDS, LONGEST.
Source: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from struct import Struct

MOST_RECORDS = 1_000_000
LONGEST = 262_144  # bytes of a record: tcpdump's own limit

_MICRO, _NANO, _SECTION = 0xA1B2C3D4, 0xA1B23C4D, 0x0A0D0D0A
_BYTE_ORDER = 0x1A2B3C4D
_INTERFACE, _SIMPLE_PACKET, _PACKET = 1, 3, 6  # block types, of pcapng §11.1
_END_OF_OPTIONS, _COMMENT = 0, 1
_RESOLUTION, _OFFSET = 9, 14  # if_tsresol, if_tsoffset
_MOST_INTERFACES = 4096


class NoCapture(Exception):
    """What is no capture file; the text says what was found instead."""


@dataclass(frozen=True)
class Record:
    """A captured frame; at: Unix seconds, 0.0 where the file has no time of it."""

    at: float
    link: int  # LINKTYPE_…
    data: bytes
    comments: tuple[str, ...] = ()
    size: int = 0  # bytes that it had on the wire, where the capture cut it


@dataclass
class _Interface:
    link: int
    tick: float = 1e-6
    offset: int = 0


@dataclass
class _Section:
    """What the blocks of a section need of those before them."""

    order: str
    interfaces: list[_Interface] = field(default_factory=list)

    def unpack(self, form: str, data: bytes, at: int = 0) -> tuple[int, ...]:
        """Return the fields that stand at a place; none where they don't fit."""
        shape = Struct(self.order + form)
        return shape.unpack_from(data, at) if at + shape.size <= len(data) else ()


def is_capture(data: bytes) -> bool:
    """Say whether a file begins as pcap or pcapng."""
    return _kind(data) is not None


def records(data: bytes) -> Iterator[Record]:
    """Yield the records of a file; NoCapture where it is none."""
    kind = _kind(data)
    if kind is None:
        raise NoCapture("neither pcap nor pcapng")
    found = _pcapng(data) if kind == _SECTION else _pcap(data, kind)
    for count, record in enumerate(found):
        if count == MOST_RECORDS:
            return
        yield record


def _kind(data: bytes) -> int | None:
    if len(data) < 24:
        return None
    kinds = {int.from_bytes(data[:4], "big"), int.from_bytes(data[:4], "little")}
    return next((kind for kind in (_SECTION, _MICRO, _NANO) if kind in kinds), None)


def _pcap(data: bytes, kind: int) -> Iterator[Record]:
    order = ">" if int.from_bytes(data[:4], "big") == kind else "<"
    tick = 1e-9 if kind == _NANO else 1e-6
    header = Struct(order + "IIII")
    link = int(Struct(order + "I").unpack_from(data, 20)[0]) & 0xFFFF
    at = 24
    while at + header.size <= len(data):
        seconds, fraction, kept, size = header.unpack_from(data, at)
        at += header.size
        if kept > LONGEST or at + kept > len(data):
            return
        yield Record(seconds + fraction * tick, link, data[at : at + kept], size=size)
        at += kept


def _pcapng(data: bytes) -> Iterator[Record]:
    section = _Section("<")
    at = 0
    while at + 12 <= len(data):
        if data[at : at + 4] == b"\x0a\x0d\x0d\x0a":
            section = _Section(">" if data[at + 8 : at + 12] == _BYTE_ORDER.to_bytes(4, "big") else "<")
        kind, length = section.unpack("II", data, at)
        if length < 12 or length % 4 or at + length > len(data):
            return
        record = _block(section, kind, data[at + 8 : at + length - 4])
        if record is not None:
            yield record
        at += length


def _block(section: _Section, kind: int, body: bytes) -> Record | None:
    """Return the record in a block, None for one that has none."""
    if kind == _INTERFACE:
        _add_interface(section, body)
    elif kind == _PACKET:
        return _packet(section, section.unpack("IIIII", body), body, 20)
    elif kind == _SIMPLE_PACKET and section.interfaces:
        size = (*section.unpack("I", body), 0)[0]
        return Record(0.0, section.interfaces[0].link, body[4 : 4 + min(size, LONGEST)], size=size)
    return None


def _packet(section: _Section, fields: tuple[int, ...], body: bytes, start: int) -> Record | None:
    if not fields or fields[0] >= len(section.interfaces) or fields[3] > len(body) - start:
        return None
    number, high, low, kept, size = fields
    interface = section.interfaces[number]
    options = _options(section, body[start + (kept + 3 & ~3) :])
    comments = tuple(value.decode(errors="replace") for kind, value in options if kind == _COMMENT)
    at = (high << 32 | low) * interface.tick + interface.offset
    return Record(at, interface.link, body[start : start + kept], comments, size)


def _add_interface(section: _Section, body: bytes) -> None:
    fields = section.unpack("HHI", body)
    if not fields or len(section.interfaces) == _MOST_INTERFACES:
        return
    interface = _Interface(fields[0])
    for kind, value in _options(section, body[8:]):
        if kind == _RESOLUTION and len(value) == 1:
            interface.tick = 2.0 ** -(value[0] & 0x7F) if value[0] & 0x80 else 10.0 ** -value[0]
        elif kind == _OFFSET and len(value) == 8:
            interface.offset = section.unpack("q", value)[0]
    section.interfaces.append(interface)


def _options(section: _Section, data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while fields := section.unpack("HH", data, at):
        kind, size = fields
        if kind == _END_OF_OPTIONS or at + 4 + size > len(data):
            return
        yield kind, data[at + 4 : at + 4 + size]
        at += 4 + (size + 3 & ~3)
