"""Redaction: every secret is zeros, whatever is done to the message; everything else stays, and is still a message."""

import pytest

from edgeturn.protocol import stun
from edgeturn.relay.describe import ATTRIBUTES
from edgeturn.relay.redaction import SECRETS, redacted

SECRET = bytes(range(0xA0, 0xB4))  # 20 bytes
TRANSACTION = stun.COOKIE + b"transaction1"
UNKNOWN = (0x0007, 0x7FFF, 0xC057)  # PASSWORD of RFC 3489, and some of nobody's
HIDDEN = (*SECRETS, stun.DATA, stun.PADDING, *UNKNOWN)
SHOWN = tuple(kind for kind in (*ATTRIBUTES, stun.CHANGE_REQUEST, stun.ICMP, stun.OTHER_ADDRESS) if kind not in HIDDEN)


def rows(data: bytes) -> list[tuple[int, bytes]]:
    """Return the attributes of a message."""
    found, at = [], stun.HEADER_SIZE
    while at < len(data):
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        found.append((int.from_bytes(data[at : at + 2], "big"), data[at + 4 : at + 4 + size]))
        at += 4 + (size + 3 & ~3)
    return found


def made(*kinds: int, value: bytes = SECRET) -> bytes:
    return stun.encode(stun.ALLOCATE, TRANSACTION, [(kind, value) for kind in kinds], fingerprint=True)


@pytest.mark.parametrize("kind", HIDDEN)
def test_a_secret_is_zeros_of_the_same_length(kind: int) -> None:
    for size in range(20):
        shown = bytes(redacted(made(kind, value=SECRET[:size])))
        assert rows(shown)[0] == (kind, bytes(size))
        stun.Message(shown)


def test_everything_else_stays() -> None:
    kinds = [kind for kind in SHOWN if kind != stun.FINGERPRINT]
    message = made(*kinds)
    assert len(kinds) > 20 and redacted(message) == message


def test_the_fingerprint_fits_what_is_shown_and_tells_nothing_of_the_rest() -> None:
    one, other = made(stun.NONCE), made(stun.NONCE, value=SECRET[::-1])
    assert one[-4:] != other[-4:] and redacted(one) == redacted(other)
    assert stun.FINGERPRINT in stun.Message(bytes(redacted(one))).attributes


def test_padding_is_zeros() -> None:
    message = bytearray(made(stun.REALM, value=b"12345"))
    message[29:32] = b"abc"
    assert redacted(message)[24:32] == b"12345\0\0\0"


@pytest.mark.parametrize("fits", [True, False])
def test_what_is_cut_shows_no_more(fits: bool) -> None:
    message = made(stun.REALM, stun.NONCE, stun.USERNAME, stun.ACCESS_TOKEN, stun.DATA)
    for size in range(len(message)):
        cut = bytearray(message[:size])
        if fits and size >= stun.HEADER_SIZE:
            cut[2:4] = (size - stun.HEADER_SIZE).to_bytes(2, "big")
        shown = redacted(cut)
        assert len(shown) == size
        for at in (44, 92, 116):  # where NONCE, ACCESS-TOKEN and DATA stand
            assert not any(shown[at + 4 : at + 24]), (size, at)
        assert fits or not any(shown[4:])


def test_a_wrong_length_hides_all_behind_it() -> None:
    for size in (17, 28, 4000, 65535):
        message = bytearray(made(stun.REALM, stun.NONCE))
        message[22:24] = size.to_bytes(2, "big")
        assert SECRET not in redacted(message)[44:]
    message = bytearray(made(stun.NONCE))
    message[2:4] = b"\xff\xff"
    assert redacted(message) == message[:4] + bytes(len(message) - 4)


@pytest.mark.parametrize("data", [b"", b"G", b"GET", b"GET /?token=abc HTTP/1.1\r\n\r\n", b"\x16\xfe\xfd" + bytes(40)])
def test_what_is_no_message_shows_its_first_four_bytes(data: bytes) -> None:
    assert redacted(data) == data[:4] + bytes(len(data[4:]))
