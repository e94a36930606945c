"""The steps of `check`, from the outside in: each needs that those before it passed.

    client ──────────── server                       over TCP, TLS and DTLS: does a connection stand
    client ──Binding──► server                       who am I
    client ──Allocate─► server                       challenged, refused, granted
    client ──Send─────► server ──► peer ──► server ──► client as Data
    client ══channel══► server ──► peer ──► server ══► client
    client ──► server ──► relayed address of a second client ──► back

Rule 1: a step returns what people read when it passes, raises Skipped with the reason, or fails by an exception.
Rule 2: what can't be tried because of an earlier failure is skipped and says so.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from edgeturn.cli import check_advice
from edgeturn.cli.check_advice import Advice
from edgeturn.command.ice import Login
from edgeturn.probing.client import Client, Refused
from edgeturn.probing.fault import FAULTS, happened
from edgeturn.probing.peer import LocalPeer, Peer, RelayedPeer, source_towards, wait_for
from edgeturn.probing.server import Server
from edgeturn.protocol import address
from edgeturn.protocol.address import IPV4, IPV6, ip_of
from edgeturn.protocol.credentials import MD5, SHA256
from edgeturn.protocol.listener import UDP

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
FAMILY_NAMES = {IPV4: "IPv4", IPV6: "IPv6"}
_CHANNEL = 0x4001
_PAYLOAD_SIZE = 1000  # bytes; about a packet of video
_TRIES = 3  # UDP may lose a packet
_PATIENCE = 0.7  # seconds
_ALGORITHM_NAMES = {MD5: "MD5", SHA256: "SHA-256"}


class Skipped(Exception):
    """Why a step doesn't apply."""


class Broken(Exception):
    """What happened instead, a word of the advice."""


@dataclass(frozen=True)
class Result:
    """A step's end: at which server, over which transport, for which relayed family ("" for none), what was found or
    why not, and advice.
    """

    server: str
    transport: str
    relayed: str
    step: str
    state: str
    detail: str
    meaning: str = ""
    advice: str = ""


Report = Callable[[Result], None]


class Probe:
    """All steps at one address of a server."""

    def __init__(self, server: Server, login: Login | None, relays: bool, advise: Advice, report: Report) -> None:
        """Take the server, a login, whether it is to relay, what gives check_advice, and who is told."""
        self.server = server
        self.login = login
        self._relays = relays
        self._advice = advise
        self._report = report
        self._mapped = b""

    def run(self) -> None:
        """Try everything."""
        alive = self.server.transport == UDP or self.step("", "connection", self._connection)
        alive = self.step("", "Binding", self._binding, alive)
        if not self._relays:
            return
        alive = self.step("", "challenge", self._challenge, alive)
        alive = self.step("", "wrong password", self._wrong_password, alive and self.login is not None)
        self.step("", "MD5", self._older_algorithm, alive)
        for family in (IPV4, IPV6):
            Relaying(self, family, self._mapped).run(alive)

    def client(self, login: Login | None = None, algorithm: int = 0) -> Client:
        """Return a new client of the server."""
        return Client(self.server, login or self.login, algorithm)

    def step(self, relayed: str, name: str, action: Callable[[], str], possible: bool = True) -> bool:
        """Try a step and tell its result; say whether what comes after it makes sense."""
        result = Result(address.format(self.server.place), self.server.transport, relayed, name, PASSED, "")
        try:
            if not possible:
                raise Skipped(self._why_not())
            result = replace(result, detail=action())
        except Skipped as why:
            result = replace(result, state=SKIPPED, detail=str(why))
        except (*FAULTS, Broken) as error:
            said = happened(error)
            meaning, action_to_take = self._advice.find(name, said)
            result = replace(result, state=FAILED, detail=said, meaning=meaning, advice=action_to_take)
        self._report(result)
        return result.state == PASSED

    def _why_not(self) -> str:
        return "needs a login: --user and --password" if self._relays and not self.login else "an earlier step failed"

    def _connection(self) -> str:
        client = self.client()
        client.close()
        return client.about or "stands"

    def _binding(self) -> str:
        client = self.client()
        try:
            self._mapped = client.binding()
        finally:
            client.close()
        return f"the relay sees you as {address.format(self._mapped)}"

    def _challenge(self) -> str:
        client = self.client()
        try:
            code = client.challenged()
        finally:
            client.close()
        if code != 401:
            raise Refused(code) if code else Broken(check_advice.GRANTED)
        return "Allocate without credentials is refused (401)"

    def _wrong_password(self) -> str:
        assert self.login is not None
        client = self.client(Login(self.login.username, self.login.password + "-wrong"))
        try:
            client.allocate(IPV4)
        except Refused as refused:
            if refused.code != 401:
                raise
            return "refused (401)"
        finally:
            client.close()
        raise Broken(check_advice.GRANTED)

    def _older_algorithm(self) -> str:
        client = self.client(algorithm=MD5)
        try:
            client.allocate(_family_of(self.server.place))
            client.refresh(0)
        except Refused as refused:
            if refused.code != 440:
                raise
        finally:
            client.close()
        return "clients older than RFC 8489 can log in"


