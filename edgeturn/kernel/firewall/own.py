"""Our own table: the ports that clients listen for and that peers send to, accepted and counted.

    table inet edgeturn {
        set listening     { type inet_service }
        set listening_tcp { type inet_service }                     where TCP is served
        set relayed       { type inet_service; flags timeout }      the daemon's observer fills it
        chain input       { type filter hook input priority filter; policy accept
            udp dport @listening counter accept comment "clients"
            tcp dport @listening_tcp counter accept comment "clients_tcp"
            udp dport @relayed counter accept comment "peers"
            tcp dport @relayed counter accept comment "peers_tcp"           with option tcp_relay
            udp dport 49152-65535 counter accept comment "range"            only where the daemon can't follow
            tcp dport 49152-65535 counter accept comment "range_tcp"        both
        }
    }

Rule 1: it's made and removed whole, and what is right already is left alone with its counters. Another version's table
        isn't right: it's replaced, and the live ports stay in it.
Rule 2: ports are enough: nothing is forbidden here, so the address beside it would forbid nothing more.
Rule 3: what local networks alone reach has no rule here: nobody else has to get in (neighbourhood.py).
Rule 4: what it accepts another table may still drop, before or after; that is found by obstacles.
"""

import errno
from collections.abc import Sequence
from dataclasses import dataclass, field

from pyroute2.netlink.exceptions import NetlinkError

from edgeturn.kernel.firewall import expressions, tables
from edgeturn.kernel.firewall.expressions import REGISTER, expression
from edgeturn.kernel.firewall.tables import Change, Row, Tables
from edgeturn.kernel.netfilter import (
    CREATE,
    ELEMENT_KEY,
    ELEMENTS_LIST,
    ELEMENTS_SET,
    ELEMENTS_TABLE,
    INET,
    NEW_ELEMENT,
    RELAYED,
    VALUE,
    attribute,
    attributes,
    element,
    name,
    port,
)
from edgeturn.protocol.listener import TCP, UDP

LISTENING, LISTENING_TCP, EVERY = "listening", "listening_tcp", ""

# Rules by their comments: the transport, and the set of its ports, or every one of a range.
CLIENTS, PEERS, RANGE = "clients", "peers", "range"
CLIENTS_TCP, PEERS_TCP, RANGE_TCP = "clients_tcp", "peers_tcp", "range_tcp"
RULES = {
    CLIENTS: (UDP, LISTENING),
    CLIENTS_TCP: (TCP, LISTENING_TCP),
    PEERS: (UDP, RELAYED),
    PEERS_TCP: (TCP, RELAYED),
    RANGE: (UDP, EVERY),
    RANGE_TCP: (TCP, EVERY),
}
_CHAIN = "input"
_APPEND = 0x800

# Numbers of linux/netfilter/nf_tables.h and libnftnl's udata.h.
_TABLE_NAME = 1
_SET_TABLE, _SET_NAME, _SET_FLAGS, _SET_KEY_TYPE, _SET_KEY_SIZE, _SET_ID = 1, 2, 3, 4, 5, 10
_CHAIN_TABLE, _CHAIN_NAME, _CHAIN_HOOK, _CHAIN_POLICY, _CHAIN_TYPE = 1, 3, 4, 5, 7
_HOOK_NUMBER, _HOOK_PRIORITY = 1, 2
RULE_TABLE, RULE_CHAIN, RULE_EXPRESSIONS, RULE_NOTES = 1, 2, 4, 7
_COMMENT = 0
_SET_HAS_TIMEOUTS = 0x10
_PORT_TYPE = 13  # nft's inet_service
_INPUT = 1
_FILTER = 0
_ELEMENT_EXPIRES = 5


@dataclass
class Counted:
    """What a rule has counted."""

    packets: int = 0
    bytes: int = 0


