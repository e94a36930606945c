"""Gathering candidates as a browser does (RFC 8445 §5.1.1): everything at once, told as it comes, until a deadline.

    base ──Binding──► server       srflx, where the server sees another address than the base has
    own  ──Allocate─► server       relay, over UDP, DTLS, TCP or TLS; released as soon as it's granted

Rule 1: a server is asked from the address that routes choose, as for a page without camera and microphone.
Rule 2: a relayed address of the server's own family is asked for, and one of IPv4 where there's none of IPv6.
Rule 3: what fails becomes what a browser says of it (icecandidateerror): the server's error, or 701.
Rule 4: nothing is left behind: each thread ends by its own patience, whoever waits for it.
"""

import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from edgeturn.command.failure import Failure
from edgeturn.command.ice import Login
from edgeturn.diagnose.evidence import HOST, RELAY, SRFLX, Candidate, IceError
from edgeturn.probing import candidate
from edgeturn.probing.base import Base
from edgeturn.probing.candidate import Gathered
from edgeturn.probing.client import Client, Refused
from edgeturn.probing.fault import FAULTS, REASONS, SILENT, happened
from edgeturn.probing.peer import source_towards
from edgeturn.probing.server import NoWay, Server
from edgeturn.protocol import address, stun
from edgeturn.protocol.address import IPV4, format_ip, ip_of, port_of
from edgeturn.protocol.listener import UDP

SECONDS = 12.0  # until everything is given up; a connection and what is asked by it take 7 at most
UNREACHED = 701  # W3C WebRTC §4.8.2.1, errorCode
_OTHER_FAMILY = 440
_REDIRECTED = 300
_LONGEST_PHRASE = 128  # characters, RFC 8489 §14.8


@dataclass(frozen=True)
class Wanted:
    """A server as it was named: the URI, whether it's to relay, by which login, and who finds its addresses.

    given: whether an application has it, so that it counts among the many.
    """

    uri: str
    relays: bool
    login: Login | None
    find: Callable[[], list[Server]]
    given: bool = True


@dataclass(frozen=True)
class Sight:
    """What a server saw of a base over UDP: server, base and mapped address are port||ip."""

    uri: str
    server: bytes
    base: bytes
    mapped: bytes


@dataclass(frozen=True)
class LookUp:
    """What DNS said of a name: the addresses, port||ip, and the seconds it took."""

    uri: str
    name: str
    places: tuple[bytes, ...]
    seconds: float


Found = Gathered | IceError | Sight | LookUp


@dataclass(frozen=True)
class _Task:
    """One server that is asked, and for whom; without a place it's still to be looked up."""

    wanted: Wanted
    server: Server
    redirected: bool = False

    def named(self) -> str:
        """Return what an error is about."""
        place, uri = self.server.place, self.wanted.uri
        return f"{uri} ({address.format(place)} over {self.server.transport.upper()})" if place else uri


