"""How a packet fares in everybody's rules: the kernel's own evaluation, done again for one packet that isn't sent.

Rule 1: the packet is concrete, so almost every condition is either true or false.
Rule 2: a rule that depends on anything else is taken as not matching, and noted.
Rule 3: to accept ends one chain of the kernel's; to drop ends the packet. So each such chain is looked at by itself.
Rule 4: of TCP it's the packet that decides whether a connection can be: the first one, or the first answer.
"""

import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from struct import pack

from edgeturn.kernel.firewall import expressions, xtables
from edgeturn.kernel.firewall.expressions import Expression
from edgeturn.kernel.firewall.ruleset import FAMILIES, PREROUTING, Chain, Rule, Ruleset
from edgeturn.protocol.listener import TCP, UDP

_IPV4_SIZE = 4
_FAMILY_OF = {_IPV4_SIZE: (2, 0x0800), 16: (10, 0x86DD)}
_UNICAST, _LOCAL = 1, 2  # address types of rtnetlink
_INVERTED = 1
_MOST_JUMPS = 16
_TRACKING = -200  # priority at which the kernel looks a packet's connection up
_SYN, _SYN_ACK = 0x02, 0x12
_SIZES = {UDP: 108, TCP: 40}  # of transport header and payload
_UNSURE = {UDP: range(0), TCP: range(4, 13)}  # bytes of the transport header: TCP's numbers and its options' size

Verdict = tuple[int, str]


@dataclass(frozen=True)
class Packet:
    """A packet: the interface by which it comes, both IP addresses and ports, and whether it answers another.

    transport: UDP is a datagram, TCP is a SYN, with an ACK where it answers.
    """

    interface: str
    source: bytes
    destination: bytes
    port: int
    source_port: int = 50000
    answers: bool = False
    transport: str = UDP

    @property
    def protocol(self) -> int:
        """The number of the transport in IP."""
        return expressions.PROTOCOLS[self.transport]

    def state(self) -> int:
        """Return the state of the packet's connection, as a bit."""
        return xtables.ESTABLISHED if self.answers else xtables.NEW

    def headers(self) -> dict[int, bytes]:
        """Return the headers that rules read, as far as they're known."""
        size = _SIZES[self.transport]
        if len(self.destination) == _IPV4_SIZE:
            network = pack("!BBHHHBBH", 0x45, 0, 20 + size, 0, 0, 64, self.protocol, 0)
        else:
            network = pack("!IHBB", 6 << 28, size, self.protocol, 64)
        transport = pack("!HH", self.source_port, self.port)
        transport += pack("!9xB", self.flags()) if self.transport == TCP else pack("!HH", size, 0)
        network += self.source + self.destination
        return {expressions.NETWORK_HEADER: network, expressions.TRANSPORT_HEADER: transport}

    def flags(self) -> int:
        """Return the flags of TCP."""
        return _SYN_ACK if self.answers else _SYN


@dataclass(frozen=True)
class Obstacle:
    """Where a packet is dropped: the kernel's chain, the one that did it, its rule or None for the policy."""

    family: str
    table: str
    entrance: str
    chain: str
    handle: int | None
    rejects: bool
    visited: tuple[str, ...]


@dataclass
class Passage:
    """What became of a packet, which rules weren't understood, its marks so far, and whether it may be tracked."""

    obstacles: list[Obstacle] = field(default_factory=list)
    unsure: set[str] = field(default_factory=set)
    marks: dict[str, bytes] = field(default_factory=lambda: {"meta": bytes(4), "ct": bytes(4)})
    tracked: bool = True


class Unsure(Exception):
    """A rule depends on more than is known here; the text is on what."""


def follow(ruleset: Ruleset, packet: Packet) -> Passage:
    """Return how a packet fares."""
    passage = Passage()
    seen_by = (1, _FAMILY_OF[len(packet.destination)][0])
    for entrance in ruleset.entrances():
        if entrance.family in seen_by:
            _Walk(ruleset, packet, entrance, passage).go()
    return passage


