"""The capture, read again by edgeturn's reader of captures; what Wireshark makes of it is in test_wireshark."""

import pytest

from edgeturn.capture.blocks import Record as Read
from edgeturn.capture.blocks import records
from edgeturn.capture.frames import LONGEST, Frames, checksum
from edgeturn.capture.packets import Packet, packets
from edgeturn.capture.record import Record
from edgeturn.protocol import address, stun
from tests.capture.documents import (
    CLIENT,
    CLIENT6,
    LOGIN,
    NOON,
    SERVER,
    SERVER6,
    Document,
    event,
    login,
    message,
)

PLENTY = 1 << 20


def captured(documents: list[Document], most: int = PLENTY) -> tuple[bytes, Record, int]:
    """Return a capture, what made it, and how much of it was taken."""
    written = bytearray()
    record = Record(written.extend, "1.2.3", most)
    taken = 0
    while taken < len(documents) and record.take(documents[taken]):
        taken += 1
    return bytes(written), record, taken


def read(documents: list[Document]) -> list[Packet]:
    return list(packets(captured(documents)[0]))


def comments(documents: list[Document]) -> list[tuple[str, ...]]:
    found: list[Read] = list(records(captured(documents)[0]))
    return [each.comments for each in found]


def test_a_login() -> None:
    told = login()
    found = read(told)
    assert [(each.source, each.destination) for each in found] == [(CLIENT, SERVER), (SERVER, CLIENT)] * 2
    assert [each.payload.hex() for each in found] == [each["message"] for each in told if each["event"] == "message"]
    assert {each.at for each in found} == {NOON / 1e6}
    assert comments(told) == [
        ("no login yet",),
        ("Allocate: 401, challenge, as in every login", "no login yet"),
        ("user alice, session 1",),
        ("Allocate: ok", "user alice, session 1", "session 1 allocated 198.51.100.1:60000 for 600 s"),
    ]


def test_why_something_is_refused_or_dropped() -> None:
    refusal = [(stun.ERROR_CODE, stun.encode_error(403))]
    told = [
        message(stun.CREATE_PERMISSION | stun.ERROR, refusal, True, why="peer 10.0.0.1: private use"),
        message(stun.BINDING, [], dropped="over budget"),
    ]
    first, second = comments(told)
    assert first[0] == "CreatePermission: 403, peer 10.0.0.1: private use"
    assert second[0].startswith("Binding: dropped, too many without a login")
    assert captured(told)[1].count.refusals == {"403": 1, "dropped": 1}


def test_what_happens_by_itself_is_an_empty_packet() -> None:
    counts = {"up_packets": 1, "down_packets": 2, "reason": ""}
    told = [*login(transport="tcp"), event("freed", **counts), event("dropped", reason="channel", client=CLIENT6)]
    *_, last = read(told)
    assert (last.protocol, last.source, last.destination, last.payload) == ("udp", SERVER, CLIENT, b"")
    assert comments(told)[-1] == ("session 1 freed: 1 packet up, 2 down",)
    assert len(read(told)) == 5  # nobody has seen the other client


@pytest.mark.parametrize(("client", "server"), [(CLIENT, SERVER), (CLIENT6, SERVER6)])
@pytest.mark.parametrize("stream", [False, True])
def test_the_checksums_are_right(client: str, server: str, stream: bool) -> None:
    frames = Frames()
    for size in (0, 1, 20, 99, 1500):
        frame = frames.frame(stream, address.parse(client), address.parse(server), bytes(range(256)) * 6)[:]
        frame = frames.frame(stream, address.parse(client), address.parse(server), b"\xff" * size)
        ips, protocol = (frame[12:20], frame[9]) if client == CLIENT else (frame[8:40], frame[6])
        body = frame[20 if client == CLIENT else 40 :]
        assert client == CLIENT6 or checksum(frame[:20]) == 0
        assert checksum(ips + len(body).to_bytes(4, "big") + bytes([0, 0, 0, protocol]) + body) == 0


def test_numbers_of_a_connection_fit_together() -> None:
    frames, ends = Frames(), (address.parse(CLIENT), address.parse(SERVER))
    sent = [
        frames.frame(True, *(ends if way else ends[::-1]), bytes(size)) for way, size in ((1, 28), (0, 100), (1, 8))
    ]
    numbers = [(int.from_bytes(each[24:28], "big"), int.from_bytes(each[28:32], "big")) for each in sent]
    assert numbers == [(1, 1), (1, 29), (29, 101)]


def test_what_is_too_long_for_a_packet_is_cut_and_says_how_long_it_was() -> None:
    told = message(stun.SEND | stun.INDICATION, [(stun.DATA, bytes(65400)), *LOGIN])
    (found,) = records(captured([told])[0])
    assert len(found.data) == 28 + LONGEST < found.size == 28 + len(told["message"]) // 2


def test_it_never_gets_longer_than_it_may() -> None:
    told = login() * 20
    for most in range(4096, 6000, 333):
        data, record, taken = captured(told, most)
        assert record.count.size == len(data) <= most and 0 < taken < len(told)
        assert len(list(records(data))) == record.count.messages
