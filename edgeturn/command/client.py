"""A TURN client, as small as `check` needs it: one request at a time, retransmitted over UDP, its answer verified.

Rule 1: a client proves itself by RFC 8489 §9.2.5: SHA-256 where it is offered, MD5 elsewhere or where that is wanted.
Rule 2: what arrives beside an answer is kept for wait().
Rule 3: no answer is Silent, an error Refused, an answer that can't be trusted Untrusted.
Rule 4: there is no clock: each read has its patience, and so many messages are read that aren't what is waited for.
"""

from edgeturn import seam
from edgeturn.protocol import address, stun
from edgeturn.protocol.credentials import MD5, SHA256, long_term_key
from edgeturn.protocol.nonce import PASSWORD_ALGORITHMS_BIT, features_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from edgeturn.command.ice import Login

    class Way(Protocol):
        """How messages get to a server and back; repeats: they may be lost, and have to be sent again."""

        repeats: bool

        def send(self, message: bytes) -> None:
            """Send a message; OSError where it can't be."""

        def receive(self, milliseconds: int) -> "bytes | None":
            """Return the next message, None where none came in time; OSError where none can come any longer."""

        def close(self) -> None:
            """End it."""


_WAITS = (300, 600, 1200)  # milliseconds: RFC 8489 §6.2.1 in short, somebody waits for the result
_MOST_READ = 64  # messages that are no answer, until patience ends
_UDP = b"\x11\0\0\0"
_SHA256_VALUE = SHA256.to_bytes(2, "big") + bytes(2)


class Silent(Exception):
    """No answer came."""


class Refused(Exception):
    """An error answer, by its code."""

    def __init__(self, code: int, answer: "stun.Message | None" = None) -> None:
        """Take the code, and the answer where there is one."""
        super().__init__(f"error {code}")
        self.code = code
        self.answer = answer


class Untrusted(Exception):
    """An answer whose integrity doesn't hold."""


class Received:
    """Data from a peer: port||ip, or the channel it came by."""

    def __init__(self, peer: bytes, channel: int, data: bytes) -> None:
        """Take the three."""
        self.peer = peer
        self.channel = channel
        self.data = data


