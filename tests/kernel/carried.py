"""
A core with a carrier on imitated maps: what is in them, and what the core's own tables say should be.

Rule 1: what should be is computed from permissions, bindings and relayed addresses, never from what the carrier reads.
Rule 2: no pytest, it runs on both interpreters.
"""

import sys

from edgeturn.kernel import budgets, flows
from edgeturn.kernel.bpf import index
from edgeturn.kernel.carrier import Carrier
from edgeturn.kernel.flows import COUNTER_SIZE, SECOND
from edgeturn.kernel.maps import Maps
from edgeturn.protocol.address import format as as_text
from edgeturn.protocol.address import ip_of, parse
from edgeturn.protocol.turn import Turn
from edgeturn.relay.observers import Observers
from tests.core.dialogue import BOUND_IPS, RELAY_IPS, Server
from tests.kernel.imitation import CPUS, imitate

TYPE_CHECKING = False
if TYPE_CHECKING:
    Row = tuple[str, str, int, int]  # source, destination, channel, when it expires
    Rows = dict[tuple[str, str, int], Row]

LISTENERS = ("192.0.0.9:3478", "[2a00::9]:3478")
EADDRINUSE = 98


class Socket:
    """What holds an address."""

    def __init__(self, place: bytes, held: "list[str]") -> None:
        self._place, self._held = as_text(place), held
        held.append(self._place)

    def close(self) -> None:
        self._held.remove(self._place)


class Scene:
    """A server whose channels the kernel carries, as far as Python can tell."""

    def __init__(self, server: Server, maps: "Maps | None" = None) -> None:
        self.server = server
        self.maps = maps or imitate(server.limits)
        self.held: list[str] = []
        self.taken: list[str] = []  # addresses that somebody else has
        self.listeners = {server.listeners[at]: parse(LISTENERS[at]) for at in range(2)}
        self.carrier = Carrier(self.maps, server.turn, self.listeners, lambda: self.server.now, self._hold)

    def start(self) -> "Scene":
        """Do what the daemon does when it opens the maps."""
        self.carrier.start([ip_of(parse(ip)) for ip in list(RELAY_IPS.values()) + list(BOUND_IPS.values())])
        observer = Observers([self.server.recorder])
        observer.add(self.carrier)
        self.server.turn.observer = observer
        return self

    def _hold(self, place: bytes) -> Socket:
        if as_text(place) in self.taken:
            raise OSError(EADDRINUSE)
        return Socket(place, self.held)

    def wait(self, seconds: int) -> None:
        """Let time pass as the loop does."""
        self.server.wait(seconds)
        self.carrier.tick(self.server.now)

    def rows(self) -> "Rows":
        """Return what the map carries now."""
        return rows(self.maps, self.server.now)

    def bound(self) -> "Rows":
        """Return what the core's tables say."""
        return bound(self.server.turn, self.listeners, self.server.now)

    def count(self, counter: int, packets: int, size: int, last: int) -> None:
        """Count on the last CPU as the program would."""
        number = index(counter)
        before = self.maps.counters.get(number)
        assert before is not None
        own = b"".join([each.to_bytes(8, sys.byteorder) for each in (packets, size, last * SECOND)])
        rest = bytes(COUNTER_SIZE - len(own))
        self.maps.counters.by_hand(number, before[: (CPUS - 1) * COUNTER_SIZE] + own + rest)  # type: ignore[attr-defined]

    def counter(self, local: str, remote: str, channel: int) -> int:
        """Return the place of a flow's counter."""
        value = self.maps.flows.get(flows.key(parse(local), parse(remote), channel))
        assert value is not None
        return flows.read_flow(value).counter

    def cells(self, local: str, remote: str, channel: int) -> "tuple[int, int, int]":
        """Return the budgets of a flow."""
        value = self.maps.flows.get(flows.key(parse(local), parse(remote), channel))
        assert value is not None
        return flows.read_flow(value).budgets

    def inside(self) -> "list[tuple[str, str, int]]":
        """Return the keys of the flows that are for packets from within only."""
        found = []
        keys = self.maps.flows.keys()
        for key in keys:
            value = self.maps.flows.get(key)
            assert value is not None
            if flows.read_flow(value).inside:
                local, remote, channel = flows.read_key(key)
                found.append((as_text(local), as_text(remote), channel))
        return sorted(found)

    def stick(self, *keys: "bytes") -> None:
        """Let the kernel refuse to delete some keys, or from now on none."""
        self.maps.flows.stuck = set(keys)  # type: ignore[attr-defined]

    def ports(self) -> "list[int]":
        """Return the ports whose bits are set."""
        found = []
        for at in range(self.maps.ports.entries):
            value = self.maps.ports.get(index(at))
            assert value is not None
            bits = int.from_bytes(value, sys.byteorder)
            found += [64 * at + bit for bit in range(64) if bits >> bit & 1]
        return found

    def shares(self) -> bool:
        return isinstance(self.server.turn.rates.budgets, budgets.SharedBudgets)


def rows(maps: Maps, now: int) -> "Rows":
    """Return what a map carries at a time."""
    found: Rows = {}
    keys = maps.flows.keys()
    for key in keys:
        value = maps.flows.get(key)
        assert value is not None
        local, remote, channel = flows.read_key(key)
        flow = flows.read_flow(value)
        if flow.expires > now:
            row = (as_text(flow.source), as_text(flow.destination), flow.channel, flow.expires)
            found[as_text(local), as_text(remote), channel] = row
    return found


def bound(turn: Turn, listeners: "dict[int, bytes]", now: int) -> "Rows":
    """Return the flows of all channels that may carry data at a time: binding, permission and allocation are valid."""
    found: Rows = {}
    for owner in turn.live_sessions():
        listener, client = as_text(listeners[owner.via]), as_text(owner.client)
        for relay in [relay for relay in owner.relays if relay]:
            own = as_text(relay.address)
            for wire in relay.channels:
                channel, permitted = relay.channels[wire], relay.permissions.get(ip_of(wire), 0)
                until = min(channel.expires, permitted, relay.expires)
                if until > now:
                    found[listener, client, channel.number] = (own, as_text(wire), 0, until)
                    found[own, as_text(wire), 0] = (listener, client, channel.number, until)
    return found
