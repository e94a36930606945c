"""Framing of streams (RFC 8656 §12.5): where each message ends, whatever the pieces in which it comes."""

from struct import pack

from edgeturn.protocol import stun
from edgeturn.protocol.framing import message_size, padded
from tests.core.dialogue import raises

BINDING = pack("!HH", stun.BINDING, 0) + stun.COOKIE + bytes(12)
ALLOCATE = pack("!HH", stun.ALLOCATE, 8) + stun.COOKIE + bytes(12) + pack("!HHI", stun.REQUESTED_TRANSPORT, 4, 17 << 24)


def channel(size: int) -> bytes:
    return pack("!HH", 0x4000, size) + b"x" * size + bytes(-size & 3)


# What, a message as it stands in a stream, its size without padding.
WHOLE = (
    ("a STUN message without attributes", BINDING, 20),
    ("one with an attribute", ALLOCATE, 28),
    ("ChannelData without data", channel(0), 4),
    ("ChannelData with three bytes of padding", channel(1), 5),
    ("ChannelData with one byte of padding", channel(3), 7),
    ("ChannelData without padding", channel(4), 8),
    ("the largest ChannelData", channel(65535), 65539),
    ("the highest number of RFC 5766", b"\x7f\xff" + channel(4)[2:], 8),
)

# What, the beginning of a stream that has none.
NEITHER = (
    ("the first byte of DTLS and RTP", b"\x80"),
    ("the highest first byte", b"\xff" + channel(4)[1:]),
    ("a STUN length that isn't a multiple of four", pack("!HH", 1, 3) + BINDING[4:]),
    ("the same, before the cookie came", pack("!HH", 1, 6)),
    ("a wrong cookie", BINDING[:4] + b"\x21\x12\xa4\x43" + BINDING[8:]),
    ("the first byte of a wrong cookie", BINDING[:4] + b"\x20"),
    ("RFC 3489, which knows no streams", BINDING[:4] + bytes(16)),
    ("a TLS record", b"\x16\x03\x01\x02\x01"),
)


def sizes(data: bytes) -> "list[int]":
    """Return the sizes of the messages in a stream, and what is left behind them."""
    found, at, view = [], 0, memoryview(data)
    while at < len(data):
        size = message_size(view, at, len(data))
        if not size or at + padded(size) > len(data):
            break
        found.append(size)
        at += padded(size)
    return found + [len(data) - at]


def test_rfc8656_12_5_each_message_says_its_size() -> None:
    for what, data, size in WHOLE:
        assert message_size(data, 0, len(data)) == size, what
        assert padded(size) == len(data), what


def test_a_size_is_known_from_the_first_four_bytes_on() -> None:
    for what, data, size in WHOLE:
        for end in range(min(len(data), 24)):
            assert message_size(data, 0, end) == (size if end >= 4 else 0), (what, end)


def test_what_stands_behind_the_end_is_not_read() -> None:
    for what, data in NEITHER:
        assert message_size(b"\0\0\0\0" + data, 0, 0) == 0, what
    assert message_size(BINDING[:4] + b"\x21\x12\xff\xff", 0, 6) == 20


def test_messages_that_were_merged_are_taken_apart() -> None:
    stream = b"".join([data for _, data, _ in WHOLE])
    assert sizes(stream) == [size for _, _, size in WHOLE] + [0]


def test_messages_are_found_at_any_offset() -> None:
    for what, data, size in WHOLE:
        assert message_size(memoryview(b"\xff\xff\xff" + data), 3, 3 + len(data)) == size, what


def test_what_is_neither_stun_nor_channel_data_is_malformed() -> None:
    for what, data in NEITHER:
        assert raises(stun.Malformed, message_size, data, 0, len(data)), what


def test_any_first_bytes_give_a_size_or_malformed() -> None:
    data = bytearray(BINDING)
    view = memoryview(data)
    for at in range(8):
        for value in range(256):
            data[at] = value
            try:
                assert 4 <= message_size(view, 0, len(view)) <= 65555, (at, value)
            except stun.Malformed:
                pass
        data[at] = BINDING[at]
