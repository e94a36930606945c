"""The rules of everybody that look at packets on their way in: chains by name, sets asked for one key at a time.

Rule 1: nothing is changed; the kernel looks a key up in a set itself, so intervals and maps need no code here.
Rule 2: chains that translate addresses are left out: they drop nothing.
"""

from dataclasses import dataclass, field

from edgeturn.kernel.firewall import expressions, tables
from edgeturn.kernel.firewall.expressions import Expression
from edgeturn.kernel.firewall.own import RULE_CHAIN, RULE_EXPRESSIONS, RULE_TABLE
from edgeturn.kernel.firewall.tables import Row, Tables
from edgeturn.kernel.netfilter import (
    ELEMENT_KEY,
    ELEMENTS_LIST,
    ELEMENTS_SET,
    ELEMENTS_TABLE,
    LIST_ITEM,
    VALUE,
    attribute,
    attributes,
    name,
    nested,
)

FAMILIES = {1: "inet", 2: "ip", 10: "ip6"}  # those that see IP packets
PREROUTING, INPUT = 0, 1
HOOKS = (PREROUTING, INPUT)

_CHAIN_TABLE, _CHAIN_NAME, _CHAIN_HOOK, _CHAIN_POLICY, _CHAIN_TYPE = 1, 3, 4, 5, 7
_HOOK_NUMBER, _HOOK_PRIORITY = 1, 2
_TABLE_NAME, _TABLE_FLAGS, _DORMANT = 1, 2, 1
_RULE_HANDLE = 3
_SET_TABLE, _SET_NAME, _SET_KEY_SIZE = 1, 2, 5
_ELEMENT_DATA = 2
_MAP_DATA = VALUE


@dataclass(frozen=True)
class Rule:
    """A rule: its number, and what it consists of."""

    handle: int
    expressions: list[Expression]


@dataclass(frozen=True)
class Chain:
    """A chain with its rules; one that the kernel calls has a hook."""

    family: int
    table: str
    name: str
    hook: int | None
    priority: int
    accepts: bool
    rules: list[Rule] = field(default_factory=list)


class Ruleset:
    """All chains of the tables that see IP packets."""

    def __init__(self, link: Tables) -> None:
        """Read them; sets are read later, by this link."""
        self._link = link
        self._chains = {(each.family, each.table, each.name): each for each in _chains(link)}
        self._key_sizes: dict[tuple[int, str, str], int] = {}
        for row in link.dump(tables.GET_RULE):
            chain = self._chains.get((row.family, row.text(RULE_TABLE), row.text(RULE_CHAIN)))
            if chain is not None:
                parts = expressions.read(row.values.get(RULE_EXPRESSIONS, b""))
                chain.rules.append(Rule(row.number(_RULE_HANDLE), parts))

    def entrances(self) -> list[Chain]:
        """Return the chains that the kernel calls for packets on their way in, in its order."""
        hooked = [chain for chain in self._chains.values() if chain.hook in HOOKS]
        return sorted(hooked, key=lambda chain: (chain.hook or 0, chain.priority))

    def chain(self, beside: Chain, called: str) -> Chain | None:
        """Return a chain of the same table as another one."""
        return self._chains.get((beside.family, beside.table, called))

    def key_size(self, beside: Chain, called: str) -> int:
        """Return the size of a set's keys."""
        place = (beside.family, beside.table, called)
        if place not in self._key_sizes:
            asked = [(_SET_TABLE, name(beside.table)), (_SET_NAME, name(called))]
            row = self._link.find(tables.GET_SET, beside.family, asked)
            self._key_sizes[place] = row.number(_SET_KEY_SIZE) if row is not None else 0
        return self._key_sizes[place]

    def find(self, beside: Chain, called: str, key: bytes) -> bytes | None:
        """Return what a map has for a key, b"" where it's a set that has it, None where it hasn't."""
        asked = nested(LIST_ITEM, [nested(ELEMENT_KEY, [attribute(VALUE, key)])])
        place = [(ELEMENTS_TABLE, name(beside.table)), (ELEMENTS_SET, name(called))]
        row = self._link.find(tables.GET_ELEMENT, beside.family, [*place, (ELEMENTS_LIST, asked)])
        for _, item in row.nested(ELEMENTS_LIST) if row is not None else ():
            return dict(attributes(item)).get(_ELEMENT_DATA, b"")
        return None


def _chains(link: Tables) -> list[Chain]:
    asleep = {
        (row.family, row.text(_TABLE_NAME))
        for row in link.dump(tables.GET_TABLE)
        if row.number(_TABLE_FLAGS) & _DORMANT
    }
    rows = [row for row in link.dump(tables.GET_CHAIN) if row.family in FAMILIES]
    return [_chain(row) for row in rows if (row.family, row.text(_CHAIN_TABLE)) not in asleep]


def _chain(row: Row) -> Chain:
    hook = dict(row.nested(_CHAIN_HOOK))
    filters = row.text(_CHAIN_TYPE) == "filter"
    return Chain(
        row.family,
        row.text(_CHAIN_TABLE),
        row.text(_CHAIN_NAME),
        int.from_bytes(hook[_HOOK_NUMBER], "big") if filters and _HOOK_NUMBER in hook else None,
        int.from_bytes(hook.get(_HOOK_PRIORITY, b""), "big", signed=True),
        row.number(_CHAIN_POLICY) == expressions.ACCEPT,
    )