class Gathering:
    """One round of gathering."""

    def __init__(self, ips: list[bytes], seconds: float = SECONDS) -> None:
        """Take the addresses of this machine, the preferred first, and when to give up."""
        self._ips = ips
        self._bases: dict[bytes, Base] = {}
        self._found: queue.Queue[tuple[int, Found | None]] = queue.Queue()
        self._open: dict[int, _Task] = {}
        self._told: set[tuple[str, int, str]] = set()
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._begin = time.monotonic()
        self._ends = self._begin + seconds

    def run(self, wanted: list[Wanted]) -> Iterator[Found]:
        """Yield what is found and what fails, as it comes."""
        try:
            yield from self._hosts()
            for each in wanted:
                self._start(self._look_up, _Task(each, Server(b"")))
            yield from self._collect()
        finally:
            with self._lock:
                for base in self._bases.values():
                    base.close()

    def _hosts(self) -> Iterator[Gathered]:
        for ip in self._ips:
            with suppress(OSError):
                base = self._bases[ip] = Base(ip)
                yield self._gathered(HOST, base.place, base.place)

    def _collect(self) -> Iterator[Found]:
        while self._open:
            try:
                number, found = self._found.get(timeout=max(self._ends - time.monotonic(), 0))
            except queue.Empty:
                given_up = [self._error(task, UNREACHED, SILENT) for task in list(self._open.values())]
                yield from filter(self._is_news, given_up)
                return
            if found is None:
                del self._open[number]
            elif not isinstance(found, IceError) or self._is_news(found):
                yield found

    def _is_news(self, error: IceError) -> bool:
        """Say whether an error is told for the first time: a server is asked twice where it's to relay."""
        before = len(self._told)
        self._told.add((error.server, error.code, error.text))
        return len(self._told) > before

    # What threads do.

    def _start(self, action: Callable[[_Task], Iterator[Found]], task: _Task) -> None:
        number = next(self._numbers)
        self._open[number] = task
        threading.Thread(target=self._do, args=(number, action, task), daemon=True).start()

    def _do(self, number: int, action: Callable[[_Task], Iterator[Found]], task: _Task) -> None:
        try:
            for found in action(task):
                self._found.put((number, found))
        except (*FAULTS, Failure) as error:
            code, text = (error.code, _phrase(error)) if isinstance(error, Refused) else (UNREACHED, happened(error))
            self._found.put((number, self._error(task, code, text)))
        finally:
            self._found.put((number, None))

    def _look_up(self, task: _Task) -> Iterator[Found]:
        """Find a server's addresses, and ask those that there's a way to."""
        begin = time.monotonic()
        servers = task.wanted.find()
        seconds = time.monotonic() - begin
        yield LookUp(task.wanted.uri, servers[0].name, tuple(server.place for server in servers), seconds)
        for server in reachable(servers):
            if server.transport == UDP:
                self._start(self._reflect, _Task(task.wanted, server))
            if task.wanted.relays:
                self._start(self._relay, _Task(task.wanted, server))
            elif server.transport != UDP:
                self._start(self._connect, _Task(task.wanted, server))

    def _reflect(self, task: _Task) -> Iterator[Found]:
        """Ask which address the server sees."""
        server = task.server
        base = self._base(source_towards(ip_of(server.place)))
        mapped = Client(base.towards(server.place)).binding()
        yield Sight(task.wanted.uri, server.place, base.place, mapped)
        if mapped != base.place:
            yield self._gathered(SRFLX, mapped, base.place, base.place, task)

    def _connect(self, task: _Task) -> Iterator[Found]:
        """Ask over a stream: that gives no candidate, and shows whether the server is there."""
        client = Client(task.server)
        try:
            client.binding()
        finally:
            client.close()
        yield from ()

    def _relay(self, task: _Task) -> Iterator[Found]:
        """Allocate, and release what was given."""
        client = Client(task.server, task.wanted.login)
        try:
            relayed = allocate(client, address.family(ip_of(task.server.place)))
            mapped = _mapped(client) or client.local
            yield self._gathered(RELAY, relayed, client.local, mapped, task)
            client.refresh(0)
            return
        except Refused as refused:
            other = _alternate(refused)
            if task.redirected or len(other) != len(task.server.place):
                raise
        finally:
            client.close()
        yield from self._relay(_Task(task.wanted, replace(task.server, place=other), True))

    def _base(self, ip: bytes) -> Base:
        """Return the base at an IP address; that of a server on this machine itself may be none of the hosts."""
        with self._lock:
            if ip not in self._bases:
                self._bases[ip] = Base(ip)
            return self._bases[ip]

    # What is told.

    def _gathered(
        self, kind: str, place: bytes, base: bytes, related: bytes = b"", task: _Task | None = None
    ) -> Gathered:
        """Return a candidate; a base of its own is told by no related address."""
        transport = task.server.transport if task and kind == RELAY else UDP
        server_ip = ip_of(task.server.place) if task else b""
        preference = candidate.local_preference(self._ips, ip_of(base), transport)
        found = Candidate(
            kind,
            UDP,
            format_ip(ip_of(place)),
            port_of(place),
            related=address.format(related) if related else "",
            server=task.wanted.uri if task else "",
            relay_transport=transport if kind == RELAY else "",
            priority=candidate.priority(kind, preference),
            at=time.monotonic() - self._begin,
        )
        return Gathered(found, candidate.foundation(kind, ip_of(base), server_ip, transport), base)

    def _error(self, task: _Task, code: int, text: str) -> IceError:
        return IceError(task.named(), code, text, time.monotonic() - self._begin)


def reachable(servers: list[Server]) -> list[Server]:
    """Return those of a server's addresses that this machine has a route for; NoWay where it has none."""
    reached = [server for server in servers if source_towards(ip_of(server.place))]
    if not reached:
        families = " and ".join(sorted({candidate.family_name(ip_of(server.place)) for server in servers}))
        raise NoWay(f"no way there: this machine has no route for {families}")
    return reached


def allocate(client: Client, family: int) -> bytes:
    """Return the relayed port||ip of a family, or of IPv4 where the server has none of IPv6."""
    try:
        return client.allocate(family)
    except Refused as refused:
        if refused.code != _OTHER_FAMILY or family == IPV4:
            raise
    return client.allocate(IPV4)


def _mapped(client: Client) -> bytes | None:
    """Return the port||ip that the server saw when it allocated."""
    if client.answer is None:
        return None
    value = client.answer.attributes.get(stun.XOR_MAPPED_ADDRESS, b"")
    return stun.decode_xor_address(value, client.answer.transaction)


def _alternate(refused: Refused) -> bytes:
    """Return the port||ip that a server sends its clients to, b"" where it names none (RFC 8489 §14.15)."""
    answer = refused.answer if refused.code == _REDIRECTED else None
    return answer.attributes.get(stun.ALTERNATE_SERVER, b"")[2:] if answer else b""


def _phrase(refused: Refused) -> str:
    """Return what a server says beside an error code (RFC 8489 §14.8), or what that code is called."""
    value = refused.answer.attributes.get(stun.ERROR_CODE, b"") if refused.answer else b""
    said = "".join(each for each in value[4:].decode(errors="replace") if each.isprintable())
    return said[:_LONGEST_PHRASE] or REASONS.get(refused.code, "")