class Relaying:
    """The steps with relayed addresses of one family."""

    def __init__(self, probe: Probe, family: int, mapped: bytes) -> None:
        """Take the probe, the family and the address that the server saw."""
        self._probe = probe
        self._family = family
        self._mapped = mapped
        self._name = FAMILY_NAMES[family]
        self._client: Client | None = None
        self._relayed = b""
        self._peer: Peer | None = None

    def run(self, possible: bool) -> None:
        """Try everything."""
        try:
            possible = self._step("Allocate", self._allocate, possible)
            if possible:
                self._step("local peer", self._local_peer)
                possible = self._step("permission", self._permission)
                self._step("Send", self._send, possible)
                self._step("channel", self._channel, possible)
                self._step("relay to relay", self._relay_to_relay)
                self._step("release", self._release)
        finally:
            for each in (self._peer, self._client):
                _end(each)

    def _step(self, name: str, action: Callable[[], str], possible: bool = True) -> bool:
        return self._probe.step(self._name, name, action, possible)

    def _allocate(self) -> str:
        self._client = self._probe.client()
        try:
            self._relayed = self._client.allocate(self._family)
        except Refused as refused:
            if refused.code != 440:
                raise
            raise Skipped(f"the relay has no {self._name} address to relay from (440)") from None
        algorithm = SHA256 if SHA256 in self._client.offered else MD5
        return f"relayed address {address.format(self._relayed)}, password hashed by {_ALGORITHM_NAMES[algorithm]}"

    def _local_peer(self) -> str:
        ip = source_towards(ip_of(self._relayed))
        if not ip or (self._mapped and ip != ip_of(self._mapped) and ip != ip_of(self._relayed)):
            raise Skipped("this machine isn't reached by the relay at an address of its own (NAT)")
        peer = LocalPeer(ip)
        try:
            # Binding a channel asks for the very port; a permission for a relay's own address would be granted.
            self._connected().bind(_CHANNEL, peer.address)
        except Refused as refused:
            peer.close()
            if refused.code != 403:
                raise
            raise Skipped(f"the relay's policy denies {address.format_ip(ip)} as a peer (403), a second allocation serves instead") from None  # fmt: skip  # noqa: E501
        self._peer = peer
        return f"{address.format(peer.address)} on this machine"

    def _permission(self) -> str:
        if self._peer is None:
            self._peer = self._second()
        self._connected().permit(self._peer.address)
        return f"for {address.format_ip(ip_of(self._peer.address))}"

    def _send(self) -> str:
        client, peer, data = self._connected(), self._peer, _payload()
        assert peer is not None
        self._to_peer(peer, data, lambda: client.send(peer.address, data))
        for _ in range(_TRIES):
            peer.send(self._relayed, data)
            received = client.receive(_PATIENCE)
            if received is not None:
                return _compare(received.data == data, f"{len(data)} bytes there and back by Send and Data indications")
        raise Broken(check_advice.LOST)

    def _channel(self) -> str:
        client, peer, data = self._connected(), self._peer, _payload()
        assert peer is not None
        client.bind(_CHANNEL, peer.address)
        self._to_peer(peer, data, lambda: client.send_channel(_CHANNEL, data))
        for _ in range(_TRIES):
            peer.send(self._relayed, data)
            received = client.receive(_PATIENCE)
            if received is not None and received.channel == _CHANNEL:
                return _compare(received.data == data, f"{len(data)} bytes there and back by channel {_CHANNEL:#06x}")
        raise Broken(check_advice.LOST)

    def _relay_to_relay(self) -> str:
        other = self._second()
        try:
            client, data = self._connected(), _payload()
            client.permit(other.address)
            self._to_peer(other, data, lambda: client.send(other.address, data))
            for _ in range(_TRIES):
                other.send(self._relayed, data)
                received = client.receive(_PATIENCE)
                if received is not None and received.data == data:
                    return f"{address.format(self._relayed)} and {address.format(other.address)} reach each other"
        finally:
            other.close()
        raise Broken(check_advice.LOST)

    def _release(self) -> str:
        client = self._connected()
        client.refresh(0)
        for _ in range(_TRIES):
            try:
                client.permit(self._relayed)
            except Refused as refused:
                return f"Refresh with lifetime 0 ends the allocation ({refused.code})"
            time.sleep(_PATIENCE)  # some servers take a second
        raise Broken(check_advice.GRANTED)

    def _to_peer(self, peer: Peer, data: bytes, send: Callable[[], None]) -> None:
        """Send until the peer has it; Broken where it doesn't get it from the relayed address."""
        for _ in range(_TRIES):
            send()
            source = wait_for(peer, data, _PATIENCE)
            if source is not None:
                if source != self._relayed:
                    raise Broken(check_advice.WRONG_PEER)
                return
        raise Broken(check_advice.LOST)

    def _second(self) -> RelayedPeer:
        """Return a second client with an allocation, where the user may have one."""
        try:
            second = RelayedPeer(self._probe.client(), self._relayed)
        except Refused as refused:
            if refused.code != 486:
                raise
            raise Skipped("this user's quota leaves no second allocation (486)") from None
        if second.address in (self._relayed, getattr(self._peer, "address", b"")):
            raise Broken(check_advice.SHARED)
        return second

    def _connected(self) -> Client:
        assert self._client is not None
        return self._client


def _compare(same: bool, detail: str) -> str:
    if not same:
        raise Broken(check_advice.ALTERED)
    return detail


def _payload() -> bytes:
    return b"edgeturn check " + os.urandom(_PAYLOAD_SIZE - 15)


def _family_of(place: bytes) -> int:
    return address.family(ip_of(place))


def _end(each: Peer | Client | None) -> None:
    try:
        if each is not None:
            each.close()
    except FAULTS:
        pass
