"""A server that answers as no server should: the probe says what it met with, briefly, and ends by itself."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from edgeturn.command.ice import Login
from edgeturn.diagnose.evidence import IceError
from edgeturn.probing import behaviour
from edgeturn.probing.gathering import Gathering, Wanted
from edgeturn.probing.server import Server
from edgeturn.protocol import address, stun
from tests.blackbox.relay import HOST

Answer = Callable[[bytes, bytes], bytes]  # of the request and the place that it came from, port||ip
IP = address.parse_ip(HOST)
TERMINAL = b"\x1b]0;mine\x07\x1b[2J\xe2\x80\xae\r\n"


@contextmanager
def serving(answer: Answer) -> Iterator[bytes]:
    """Answer whatever comes; give the place, port||ip."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))

        def serve() -> None:
            while request := sock.recvfrom(2048)[0:2]:
                if not request[0]:
                    return
                source = address.join(IP, request[1][1])
                sock.sendto(answer(request[0], source)[:65000], request[1])

        thread = threading.Thread(target=serve)
        thread.start()
        yield address.join(IP, sock.getsockname()[1])
        sock.sendto(b"", sock.getsockname())
        thread.join()


def success(request: bytes, *attributes: tuple[int, bytes]) -> bytes:
    return stun.encode(stun.BINDING | stun.SUCCESS, request[4:20], list(attributes))


def seen_as(place: bytes) -> Answer:
    return lambda request, _: success(request, (stun.XOR_MAPPED_ADDRESS, stun.encode_xor_address(place, request[8:20])))


def malformed_from_elsewhere(request: bytes, source: bytes) -> bytes:
    """Have two addresses, and answer what is asked of them by no STUN message."""
    if stun.Message(request).attributes.get(stun.CHANGE_REQUEST):
        return b"\x01\x01\xff\xff" + request[4:20]
    place = b"\0\1" + address.join(IP, 9)
    return success(
        request,
        (stun.XOR_MAPPED_ADDRESS, stun.encode_xor_address(source, request[8:20])),
        (stun.OTHER_ADDRESS, place),
    )


@pytest.mark.parametrize(
    ("what", "answer"),
    [
        ("an address that nobody can send to", seen_as(address.parse("0.0.0.0:0"))),
        ("a broadcast address", seen_as(address.parse("255.255.255.255:9"))),
        ("no message where another was asked for", malformed_from_elsewhere),
    ],
)
def test_a_behaviour_that_cannot_be_is_unknown(what: str, answer: Answer) -> None:
    with serving(answer) as place:
        found = behaviour.discover([place], IP)
    assert found.hairpin is not True and found.unknown and behaviour.rows(found), what


def test_a_reason_is_short_and_nothing_for_a_terminal() -> None:
    def refuse(request: bytes, source: bytes) -> bytes:
        reason = struct.pack("!HBB", 0, 5, 0) + TERMINAL + b"A" * 50000
        kind = int.from_bytes(request[:2], "big") | stun.ERROR
        return stun.encode(kind, request[4:20], [(stun.ERROR_CODE, reason)])

    with serving(refuse) as place:
        wanted = Wanted("turn:x", True, Login("a", "b"), lambda: [Server(place)])
        errors = [each for each in Gathering([IP], 10).run([wanted]) if isinstance(each, IceError)]
    assert errors and all(each.code == 500 and len(each.text) == 128 and each.text.isprintable() for each in errors)
