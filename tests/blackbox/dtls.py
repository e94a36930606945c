"""
A client over DTLS: a Client whose socket is a session of pyOpenSSL's.

    DtlsClient(relay.server(), certificate)    shakes hands at once
    Dtls(socket, server)                       step by step: hello(), answer(), shake()
"""

import os
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from OpenSSL import SSL

from tests.blackbox.client import Client
from tests.blackbox.relay import DEADLINE, ROOT, Address

_MTU = 1200
_REPEAT = 0.2  # seconds after which a client that hears nothing looks whether it's time to repeat

_PROBE = """
try:
    from edgeturn.seam import dtls
    for name in ("ALPN", "GOOD_BYE", "FRAGMENTS", "OUR_COOKIES"):
        if not getattr(dtls, name):
            print(name, "the library has no " + name)
except ImportError as error:
    print("all", error.args[0])
"""


def lacks(interpreter: list[str]) -> dict[str, str]:
    """Return what an interpreter's DTLS can't do, by constants of the seam, "all" where it has none; and why."""
    environment = os.environ | {"MICROPYPATH": f"{ROOT}:.frozen"}
    told = subprocess.check_output([*interpreter, "-c", _PROBE], cwd=ROOT, env=environment, text=True)
    return dict(line.split(" ", 1) for line in told.splitlines())


def context(certificate: Path | None) -> SSL.Context:
    """Return what trusts one certificate, or anybody's."""
    made = SSL.Context(SSL.DTLS_CLIENT_METHOD)
    made.set_options(SSL.OP_NO_QUERY_MTU)
    made.set_alpn_protos([b"stun.turn"])
    if certificate is not None:
        made.load_verify_locations(str(certificate))
        made.set_verify(SSL.VERIFY_PEER, lambda connection, shown, number, depth, good: bool(good))
    return made


class Dtls:
    """A UDP socket that sends and receives messages in DTLS."""

    def __init__(self, sock: socket.socket, certificate: Path | None = None, mtu: int = _MTU) -> None:
        self.udp = sock
        self.connection = SSL.Connection(context(certificate))
        self.connection.set_connect_state()
        self.connection.set_ciphertext_mtu(mtu)
        self.done = False
        self._timeout: float | None = DEADLINE

    def step(self, datagram: bytes = b"") -> list[bytes]:
        """Take a datagram into the handshake; return the records that are to be sent, one datagram each."""
        if datagram:
            self.connection.bio_write(datagram)
        with suppress(SSL.WantReadError):
            self.connection.do_handshake()
            self.done = True
        return self.records()

    def records(self) -> list[bytes]:
        """Return the records that wait to be sent."""
        try:
            data = self.connection.bio_read(65536)
        except SSL.WantReadError:
            return []
        found = []
        while data:
            size = 13 + int.from_bytes(data[11:13], "big")
            found.append(data[:size])
            data = data[size:]
        return found

    def shake(self) -> None:
        """Do the handshake, repeating what isn't answered."""
        deadline = time.monotonic() + DEADLINE
        self.udp.settimeout(_REPEAT)
        self._put(self.step())
        while not self.done:
            assert time.monotonic() < deadline, "no handshake"
            try:
                self._put(self.step(self.udp.recv(65535)))
            except TimeoutError:
                self.connection.DTLSv1_handle_timeout()
                self._put(self.records())
        self.udp.settimeout(self._timeout)

    def _put(self, datagrams: list[bytes]) -> None:
        for each in datagrams:
            self.udp.send(each)

    # What Client asks of its socket.

    def send(self, message: bytes) -> None:
        self.udp.send(self.wrap(message))

    def wrap(self, message: bytes) -> bytes:
        """Return the record of a message."""
        self.connection.send(message)
        return self.connection.bio_read(65536)

    def recv(self, most: int = 65535) -> bytes:
        """Return the next message; EOFError at its end."""
        while True:
            try:
                return self.connection.recv(most)
            except SSL.WantReadError:
                self.connection.bio_write(self.udp.recv(65535))
            except SSL.ZeroReturnError:
                raise EOFError("the relay closed") from None

    def bye(self) -> None:
        """Close the session, and not the socket."""
        self.connection.shutdown()
        self._put(self.records())

    def setblocking(self, on: bool) -> None:
        self.udp.setblocking(on)

    def settimeout(self, seconds: float) -> None:
        self._timeout = seconds
        self.udp.settimeout(seconds)

    def close(self) -> None:
        self.udp.close()


class DtlsClient(Client):
    """A client over DTLS that trusts one certificate."""

    def __init__(self, server: Address, certificate: Path | None, user: str = "alice", host: str | None = None) -> None:
        self._certificate = certificate
        super().__init__(server, user, host=host)

    def connect(self, server: Address) -> None:
        self.sock.connect(server)
        self.sock = Dtls(self.sock, self._certificate)
        self.sock.shake()
