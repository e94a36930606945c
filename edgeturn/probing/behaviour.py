"""What a NAT does, found out by a STUN server with two addresses (RFC 5780 §4.3 to §4.5), or by two servers.

    mapping     base ──► A1:P1   A2:P1   A2:P2      the same mapped address each time?
    filtering   base ──► A1:P1   answered from A2:P2, or from A1:P2: does it get in?
    hairpin     another base ──► the mapped address of the first: does it come back?

Rule 1: filtering is tested first, from bases of its own, while nobody here has written to A2: some NATs go by hosts.
Rule 2: what can't be known is "" or None, and `unknown` says why.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field

from edgeturn import seam
from edgeturn.probing.base import Base, Towards
from edgeturn.probing.client import Client, Refused, Silent, Untrusted
from edgeturn.protocol import address, stun
from edgeturn.protocol.address import ip_of

NO_NAT = "none"
INDEPENDENT = "endpoint-independent"
ADDRESS_DEPENDENT = "address-dependent"
PORT_DEPENDENT = "address-and-port-dependent"
DEPENDENT = "destination-dependent"  # two servers see different addresses; whether by address or port isn't known

_CHANGE_BOTH, _CHANGE_PORT = b"\0\0\0\x06", b"\0\0\0\x02"  # RFC 5780 §7.2
_TRIES = 3  # with what may never be answered
_PATIENCE = 0.3  # seconds for each, or some round trips where these are longer
_ROUND_TRIPS = 4
_ONE_ADDRESS = "the server has no second address (OTHER-ADDRESS of RFC 5780)"


@dataclass
class Behaviour:
    """A NAT in front of a base, as one server sees it; the places are port||ip."""

    server: bytes
    base: bytes = b""
    mapped: bytes = b""
    mapping: str = ""  # NO_NAT, INDEPENDENT …, "" where unknown
    filtering: str = ""  # INDEPENDENT, ADDRESS_DEPENDENT, PORT_DEPENDENT
    hairpin: bool | None = None
    unknown: list[str] = field(default_factory=list)

    @property
    def keeps_port(self) -> bool:
        """Say whether outside the port is that of the base."""
        return self.mapped[:2] == self.base[:2]


def discover(servers: list[bytes], ip: bytes) -> Behaviour:
    """Return what is between an address of this machine and servers, port||ip each, the one to ask first in front."""
    found = Behaviour(servers[0])
    with closing(Base(ip)) as base:
        found.base = base.place
        try:
            first = _ask(base, servers[0])
        except (Silent, Refused, Untrusted, OSError):
            found.unknown.append("the server doesn't answer any more")
            return found
        found.mapped = _mapped(first)
        other = _other(first)
        with ThreadPoolExecutor() as pool:
            hairpin = pool.submit(_hairpin, base, found)
            _filtering(found, ip, other)
            hairpin.result()
        _mapping(base, found, other, servers)
    return found


def _ask(base: Base, place: bytes, change: bytes = b"") -> stun.Message:
    wishes = [(stun.CHANGE_REQUEST, change)] if change else []
    return Client(base.towards(place)).ask(stun.BINDING, wishes)


def _mapped(answer: stun.Message) -> bytes:
    found = stun.decode_xor_address(answer.attributes.get(stun.XOR_MAPPED_ADDRESS, b""), answer.transaction)
    if found is None:
        raise Untrusted
    return found


def _other(answer: stun.Message) -> bytes:
    """Return the server's place of which address and port differ, b"" where it has none."""
    value = answer.attributes.get(stun.OTHER_ADDRESS, b"")[2:]
    return value if len(value) in (6, 18) else b""


def _mapping(base: Base, found: Behaviour, other: bytes, servers: list[bytes]) -> None:
    if found.mapped == found.base:
        found.mapping = NO_NAT
        return
    try:
        if other:
            _map_by_two_addresses(base, found, other)
        else:
            _map_by_two_servers(base, found, servers)
    except (Silent, Refused, Untrusted, OSError):
        found.unknown.append("mapping: the server's second address doesn't answer")


def _map_by_two_addresses(base: Base, found: Behaviour, other: bytes) -> None:
    """RFC 5780 §4.3, tests II and III."""
    second = _mapped(_ask(base, found.server[:2] + ip_of(other)))
    if second == found.mapped:
        found.mapping = INDEPENDENT
        return
    third = _mapped(_ask(base, other))
    found.mapping = ADDRESS_DEPENDENT if third == second else PORT_DEPENDENT