@dataclass
class Opened:
    """What our table accepts: listening ports, relayed ones with their milliseconds, a range; and what it counted.

    listening_tcp: those that TCP is served at; counters: by the rules' comments, in their order.
    """

    listening: list[int]
    relayed: dict[int, int] = field(default_factory=dict)
    ports: tuple[int, int] | None = None
    counters: dict[str, Counted] = field(default_factory=dict)
    listening_tcp: list[int] = field(default_factory=list)

    def is_like(self, other: "Opened") -> bool:
        """Say whether another one has the same rules."""
        mine, theirs = ((each.listening, each.listening_tcp, each.ports, [*each.counters]) for each in (self, other))
        return mine == theirs


@dataclass(frozen=True)
class Wanted:
    """What is to be accepted: listening ports of both transports; whether peers come at all, and over TCP too."""

    listening: Sequence[int]
    listening_tcp: Sequence[int]
    peers: bool
    tcp_peers: bool

    def rules(self, ports: tuple[int, int] | None) -> Opened:
        """Return the table for it, with a range of peers' ports where one is given."""
        ports = ports if self.peers else None
        asked = {
            CLIENTS: bool(self.listening),
            CLIENTS_TCP: bool(self.listening_tcp),
            PEERS: self.peers,
            PEERS_TCP: self.peers and self.tcp_peers,
            RANGE: ports is not None,
            RANGE_TCP: ports is not None and self.tcp_peers,
        }
        counters = {each: Counted() for each in RULES if asked[each]}
        return Opened(sorted(set(self.listening)), {}, ports, counters, sorted(set(self.listening_tcp)))


def open_table(link: Tables, table: str, asked: Wanted, ports: tuple[int, int] | None) -> None:
    """Accept what is wanted at the listening ports and the live relayed ones, and a range where one is given."""
    wanted = asked.rules(ports)
    found = read_table(link, table)
    if found is not None and found.is_like(wanted):
        return
    if found is not None:
        wanted.relayed = found.relayed
    link.change([*_removal(table), *_creation(table, wanted)])


def close_table(link: Tables, table: str) -> bool:
    """Remove the table with all that is in it; say whether there was one."""
    try:
        link.change([Change(tables.DELETE_TABLE, 0, INET, [(_TABLE_NAME, name(table))])])
    except NetlinkError as error:
        if error.code != errno.ENOENT:
            raise
        return False
    return True


def read_table(link: Tables, table: str) -> Opened | None:
    """Return what our table accepts now; None where it isn't there."""
    if link.find(tables.GET_TABLE, INET, [(_TABLE_NAME, name(table))]) is None:
        return None
    opened = Opened(sorted(_elements(link, table, LISTENING)), _elements(link, table, RELAYED))
    for row in link.dump(tables.GET_RULE, INET, [(RULE_TABLE, name(table)), (RULE_CHAIN, name(_CHAIN))]):
        parts = {each.name: each for each in expressions.read(row.values.get(RULE_EXPRESSIONS, b""))}
        if "counter" in parts:
            counter = parts["counter"]
            opened.counters[_comment(row)] = Counted(counter.number("packets"), counter.number("bytes"))
        if "range" in parts:
            bounds = [int.from_bytes(parts["range"].value(end), "big") for end in ("from", "to")]
            opened.ports = (bounds[0], bounds[1])
    if CLIENTS_TCP in opened.counters:
        opened.listening_tcp = sorted(_elements(link, table, LISTENING_TCP))
    return opened


def _elements(link: Tables, table: str, of: str) -> dict[int, int]:
    """Return the ports of a set, each with the milliseconds that it has left, 0 without end."""
    found = {}
    for row in link.dump(tables.GET_ELEMENT, INET, [(ELEMENTS_TABLE, name(table)), (ELEMENTS_SET, name(of))]):
        for _, item in row.nested(ELEMENTS_LIST):
            parts = dict(attributes(item))
            key = dict(attributes(parts[ELEMENT_KEY]))[VALUE]
            found[int.from_bytes(key, "big")] = int.from_bytes(parts.get(_ELEMENT_EXPIRES, b""), "big")
    return found


def _removal(table: str) -> list[Change]:
    """Return what removes a table whether it is there or not."""
    place = [(_TABLE_NAME, name(table))]
    return [Change(tables.NEW_TABLE, CREATE, INET, place), Change(tables.DELETE_TABLE, 0, INET, place)]


