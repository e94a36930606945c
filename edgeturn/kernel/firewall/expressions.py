"""nf_tables expressions, of which rules are made: one table of their attributes, read in both directions.

A row: the expression's name, and its attributes in the order of their numbers, from 1 on.
Source: linux/netfilter/nf_tables.h. Numbers stand in network order, what is in registers as it is in memory.
"""

from dataclasses import dataclass

from edgeturn.kernel.netfilter import LIST_ITEM, VALUE, attribute, attributes, name, nested
from edgeturn.protocol.listener import TCP, UDP

FIELDS = {
    "bitwise": ("sreg", "dreg", "len", "mask", "xor", "op"),
    "cmp": ("sreg", "op", "data"),
    "connlimit": ("count", "flags"),
    "counter": ("bytes", "packets"),
    "ct": ("dreg", "key", "direction", "sreg"),
    "fib": ("dreg", "result", "flags"),
    "immediate": ("dreg", "data"),
    "limit": ("rate", "unit", "burst", "type", "flags"),
    "lookup": ("set", "sreg", "dreg", "id", "flags"),
    "match": ("name", "revision", "info"),
    "meta": ("dreg", "key", "sreg"),
    "objref": ("type", "name"),
    "payload": ("dreg", "base", "offset", "len", "sreg"),
    "quota": ("bytes", "flags"),
    "range": ("sreg", "op", "from", "to"),
    "target": ("name", "revision", "info"),
}

# Verdicts, as signed numbers.
DROP, ACCEPT, JUMP, GOTO, RETURN = 0, 1, -3, -4, -5

REGISTER_VERDICT, REGISTER = 0, 1
META_PROTOCOL, META_MARK, META_INTERFACE, META_INTERFACE_NAME = 1, 3, 4, 6
META_FAMILY, META_TRANSPORT, META_PACKET_TYPE, META_GROUP = 15, 16, 19, 21
NETWORK_HEADER, TRANSPORT_HEADER = 1, 2
EQUAL = 0
PROTOCOLS = {UDP: 17, TCP: 6}

_NAME, _DATA = 1, 2
_VERDICT, _CODE, _CHAIN = 2, 1, 2


@dataclass(frozen=True)
class Expression:
    """An expression's name and its attributes by name."""

    name: str
    fields: dict[str, bytes]

    def number(self, field: str) -> int:
        """Return an attribute that is a number, 0 where there's none."""
        return int.from_bytes(self.fields.get(field, b""), "big")

    def text(self, field: str) -> str:
        """Return an attribute that is a name."""
        return self.fields.get(field, b"").rstrip(b"\0").decode(errors="replace")

    def value(self, field: str) -> bytes:
        """Return an attribute that is data for a register."""
        return read_value(self.fields.get(field, b""))


def read(data: bytes) -> list[Expression]:
    """Return the expressions in a rule's attribute."""
    found = []
    for _, item in attributes(data):
        parts = dict(attributes(item))
        kind = parts.get(_NAME, b"").rstrip(b"\0").decode(errors="replace")
        names = FIELDS.get(kind, ())
        values = attributes(parts.get(_DATA, b""))
        fields = {names[number - 1]: value for number, value in values if 0 < number <= len(names)}
        found.append(Expression(kind, fields))
    return found


def read_verdict(data: bytes) -> tuple[int, str] | None:
    """Return verdict and chain of an attribute that is data; None where it is other data."""
    inner = dict(attributes(data)).get(_VERDICT)
    if inner is None:
        return None
    parts = dict(attributes(inner))
    chain = parts.get(_CHAIN, b"").rstrip(b"\0").decode(errors="replace")
    return int.from_bytes(parts.get(_CODE, b""), "big", signed=True), chain


def read_value(data: bytes) -> bytes:
    """Return the value of an attribute that is data; b"" where it is a verdict."""
    return dict(attributes(data)).get(VALUE, b"")


def expression(kind: str, **fields: int | str | bytes) -> bytes:
    """Return an expression as an item of a rule's list: numbers, names, and bytes as data for a register."""
    parts = [attribute(FIELDS[kind].index(field) + 1, _value(value)) for field, value in fields.items()]
    return nested(LIST_ITEM, [attribute(_NAME, name(kind)), nested(_DATA, parts)])


def accept() -> bytes:
    """Return the expression that accepts."""
    code = nested(_VERDICT, [attribute(_CODE, ACCEPT.to_bytes(4, "big"))])
    parts = [attribute(1, REGISTER_VERDICT.to_bytes(4, "big")), nested(2, [code])]
    return nested(LIST_ITEM, [attribute(_NAME, name("immediate")), nested(_DATA, parts)])


def _value(value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return value.to_bytes(4, "big")
    return name(value) if isinstance(value, str) else attribute(VALUE, value)