def _map_by_two_servers(base: Base, found: Behaviour, servers: list[bytes]) -> None:
    others = [place for place in servers if ip_of(place) != ip_of(servers[0])]
    if not others:
        found.unknown.append(f"mapping: {_ONE_ADDRESS}; name a second server at another address to compare")
        return
    found.mapping = INDEPENDENT if _mapped(_ask(base, others[0])) == found.mapped else DEPENDENT


def _filtering(found: Behaviour, ip: bytes, other: bytes) -> None:
    """RFC 5780 §4.4: which senders get in that weren't written to."""
    if not other:
        found.unknown.append(f"filtering: {_ONE_ADDRESS}")
        return
    with ThreadPoolExecutor() as pool:
        both, port = pool.map(lambda change: _gets_in(ip, found.server, change), (_CHANGE_BOTH, _CHANGE_PORT))
    if both is None or port is None:
        found.unknown.append("filtering: the server doesn't answer from another address when asked to")
        return
    found.filtering = INDEPENDENT if both else ADDRESS_DEPENDENT if port else PORT_DEPENDENT


def _gets_in(ip: bytes, server: bytes, change: bytes) -> bool | None:
    """Say whether an answer from elsewhere arrives; None where the server refuses to send one."""
    message = stun.encode(stun.BINDING, stun.COOKIE + seam.random_bytes(12), [(stun.CHANGE_REQUEST, change)])
    with closing(Base(ip)) as base:
        begin = time.monotonic()
        try:
            _ask(base, server)
        except (Silent, Refused, Untrusted, OSError):
            return None
        patience = max(_PATIENCE, _ROUND_TRIPS * (time.monotonic() - begin))
        answer = _heard(base.towards(server), message, patience)
        return bool(answer) and (True if _is_success(answer) else None)


def _is_success(answer: bytes) -> bool:
    try:
        return stun.Message(answer).message_class == stun.SUCCESS
    except stun.Malformed:
        return False


def _heard(way: Towards, message: bytes, patience: float) -> bytes:
    """Return the answer to a message that is sent a few times, b"" where none came."""
    for _ in range(_TRIES):
        way.send(message)
        answer = way.receive(patience)
        if answer:
            return answer
    return b""


def _hairpin(base: Base, found: Behaviour) -> None:
    """RFC 5780 §4.5: send to the own mapped address from another base."""
    if found.mapped == found.base:
        return
    message = stun.encode(stun.BINDING, stun.COOKIE + seam.random_bytes(12), [])
    with closing(Base(ip_of(found.base))) as sender:
        way = sender.towards(found.mapped)
        for _ in range(_TRIES):
            try:
                way.send(message)
            except OSError:  # the server has made up an address that nobody can send to
                return
            found.hairpin = False
            if base.unasked(_PATIENCE) == message:
                found.hairpin = True
                return


def rows(found: Behaviour) -> list[tuple[str, str]]:
    """Return what is known, in words, each with its name."""
    kept = "keeps the port" if found.keeps_port else "changes the port"
    told = [
        ("address", f"{address.format(found.base)} is seen as {address.format(found.mapped)}" if found.mapped else ""),
        ("mapping", MAPPINGS.get(found.mapping, "")),
        ("port", "" if found.mapping in ("", NO_NAT) else kept),
        ("filtering", FILTERINGS.get(found.filtering, "")),
        ("hairpin", HAIRPINS[found.hairpin]),
    ]
    return [row for row in told if row[1]] + [("not known", reason) for reason in found.unknown]


MAPPINGS = {
    NO_NAT: "none: no NAT between here and the server",
    INDEPENDENT: 'endpoint-independent: one address for all destinations ("cone")',
    ADDRESS_DEPENDENT: 'address-dependent: another address for each destination address ("symmetric")',
    PORT_DEPENDENT: 'address-and-port-dependent: another address for each destination ("symmetric")',
    DEPENDENT: 'depends on the destination ("symmetric"): two servers see two addresses',
}
FILTERINGS = {
    INDEPENDENT: "endpoint-independent: anybody gets in once the port is open",
    ADDRESS_DEPENDENT: "address-dependent: only hosts that were written to get in",
    PORT_DEPENDENT: "address-and-port-dependent: only the very port that was written to gets in",
}
HAIRPINS = {
    None: "",
    True: "yes: two behind this NAT reach each other by its outer address",
    False: "no: two behind this NAT don't reach each other by its outer address",
}