class Client:
    """One 5-tuple to a server."""

    def __init__(self, way: "Way", login: "Login | None" = None, algorithm: int = 0) -> None:
        """Take a way that stands, how to prove oneself, and the password algorithm if not the best offered."""
        self.login = login
        self.algorithm = algorithm
        self.offered: list[int] = [MD5]
        self._proof: list[tuple[int, bytes]] = []
        self._key = b""
        self._integrity = stun.MESSAGE_INTEGRITY
        self._waiting: list[Received] = []
        self._way = way

    def close(self) -> None:
        """Close the way to the server."""
        self._way.close()

    # Requests.

    def binding(self) -> bytes:
        """Return the port||ip that the server sees."""
        answer = self.ask(stun.BINDING, [])
        return _address(answer, stun.XOR_MAPPED_ADDRESS)

    def allocate(self, family: int, lifetime: int = 120) -> bytes:
        """Return the relayed port||ip of a new allocation."""
        wish = [(stun.REQUESTED_TRANSPORT, _UDP), (stun.LIFETIME, lifetime.to_bytes(4, "big"))]
        if family != address.IPV4:  # what a server of RFC 5766 gives without being asked, and refuses where it's asked
            wish.append((stun.REQUESTED_ADDRESS_FAMILY, bytes([family, 0, 0, 0])))
        return _address(self.request(stun.ALLOCATE, wish), stun.XOR_RELAYED_ADDRESS)

    def challenged(self) -> int:
        """Return the error code of an Allocate without credentials, 0 where it was granted."""
        try:
            self.ask(stun.ALLOCATE, [(stun.REQUESTED_TRANSPORT, _UDP)])
        except Refused as refused:
            return refused.code
        return 0

    def permit(self, peer: bytes) -> None:
        """Create a permission for the IP address of port||ip."""
        self.request(stun.CREATE_PERMISSION, [], peer)

    def bind(self, channel: int, peer: bytes) -> None:
        """Bind a channel to a peer."""
        self.request(stun.CHANNEL_BIND, [(stun.CHANNEL_NUMBER, channel.to_bytes(2, "big") + bytes(2))], peer)

    def refresh(self, lifetime: int) -> None:
        """Set the allocation's time anew; 0 ends it."""
        self.request(stun.REFRESH, [(stun.LIFETIME, lifetime.to_bytes(4, "big"))])

    def request(self, method: int, attributes: "stun.Attributes", peer: bytes = b"") -> stun.Message:
        """Ask with proof, again after a challenge; return the success response."""
        for _ in range(3):
            try:
                return self.ask(method, attributes, peer)
            except Refused as refused:
                answer = refused.answer
                again = refused.code == 438 or (refused.code == 401 and not self._proof)
                if self.login is None or answer is None or not again:
                    raise
                self._accept(answer, self.login)
        raise Refused(438)

    def ask(self, method: int, attributes: "stun.Attributes", peer: bytes = b"") -> stun.Message:
        """Ask once, with the proof there is; return the success response."""
        transaction = stun.COOKIE + seam.random_bytes(12)
        if peer:
            attributes = attributes + [(stun.XOR_PEER_ADDRESS, stun.encode_xor_address(peer, transaction))]
        integrity = self._integrity if self._key else 0
        datagram = stun.encode(method, transaction, attributes + self._proof, integrity, self._key, True)
        answer = self._exchange(datagram, transaction)
        if answer.message_class == stun.ERROR:
            value = answer.attributes.get(stun.ERROR_CODE, bytes(4))
            raise Refused((value[2] & 7) * 100 + value[3], answer)
        if self._key and not self._is_trusted(answer):
            raise Untrusted
        return answer

    # Data.

    def send(self, peer: bytes, data: bytes) -> None:
        """Send data to a peer by a Send indication."""
        transaction = stun.COOKIE + seam.random_bytes(12)
        attributes = [(stun.XOR_PEER_ADDRESS, stun.encode_xor_address(peer, transaction)), (stun.DATA, data)]
        self._way.send(stun.encode(stun.SEND | stun.INDICATION, transaction, attributes))

    def send_channel(self, channel: int, data: bytes) -> None:
        """Send data by a channel."""
        self._way.send(channel.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data)

    def wait(self, milliseconds: int) -> "Received | None":
        """Return the next data from a peer, None where none came in time."""
        for _ in range(_MOST_READ):
            if self._waiting:
                break
            datagram = self._way.receive(milliseconds)
            if datagram is None:
                return None
            self._keep(datagram)
        return self._waiting.pop(0) if self._waiting else None

    # Inside.

    def _exchange(self, datagram: bytes, transaction: bytes) -> stun.Message:
        for patience in _WAITS if self._way.repeats else (sum(_WAITS),):
            if not self._write(datagram):
                break
            for _ in range(_MOST_READ):
                received = self._way.receive(patience)
                if received is None:
                    break
                message = self._keep(received)
                if message is not None and message.transaction == transaction:
                    return message
        raise Silent

    def _write(self, datagram: bytes) -> bool:
        """Send; False where the other side says that nobody listens for datagrams."""
        try:
            self._way.send(datagram)
        except OSError:
            if not self._way.repeats:
                raise
            return False
        return True

    def _keep(self, datagram: bytes) -> "stun.Message | None":
        """Keep data that arrived; return a response."""
        if b"\x40" <= datagram[:1] <= b"\x7f" and len(datagram) >= 4:
            size = int.from_bytes(datagram[2:4], "big")
            self._waiting.append(Received(b"", int.from_bytes(datagram[:2], "big"), datagram[4 : 4 + size]))
            return None
        try:
            message = stun.Message(datagram)
        except stun.Malformed:
            return None
        if message.kind == stun.DATA_METHOD | stun.INDICATION and message.peers:
            peer = stun.decode_xor_address(message.peers[0], message.transaction) or b""
            self._waiting.append(Received(peer, 0, message.attributes.get(stun.DATA, b"")))
        return message if message.message_class in (stun.SUCCESS, stun.ERROR) else None

    def _accept(self, challenge: stun.Message, login: "Login") -> None:
        """Take realm, nonce and algorithms of a challenge (RFC 8489 §9.2.5)."""
        realm, nonce = challenge.attributes.get(stun.REALM, b""), challenge.attributes.get(stun.NONCE, b"")
        listed = challenge.attributes.get(stun.PASSWORD_ALGORITHMS, b"")
        modern = bool(listed) and bool(features_of(nonce) & PASSWORD_ALGORITHMS_BIT)
        self.offered = _algorithms(listed) if modern else [MD5]
        algorithm = self.algorithm or (SHA256 if SHA256 in self.offered else MD5)
        name = login.username.encode()
        self._key = long_term_key(algorithm, name, realm, login.password.encode())
        self._proof = [(stun.USERNAME, name), (stun.REALM, realm), (stun.NONCE, nonce)]
        self._integrity = stun.MESSAGE_INTEGRITY_SHA256 if algorithm == SHA256 else stun.MESSAGE_INTEGRITY
        if algorithm == SHA256:
            self._proof += [(stun.PASSWORD_ALGORITHMS, listed), (stun.PASSWORD_ALGORITHM, _SHA256_VALUE)]

    def _is_trusted(self, answer: stun.Message) -> bool:
        for kind in (stun.MESSAGE_INTEGRITY_SHA256, stun.MESSAGE_INTEGRITY):
            if kind in answer.attributes:
                return answer.integrity_holds(kind, self._key)
        return False


def _algorithms(listed: bytes) -> "list[int]":
    """Return the numbers of PASSWORD-ALGORITHMS (RFC 8489 §14.11)."""
    numbers, at = [], 0
    while at + 4 <= len(listed):
        numbers.append(int.from_bytes(listed[at : at + 2], "big"))
        at += 4 + (int.from_bytes(listed[at + 2 : at + 4], "big") + 3 & ~3)
    return numbers


def _address(answer: stun.Message, kind: int) -> bytes:
    found = stun.decode_xor_address(answer.attributes.get(kind, b""), answer.transaction)
    if found is None:
        raise Untrusted
    return found
