"""nf_tables through pyroute2's netlink socket: batches out, rows of dumps in, one way for all of its versions.

Rule 1: attributes go in and come out as bytes. pyroute2 0.9.7 can't make sets, and each version stumbles over other
        rules that it doesn't know.
Rule 2: who writes has read before: a batch that isn't permitted gets an answer that pyroute2 doesn't wait for.
"""

import errno
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from pyroute2.netlink import NETLINK_NETFILTER, NLM_F_DUMP
from pyroute2.netlink.exceptions import NetlinkDumpInterrupted, NetlinkError
from pyroute2.netlink.nfnetlink import nfgen_msg
from pyroute2.netlink.nlsocket import NetlinkSocket

from edgeturn.kernel.netfilter import (
    ACKNOWLEDGE,
    BATCH_BEGIN,
    BATCH_END,
    BATCH_FOR,
    REQUEST,
    SUBSYSTEM,
    attributes,
)

NEW_TABLE, GET_TABLE, DELETE_TABLE = 0, 1, 2
NEW_CHAIN, GET_CHAIN = 3, 4
NEW_RULE, GET_RULE = 6, 7
NEW_SET, GET_SET = 9, 10
GET_ELEMENT = 13
_KINDS = 32
_TRIES = 5  # a dump is torn by whoever changes the rules meanwhile
_ABSENT = (errno.EPROTONOSUPPORT, errno.EOPNOTSUPP, errno.EAFNOSUPPORT, errno.EINVAL)


class Unavailable(Exception):
    """nf_tables can't be used; says whether that is for want of permission."""

    def __init__(self, permitted: bool) -> None:
        """Take whether root could."""
        super().__init__("this kernel has no nf_tables" if permitted else "not permitted")
        self.permitted = permitted


@dataclass(frozen=True)
class Row:
    """One thing of a dump: its protocol family and its attributes."""

    family: int
    values: dict[int, bytes]

    def text(self, kind: int) -> str:
        """Return an attribute that is a name, "" where there's none."""
        return self.values.get(kind, b"").rstrip(b"\0").decode(errors="replace")

    def number(self, kind: int) -> int:
        """Return an attribute that is a number, 0 where there's none."""
        return int.from_bytes(self.values.get(kind, b""), "big")

    def nested(self, kind: int) -> list[tuple[int, bytes]]:
        """Return the attributes in an attribute."""
        return attributes(self.values.get(kind, b""))


class _Message(nfgen_msg):  # type: ignore[misc]
    prefix = "NFTA_"
    nla_map = tuple((f"NFTA_{kind}", "cdata") for kind in range(_KINDS))


@dataclass(frozen=True)
class Change:
    """A message of a batch: what it does, how, to which family, with which (kind, value)."""

    kind: int
    flags: int
    family: int
    values: Sequence[tuple[int, bytes]]


class Tables:
    """The kernel's nf_tables in this network namespace; a context manager."""

    def __init__(self) -> None:
        """Open the socket; Unavailable where nf_tables can't be used."""
        try:
            self._link = NetlinkSocket(NETLINK_NETFILTER)
        except OSError as error:
            raise Unavailable(permitted=error.errno != errno.EPERM) from None
        self._link.register_policy({SUBSYSTEM | kind: _Message for kind in range(_KINDS)})
        try:
            self.dump(GET_TABLE)
        except NetlinkError as error:
            self._link.close()
            if error.code == errno.EPERM or error.code in _ABSENT:
                raise Unavailable(permitted=error.code != errno.EPERM) from None
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._link.close()

    def dump(self, kind: int, family: int = 0, values: Sequence[tuple[int, bytes]] = ()) -> list[Row]:
        """Return all of a kind, of every family or of one, in the kernel's order."""
        for _ in range(_TRIES):
            try:
                return self._ask(kind, family, values, NLM_F_DUMP)
            except NetlinkDumpInterrupted:
                continue
        return self._ask(kind, family, values, NLM_F_DUMP)

    def find(self, kind: int, family: int, values: Sequence[tuple[int, bytes]]) -> Row | None:
        """Return one thing; None where it isn't there."""
        try:
            found = self._ask(kind, family, values, 0)
        except NetlinkError:
            return None
        return found[0] if found else None

    def change(self, changes: Sequence[Change]) -> None:
        """Do all of a batch or nothing; NetlinkError where it can't be done."""
        batch = [_message(change, ACKNOWLEDGE) for change in changes]
        tuple(self._link.nlm_request_batch([_edge(BATCH_BEGIN), *batch, _edge(BATCH_END)]))

    def _ask(self, kind: int, family: int, values: Sequence[tuple[int, bytes]], flags: int) -> list[Row]:
        message = _message(Change(kind, 0, family, values), 0)
        answers = tuple(self._link.nlm_request(message, SUBSYSTEM | kind, REQUEST | flags))
        return [_row(answer) for answer in answers]


def _message(change: Change, flags: int) -> _Message:
    message = _Message()
    message["nfgen_family"] = change.family
    message["version"] = 0
    message["res_id"] = 0
    message["attrs"] = [(f"NFTA_{kind}", value) for kind, value in change.values]
    message["header"]["type"] = SUBSYSTEM | change.kind
    message["header"]["flags"] = REQUEST | change.flags | flags
    return message


def _edge(kind: int) -> nfgen_msg:
    """Return the first or last message of a batch."""
    message = _Message()
    message["nfgen_family"] = message["version"] = 0
    message["res_id"] = BATCH_FOR
    message["header"]["type"] = kind
    message["header"]["flags"] = REQUEST
    return message


def _row(answer: nfgen_msg) -> Row:
    values = {int(name.removeprefix("NFTA_")): bytes(value) for name, value in answer["attrs"]}
    return Row(answer["nfgen_family"], values)