class _Walk:
    """A packet's way through one of the kernel's chains."""

    def __init__(self, ruleset: Ruleset, packet: Packet, entrance: Chain, passage: Passage) -> None:
        self.ruleset = ruleset
        self.packet = packet
        self.headers = packet.headers()
        self.entrance = entrance
        self.passage = passage
        self.visited: list[str] = []
        self.words: dict[int, bytes] = {}  # registers, in words of 4 bytes

    def go(self) -> None:
        """Note an obstacle where the packet is dropped."""
        ended = self._chain(self.entrance, 0)
        if ended is None and not self.entrance.accepts:
            ended = self.entrance, None, expressions.DROP
        if ended is None or ended[2] != expressions.DROP:
            return
        chain, rule, _ = ended
        rejects = rule is not None and any(_rejects(each) for each in rule.expressions)
        where = (FAMILIES[chain.family], chain.table, self.entrance.name, chain.name)
        handle = None if rule is None else rule.handle
        self.passage.obstacles.append(Obstacle(*where, handle, rejects, tuple(self.visited)))

    def _chain(self, chain: Chain, depth: int) -> tuple[Chain, Rule | None, int] | None:
        """Return where and how the packet ended; None where it comes out of the chain again."""
        self.visited.append(chain.name)
        for rule in chain.rules:
            verdict = self._rule(chain, rule)
            if verdict is None:
                continue
            code, target = verdict
            if code == expressions.RETURN:
                return None
            if code not in (expressions.JUMP, expressions.GOTO):
                return chain, rule, code
            called = self.ruleset.chain(chain, target)
            ended = self._chain(called, depth + 1) if called is not None and depth < _MOST_JUMPS else None
            if ended is not None or code == expressions.GOTO:
                return ended
        return None

    def _rule(self, chain: Chain, rule: Rule) -> Verdict | None:
        """Return the verdict of a rule; None where it has none, or doesn't match."""
        self.words.clear()
        try:
            for each in rule.expressions:
                result = self._evaluate(each)
                if result is not True:
                    return result or None
        except Unsure as unsure:
            if not any(_decides(each) for each in rule.expressions):
                return None
            place = f"{FAMILIES[chain.family]} {chain.table} {chain.name} handle {rule.handle}"
            self.passage.unsure.add(f"{place}: {unsure}")
        return None

    def _evaluate(self, each: Expression) -> "bool | Verdict":
        if each.name not in _EVALUATORS:
            raise Unsure(each.name)
        return _EVALUATORS[each.name](self, each)

    # The connection.

    def is_early(self) -> bool:
        """Say whether this chain comes before the kernel looks the connection up."""
        return self.entrance.hook == PREROUTING and self.entrance.priority < _TRACKING

    def is_tracked(self) -> bool:
        """Say whether the connection is known in this chain."""
        return self.passage.tracked and not self.is_early()

    def untrack(self) -> bool:
        """Leave the packet without a connection, unless it has one already; return True."""
        self.passage.tracked = self.passage.tracked and not self.is_early()
        return True

    def state(self) -> int:
        """Return the state of the connection as rules see it here, as a bit."""
        if not self.passage.tracked:
            return xtables.UNTRACKED
        return self.packet.state() if self.is_tracked() else xtables.INVALID

    # Registers.

    def store(self, register: int, data: bytes) -> bool:
        """Put data into a register; return True."""
        start = _word(register)
        for place in range((len(data) + 3) // 4):
            self.words[start + place] = data[4 * place : 4 * place + 4].ljust(4, b"\0")
        return True

    def load(self, register: int, size: int) -> bytes:
        """Return data of a register; Unsure where there's none."""
        start = _word(register)
        words = [self.words.get(start + place) for place in range((size + 3) // 4)]
        if None in words:
            raise Unsure("a register")
        return b"".join([word for word in words if word is not None])[:size]


def _word(register: int) -> int:
    """Return the first word of a register: 1 to 4 have 16 bytes, those from 8 on have 4."""
    return 4 * (register - 1) if register < 8 else register - 8


def _native(number: int, size: int = 4) -> bytes:
    return number.to_bytes(size, sys.byteorder)


def _decides(each: Expression) -> bool:
    """Say whether an expression may give a verdict."""
    to_verdict = "dreg" in each.fields and each.number("dreg") == expressions.REGISTER_VERDICT
    return to_verdict or each.name in ("queue", "reject", "synproxy", "target")


def _rejects(each: Expression) -> bool:
    return each.name == "reject" or (each.name == "target" and each.text("name") == "REJECT")


# Expressions: each returns whether the rule goes on, or a verdict.


def _meta(walk: _Walk, each: Expression) -> bool:
    if "sreg" in each.fields:
        return _set(walk, each, expressions.META_MARK)
    packet = walk.packet
    family, protocol = _FAMILY_OF[len(packet.destination)]
    known = {
        expressions.META_PROTOCOL: pack("!H", protocol),
        expressions.META_FAMILY: bytes([family]),
        expressions.META_TRANSPORT: bytes([packet.protocol]),
        expressions.META_INTERFACE_NAME: packet.interface.encode().ljust(16, b"\0"),
        expressions.META_PACKET_TYPE: bytes(1),
        expressions.META_MARK: walk.passage.marks["meta"],
        expressions.META_GROUP: bytes(4),
    }
    key = each.number("key")
    if key == expressions.META_INTERFACE:
        known[key] = _native(socket.if_nametoindex(packet.interface))
    if key not in known:
        raise Unsure(f"meta key {key}")
    return walk.store(each.number("dreg"), known[key])


def _set(walk: _Walk, each: Expression, mark: int) -> bool:
    """Set the mark of the packet or of its connection; whatever else is set isn't looked at."""
    if each.number("key") == mark:
        walk.passage.marks[each.name] = walk.load(each.number("sreg"), 4)
    return True


def _payload(walk: _Walk, each: Expression) -> bool:
    if "sreg" in each.fields:
        return True
    header = walk.headers.get(each.number("base"), b"")
    start, size = each.number("offset"), each.number("len")
    hidden = _UNSURE[walk.packet.transport] if each.number("base") == expressions.TRANSPORT_HEADER else ()
    if start + size > len(header) or any(place in hidden for place in range(start, start + size)):
        raise Unsure("bytes of the packet")
    return walk.store(each.number("dreg"), header[start : start + size])


_COMPARISONS: tuple[Callable[[bytes, bytes], bool], ...] = (
    lambda mine, other: mine == other,
    lambda mine, other: mine != other,
    lambda mine, other: mine < other,
    lambda mine, other: mine <= other,
    lambda mine, other: mine > other,
    lambda mine, other: mine >= other,
)


def _cmp(walk: _Walk, each: Expression) -> bool:
    other = each.value("data")
    return _COMPARISONS[each.number("op")](walk.load(each.number("sreg"), len(other)), other)


def _range(walk: _Walk, each: Expression) -> bool:
    first, last = each.value("from"), each.value("to")
    inside = first <= walk.load(each.number("sreg"), len(first)) <= last
    return inside == (each.number("op") == expressions.EQUAL)


def _bitwise(walk: _Walk, each: Expression) -> bool:
    if each.number("op"):
        raise Unsure("a shift")
    mine = walk.load(each.number("sreg"), each.number("len"))
    pairs = zip(mine, each.value("mask"), each.value("xor"), strict=True)
    return walk.store(each.number("dreg"), bytes([byte & mask ^ xor for byte, mask, xor in pairs]))


def _lookup(walk: _Walk, each: Expression) -> "bool | Verdict":
    called = each.text("set")
    key = walk.load(each.number("sreg"), walk.ruleset.key_size(walk.entrance, called))
    found = walk.ruleset.find(walk.entrance, called, key)
    if found is None or "dreg" not in each.fields:
        return (found is not None) != bool(each.number("flags") & _INVERTED)
    return _keep(walk, each.number("dreg"), found)


def _immediate(walk: _Walk, each: Expression) -> "bool | Verdict":
    return _keep(walk, each.number("dreg"), each.fields.get("data", b""))


def _keep(walk: _Walk, register: int, data: bytes) -> "bool | Verdict":
    """Put data into a register, of which one holds the verdict."""
    if register == expressions.REGISTER_VERDICT:
        return expressions.read_verdict(data) or True
    return walk.store(register, expressions.read_value(data))


_CT_STATE, _CT_DIRECTION, _CT_STATUS, _CT_MARK = 0, 1, 2, 3


def _ct(walk: _Walk, each: Expression) -> bool:
    if "sreg" in each.fields:
        return _set(walk, each, _CT_MARK) if walk.is_tracked() else True
    if each.number("key") != _CT_STATE and not walk.is_tracked():
        return False
    known = {
        _CT_STATE: _native(walk.state()),
        _CT_DIRECTION: bytes([walk.packet.answers]),
        _CT_STATUS: bytes(4),
        _CT_MARK: walk.passage.marks["ct"],
    }
    if each.number("key") not in known:
        raise Unsure(f"ct key {each.number('key')}")
    return walk.store(each.number("dreg"), known[each.number("key")])


_FIB_SOURCE, _FIB_DESTINATION, _FIB_PRESENT = 1, 2, 32
_FIB_TYPE = 3


def _fib(walk: _Walk, each: Expression) -> bool:
    flags = each.number("flags")
    if each.number("result") == _FIB_TYPE:
        kind = _LOCAL if flags & _FIB_DESTINATION else _UNICAST
        return walk.store(each.number("dreg"), _native(kind))
    if flags & _FIB_PRESENT and flags & _FIB_SOURCE:  # whoever is there has a route back
        return walk.store(each.number("dreg"), b"\1")
    raise Unsure("fib")


def _limit(walk: _Walk, each: Expression) -> bool:
    """Say that one packet is below any limit."""
    return not each.number("flags") & _INVERTED


def _match(walk: _Walk, each: Expression) -> bool:
    packet = walk.packet
    ports = xtables.Ports(packet.source_port, packet.port, walk.state(), packet.protocol, packet.flags())
    matches = xtables.matches(each.text("name"), each.fields.get("info", b""), ports)
    if matches is None:
        raise Unsure(f"match {each.text('name')}")
    return matches


def _target(walk: _Walk, each: Expression) -> "bool | Verdict":
    if each.text("name") == "REJECT":
        return expressions.DROP, ""
    if xtables.untracks(each.text("name"), each.fields.get("info", b"")):
        return walk.untrack()
    if each.text("name") in xtables.HARMLESS:
        return True
    raise Unsure(f"target {each.text('name')}")


_OBJECTS_WITHOUT_CONDITION = (1, 3, 7, 8, 9)  # counter, ct helper, ct timeout, security mark, ct expectation


def _objref(walk: _Walk, each: Expression) -> bool:
    if each.number("type") not in _OBJECTS_WITHOUT_CONDITION:
        raise Unsure(f"object {each.text('name')}")
    return True


def _pass(walk: _Walk, each: Expression) -> bool:
    return True


def _notrack(walk: _Walk, each: Expression) -> bool:
    return walk.untrack()


def _reject(walk: _Walk, each: Expression) -> Verdict:
    return expressions.DROP, ""


_EVALUATORS: "dict[str, Callable[[_Walk, Expression], bool | Verdict]]" = {
    "bitwise": _bitwise,
    "cmp": _cmp,
    "connlimit": _limit,
    "counter": _pass,
    "ct": _ct,
    "fib": _fib,
    "immediate": _immediate,
    "last": _pass,
    "limit": _limit,
    "log": _pass,
    "lookup": _lookup,
    "match": _match,
    "meta": _meta,
    "notrack": _notrack,
    "objref": _objref,
    "payload": _payload,
    "quota": _limit,
    "range": _range,
    "reject": _reject,
    "target": _target,
}
