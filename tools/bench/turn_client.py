"""A TURN client of the bench's own, so that it also judges the relay's codec (RFC 8489, RFC 8656; IPv4).

Rule 1: a dialogue is a generator: it yields a request, is sent the answer, and returns the result.
Rule 2: whoever drives a dialogue sends and retransmits: `converse` one at a time, `tools.bench.storm` many at once.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import socket
import struct
from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

Result = TypeVar("Result")
Dialogue = Generator[bytes, bytes, Result]
Address = tuple[str, int]
Attribute = tuple[int, bytes]

COOKIE = 0x2112A442
BINDING, ALLOCATE, REFRESH, CREATE_PERMISSION, CHANNEL_BIND = 0x001, 0x003, 0x004, 0x008, 0x009
SUCCESS, FAILURE = 0x0100, 0x0110
USERNAME, MESSAGE_INTEGRITY, ERROR_CODE, CHANNEL_NUMBER, LIFETIME = 0x0006, 0x0008, 0x0009, 0x000C, 0x000D
XOR_PEER_ADDRESS, REALM, NONCE, XOR_RELAYED_ADDRESS, REQUESTED_TRANSPORT = 0x0012, 0x0014, 0x0015, 0x0016, 0x0019
UDP = b"\x11\0\0\0"
CHALLENGES = (401, 438)
INTEGRITY_SIZE = 24
TRIES = 8
PATIENCE = 0.5

head = struct.Struct("!HHI12s")
row = struct.Struct("!HH")


class Refused(Exception):
    """The relay answered a request with an error."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the relay answered {code}")
        self.code = code


class Silent(Exception):
    """The relay did not answer."""


@dataclass
class Credentials:
    user: str
    password: str


def encode(kind: int, transaction: bytes, attributes: list[Attribute]) -> bytes:
    body = b"".join(row.pack(t, len(value)) + value + bytes(-len(value) % 4) for t, value in attributes)
    return head.pack(kind, len(body), COOKIE, transaction) + body


def signed(message: bytes, key: bytes) -> bytes:
    """Append MESSAGE-INTEGRITY (RFC 8489 section 14.5)."""
    kind, size, cookie, transaction = head.unpack_from(message)
    message = head.pack(kind, size + INTEGRITY_SIZE, cookie, transaction) + message[20:]
    return message + row.pack(MESSAGE_INTEGRITY, 20) + hmac.digest(key, message, "sha1")


def decode(message: bytes) -> tuple[int, dict[int, bytes]]:
    """Return kind and attributes (the first of each) of an answer."""
    kind, size, cookie, _ = head.unpack_from(message)
    if cookie != COOKIE or size + 20 != len(message):
        raise ValueError("not a STUN message")
    attributes: dict[int, bytes] = {}
    at = 20
    while at < len(message):
        number, length = row.unpack_from(message, at)
        attributes.setdefault(number, message[at + 4 : at + 4 + length])
        at += 4 + length + -length % 4
    return kind, attributes


def xor_address(address: Address) -> bytes:
    number = int.from_bytes(socket.inet_aton(address[0]), "big") ^ COOKIE
    return struct.pack("!HHI", 1, address[1] ^ COOKIE >> 16, number)


def plain_address(value: bytes) -> Address:
    family, port, number = struct.unpack("!HHI", value)
    if family != 1:
        raise ValueError("not an IPv4 address")
    return socket.inet_ntoa((number ^ COOKIE).to_bytes(4, "big")), port ^ COOKIE >> 16


class Session:
    """One allocation as its client sees it."""

    def __init__(self, credentials: Credentials) -> None:
        self.credentials = credentials
        self.proof: list[Attribute] = []
        self.key = b""

    def request(self, method: int, attributes: list[Attribute]) -> bytes:
        message = encode(method, os.urandom(12), attributes + self.proof)
        return signed(message, self.key) if self.key else message

    def accept(self, challenge: dict[int, bytes]) -> None:
        """Take realm and nonce of a 401 or 438 (RFC 8489 section 9.2.5)."""
        user, realm = self.credentials.user, challenge[REALM]
        self.key = hashlib.md5(b":".join((user.encode(), realm, self.credentials.password.encode()))).digest()
        self.proof = [(USERNAME, user.encode()), (REALM, realm), (NONCE, challenge[NONCE])]

    def ask(self, method: int, attributes: list[Attribute]) -> Dialogue[dict[int, bytes]]:
        """Ask, and once more with proof where the relay challenges."""
        for _ in range(2):
            kind, answer = decode((yield self.request(method, attributes)))
            if kind == method | SUCCESS:
                return answer
            code = error_code(answer)
            if code not in CHALLENGES:
                break
            self.accept(answer)
        raise Refused(code)

    def allocate(self) -> Dialogue[Address]:
        answer = yield from self.ask(ALLOCATE, [(REQUESTED_TRANSPORT, UDP)])
        return plain_address(answer[XOR_RELAYED_ADDRESS])

    def permit(self, peer: Address) -> Dialogue[None]:
        yield from self.ask(CREATE_PERMISSION, [(XOR_PEER_ADDRESS, xor_address(peer))])

    def bind_channel(self, number: int, peer: Address) -> Dialogue[None]:
        channel = (CHANNEL_NUMBER, struct.pack("!HH", number, 0))
        yield from self.ask(CHANNEL_BIND, [channel, (XOR_PEER_ADDRESS, xor_address(peer))])

    def refresh(self, lifetime: int) -> Dialogue[None]:
        yield from self.ask(REFRESH, [(LIFETIME, struct.pack("!I", lifetime))])

    def allocate_and_release(self, times: int) -> Dialogue[None]:
        for _ in range(times):
            yield from self.allocate()
            yield from self.refresh(0)


def error_code(answer: dict[int, bytes]) -> int:
    value = answer.get(ERROR_CODE, bytes(4))
    return (value[2] & 7) * 100 + value[3]


def exchange(client: socket.socket, request: bytes, tries: int = TRIES) -> bytes:
    """Send a request on a connected socket, again where nothing comes back, and return its answer."""
    client.settimeout(PATIENCE)
    for _ in range(tries):
        try:
            client.send(request)
            while (answer := client.recv(2048))[8:20] != request[8:20]:
                pass
            return answer
        except (TimeoutError, ConnectionRefusedError):
            continue
    raise Silent("the relay does not answer")


def converse(client: socket.socket, dialogue: Dialogue[Result]) -> Result:
    """Hold one dialogue to its end."""
    try:
        request = next(dialogue)
        while True:
            request = dialogue.send(exchange(client, request))
    except StopIteration as end:
        result: Result = end.value
        return result
