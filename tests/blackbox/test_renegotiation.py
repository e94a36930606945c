"""TLS 1.2: who asks to renegotiate over and over, and reads no alert, is given up before those fill the memory.

Rule 1: no client library asks twice, so the records are made here, of the key that the library writes for tools.
"""

import contextlib
import hashlib
import hmac
import socket
import ssl
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from edgeturn.protocol import stun
from tests.blackbox.certificates import NAME, Certificate
from tests.blackbox.client import encode
from tests.blackbox.conftest import StartRelay
from tests.blackbox.relay import DEADLINE, Address, Relay

CIPHER = "ECDHE-ECDSA-AES128-GCM-SHA256"
HANDSHAKE = b"\x16\x03\x03"
HELLO = b"\x01\0\0\0"  # the header is enough to be refused
RANDOM = slice(11, 43)  # of a hello that is its record's first message
AT_ONCE, MOST = 2000, 300_000


class Renegotiator:
    """A client of TLS 1.2 that has shaken hands, and makes records of its own from then on."""

    def __init__(self, server: Address, certificate: Certificate, folder: Path) -> None:
        context = ssl.create_default_context(cafile=certificate.certificate)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(CIPHER)
        context.keylog_filename = str(folder / "keys")
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=NAME)
        self.sock = socket.create_connection(server, DEADLINE)
        self.sock.settimeout(DEADLINE)
        randoms = self._shake_hands()
        master = bytes.fromhex((folder / "keys").read_text().split()[-1])
        keys = expand(master, b"key expansion" + randoms[1] + randoms[0], 40)
        self._cipher, self._salt, self._sequence = AESGCM(keys[:16]), keys[32:36], 2

    def _shake_hands(self) -> list[bytes]:
        randoms: list[bytes] = []
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                randoms += self._pass_on()
        self._tls.write(encode(stun.BINDING, []))
        self._pass_on()
        return randoms[:2]

    def _pass_on(self) -> list[bytes]:
        """Send what TLS wants to be sent, and take what comes; return where the randoms are if those are hellos."""
        sent = self._outgoing.read()
        self.sock.sendall(sent)
        received = self.sock.recv(65536)
        self._incoming.write(received)
        return [sent[RANDOM], received[RANDOM]]

    def ask(self, times: int) -> None:
        """Ask to renegotiate so many times."""
        self.sock.sendall(b"".join([self._record() for _ in range(times)]))

    def _record(self) -> bytes:
        number = self._sequence.to_bytes(8, "big")
        self._sequence += 1
        sealed = self._cipher.encrypt(self._salt + number, HELLO, number + HANDSHAKE + len(HELLO).to_bytes(2, "big"))
        return HANDSHAKE + (8 + len(sealed)).to_bytes(2, "big") + number + sealed


def expand(secret: bytes, seed: bytes, size: int) -> bytes:
    """Return so many bytes by the pseudorandom function of TLS 1.2 (RFC 5246 §5)."""
    found, chain = b"", seed
    while len(found) < size:
        chain = hmac.digest(secret, chain, hashlib.sha256)
        found += hmac.digest(secret, chain + seed, hashlib.sha256)
    return found[:size]


def memory(relay: Relay) -> int:
    used: int = relay.status()["memory_bytes"]
    return used


def test_who_renegotiates_without_end_takes_no_memory(
    start: StartRelay, certificate: Certificate, tmp_path: Path
) -> None:
    relay = start(**certificate.settings())
    client = Renegotiator(relay.server(), certificate, tmp_path)
    client.ask(1)
    assert relay.status()["streams"]["tls"] == 1
    before = memory(relay)
    with contextlib.suppress(ConnectionError):  # mbedtls makes no alert that it can't send, and may go on
        for _ in range(MOST // AT_ONCE):
            client.ask(AT_ONCE)
    assert memory(relay) - before < 4 << 20