def _creation(table: str, wanted: Opened) -> list[Change]:
    contents = {
        LISTENING: [element(port(each)) for each in wanted.listening],
        LISTENING_TCP: [element(port(each)) for each in wanted.listening_tcp],
        RELAYED: [element(port(each), milliseconds) for each, milliseconds in wanted.relayed.items()],
    }
    ruled = [RULES[each][1] for each in wanted.counters]
    used = [called for called in contents if called in (LISTENING, RELAYED, *ruled)]
    flags = {RELAYED: _SET_HAS_TIMEOUTS}
    return [
        Change(tables.NEW_TABLE, CREATE, INET, [(_TABLE_NAME, name(table))]),
        *(_set(table, called, number, flags.get(called, 0)) for number, called in enumerate(used, 1)),
        _chain(table),
        *(_rule(table, each, wanted.ports) for each in wanted.counters),
        *(_filling(table, called, contents[called]) for called in used),
    ]


def _set(table: str, called: str, number: int, flags: int) -> Change:
    values = ((_SET_FLAGS, flags), (_SET_KEY_TYPE, _PORT_TYPE), (_SET_KEY_SIZE, 2), (_SET_ID, number))
    place = [(_SET_TABLE, name(table)), (_SET_NAME, name(called))]
    return Change(tables.NEW_SET, CREATE, INET, [*place, *((kind, _number(value)) for kind, value in values)])


def _chain(table: str) -> Change:
    hook = attribute(_HOOK_NUMBER, _number(_INPUT)) + attribute(_HOOK_PRIORITY, _number(_FILTER))
    values = [
        (_CHAIN_TABLE, name(table)),
        (_CHAIN_NAME, name(_CHAIN)),
        (_CHAIN_HOOK, hook),
        (_CHAIN_POLICY, _number(expressions.ACCEPT)),
        (_CHAIN_TYPE, name("filter")),
    ]
    return Change(tables.NEW_CHAIN, CREATE, INET, values)


def _rule(table: str, comment: str, ports: tuple[int, int] | None) -> Change:
    """Return a rule by its comment; ports: those of a range."""
    transport, called = RULES[comment]
    protocol = bytes([expressions.PROTOCOLS[transport]])
    parts = [
        expression("meta", key=expressions.META_TRANSPORT, dreg=REGISTER),
        expression("cmp", sreg=REGISTER, op=expressions.EQUAL, data=protocol),
        expression("payload", dreg=REGISTER, base=expressions.TRANSPORT_HEADER, offset=2, len=2),
        _in_range(*ports) if called == EVERY and ports is not None else _in_set(called),
        expression("counter"),
        expressions.accept(),
    ]
    values = [
        (RULE_TABLE, name(table)),
        (RULE_CHAIN, name(_CHAIN)),
        (RULE_EXPRESSIONS, b"".join(parts)),
        (RULE_NOTES, bytes([_COMMENT, len(comment) + 1]) + name(comment)),
    ]
    return Change(tables.NEW_RULE, CREATE | _APPEND, INET, values)


def _in_set(called: str) -> bytes:
    return expression("lookup", set=called, sreg=REGISTER)


def _in_range(first: int, last: int) -> bytes:
    return expression("range", sreg=REGISTER, op=expressions.EQUAL, **{"from": port(first), "to": port(last)})


def _filling(table: str, called: str, items: list[bytes]) -> Change:
    place = [(ELEMENTS_TABLE, name(table)), (ELEMENTS_SET, name(called))]
    return Change(NEW_ELEMENT, CREATE, INET, [*place, (ELEMENTS_LIST, b"".join(items))])


def _comment(row: Row) -> str:
    notes = row.values.get(RULE_NOTES, b"")
    return notes[2:].split(b"\0")[0].decode(errors="replace") if notes[:1] == bytes([_COMMENT]) else ""


def _number(value: int) -> bytes:
    return value.to_bytes(4, "big")
