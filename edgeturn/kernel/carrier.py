"""The carrier: writes the flows by which the kernel carries media, as the core binds and permits.

    bound     both flows of a channel, until the second in which it no longer carries; or none, where that is over
    unbound   what the kernel counted goes to the allocation, flows and place are given back

Rule 1: the core doesn't depend on it: what can't be written stays in Python, whole; half a channel is taken out again.
Rule 2: a place in `counters` is zeroed before somebody gets it; what it counts is read when the channel ends, and
        when somebody asks.
Rule 3: a flow to the client from another relayed address is for packets that come from within (`inside`): from the
        wire, whoever wrote that address there isn't its owner.
"""

from edgeturn.kernel import budgets, counters, flows
from edgeturn.kernel.bpf import index
from edgeturn.kernel.counters import NONE, Places
from edgeturn.kernel.flows import BUDGET_SIZE, COUNTER_SIZE, SECOND, Flow
from edgeturn.kernel.maps import Maps, sizes
from edgeturn.kernel.orphans import Orphans
from edgeturn.kernel.ports import Ports
from edgeturn.kernel.removals import Removals
from edgeturn.protocol.address import ip_of, port_of
from edgeturn.protocol.observer import Observer
from edgeturn.protocol.pool import Allocation, Channel, Relay
from edgeturn.protocol.rates import NOBODY
from edgeturn.protocol.state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeturn.kernel.orphans import Held

    Counted = tuple[int, int, int]  # packets, bytes, second of the last one

_ZEROS = bytes(COUNTER_SIZE)


class Carrier(Observer):
    """Keeps the maps in step with the core."""

    def __init__(
        self,
        maps: Maps,
        state: State,
        listeners: "dict[int, bytes]",
        clock: "Callable[[], int]",
        hold: "Callable[[bytes], Held]",
    ) -> None:
        """Take the maps, the core, the listeners' port||ip, a clock, and what binds a socket to port||ip."""
        self.maps = maps
        self.channels = 0  # that the kernel carries
        self.failures = 0  # of calls; the channel stayed in Python
        self._state = state
        self._listeners = listeners
        self._clock = clock
        self._places = Places(maps.counters.entries // 2)
        self._ports = Ports(maps.ports)
        self._cells = sizes(state.limits)["budgets"]
        self._relay_ips: "list[bytes]" = []
        self._known: "set[bytes]" = set()  # listeners whose ports are open
        self.removals = Removals(maps.flows, self._places, self.failed)
        self.orphans = Orphans(maps.flows, self._places, self.removals, hold, self._close_port)

    def start(self, relay_ips: "list[bytes]") -> None:
        """Take over what is in the maps, and write what is bound already; OSError where that can't be."""
        self.prove()
        self._relay_ips = relay_ips
        rates = self._state.rates
        rates.budgets = budgets.shared(rates.budgets, self.maps.budgets, self._cells)
        listeners = list(self._listeners.values())
        self._known = set(listeners)
        self.orphans.adopt(listeners, relay_ips, self._clock())
        self.reconsider()
        for owner in self._state.live_sessions():
            self._end_orphans(owner)
        self._ports.replace({port_of(each) for each in listeners + self.orphans.relayed()})
        self.rewrite()

    def follow(self, relay_ips: "list[bytes]") -> None:
        """Take other addresses to relay from, and other listeners; end the orphans of those that are gone."""
        listeners = set(self._listeners.values())
        if (listeners, relay_ips) == (self._known, self._relay_ips):
            return
        former, self._known, self._relay_ips = self._known, listeners, relay_ips
        for each in listeners:
            self._ports.open(port_of(each))
        for each in former - listeners:
            self._close_port(each)
        self.orphans.follow(listeners, relay_ips, self._state.peers)

    def prove(self) -> None:
        """Write what nobody reads; OSError where that isn't allowed."""
        self.maps.budgets.set(index(NOBODY), bytes(BUDGET_SIZE))

    def abandon(self) -> None:
        """Leave the maps, which may no longer be written: what is in them ends by itself, its addresses held."""
        self._leave_budgets()

    def remaining(self, now: int) -> "tuple[int, int]":
        """Return how many channels the kernel carries now, and when the last of them expires."""
        live = [bound for owner in self._state.live_sessions() for bound in owner.channels.values() if bound.place]
        ends = [bound.carries_until for bound in live if bound.carries_until > now]
        return len(ends) + self.orphans.count, max(self.orphans.latest(), max(ends or [0]))

    def rewrite(self) -> None:
        """Write all flows anew."""
        for relay in self._state.pool.relays:
            for channel in relay.channels.values():
                channel.written_until = 0
                self.bound(channel)

    def reconsider(self) -> None:
        """End the orphans that the peer policy denies."""
        self.orphans.reconsider(self._state.peers)

    def tick(self, now: int) -> None:
        """End the orphans that have expired, try again what couldn't be deleted, and see to it that it goes on."""
        self.removals.retry(now)
        self.orphans.expire(now, self._state.peers)
        if self.removals.count():
            self._state.schedule(now + 1)
        if self.orphans.due:
            self._state.schedule(self.orphans.due)

    def stop(self) -> None:
        """Take everything back into Python; orphans that can't be deleted keep their addresses."""
        for relay in self._state.pool.relays:
            for channel in relay.channels.values():
                self._withdraw(channel)
        self._leave_budgets()
        self.orphans.clear()

    def failed(self) -> None:
        """Count what failed."""
        self.failures += 1

    def read(self, channel: Channel) -> "tuple[Counted, Counted]":
        """Return what the kernel counted for a channel, up and down."""
        return self._read(counters.up(channel.place)), self._read(counters.down(channel.place))

    # What the core tells.

    def allocated(self, relay: Relay) -> None:
        owner = relay.allocation
        try:
            if owner is not None:
                self._end_orphans(owner)
        except (OSError, MemoryError):
            self.failed()

    def bound(self, channel: Channel) -> None:
        if channel.place != NONE and channel.written_until == channel.carries_until:
            return  # its permission was refreshed in the same second, with that of another channel
        owner = channel.relay.allocation
        if owner is None or owner.via not in self._listeners:
            return  # what comes by a stream stays in Python
        try:
            if channel.carries_until > self._clock() and self._give_place(channel):
                self._write(channel)
                channel.written_until = channel.carries_until
                return
        except (OSError, MemoryError):
            self.failed()
        self._withdraw(channel)

    def unbound(self, channel: Channel) -> None:
        self._withdraw(channel)

    def freed(self, relay: Relay) -> None:
        if relay.allocation is not None:
            self._close_port(relay.address)

    # Doing it.

    def _end_orphans(self, owner: Allocation) -> None:
        """End what is left in the kernel of an earlier allocation of a client."""
        listener = self._listeners.get(owner.via)
        if listener is not None:
            self.orphans.end_client(listener, owner.client, self._state.peers)

    def _give_place(self, channel: Channel) -> bool:
        """See to it that a channel has a place; False where there's none left."""
        if channel.place != NONE:
            return True
        place = self._places.take()
        if place == NONE:
            return False
        try:
            self.maps.counters.set(index(counters.up(place)), _ZEROS)
            self.maps.counters.set(index(counters.down(place)), _ZEROS)
            self._ports.open(port_of(channel.relay.address))
        except (OSError, MemoryError):
            self._places.give(place)
            raise
        channel.place = place
        self.channels += 1
        return True

    def _write(self, channel: Channel) -> None:
        relay, until, place = channel.relay, channel.carries_until, channel.place
        owner, rates = relay.allocation, self._state.rates
        assert owner is not None
        self._end_orphans(owner)  # if that failed before
        up_key, down_key = self._keys(channel)
        up = budgets.in_flow(rates.budgets, rates.up(owner))
        down = budgets.in_flow(rates.budgets, rates.down(owner))
        to_peer = Flow(relay.address, channel.wire, 0, until, counters.up(place), up)
        listener, inside = self._listeners[owner.via], ip_of(channel.wire) in self._relay_ips
        to_client = Flow(listener, owner.client, channel.number, until, counters.down(place), down, inside)
        for key, flow in ((up_key, to_peer), (down_key, to_client)):
            self.maps.flows.set(key, flow.pack())
            self.removals.forget(key)

    def _withdraw(self, channel: Channel) -> None:
        """Let Python carry a channel; its place is lost until the next start where there's no memory for its keys."""
        owner = channel.relay.allocation
        if channel.place == NONE or owner is None:
            return
        try:
            self.removals.delete(self._keys(channel), channel.place)
            owner.add_carried(*self.read(channel))
        except (OSError, MemoryError):
            self.failed()
        finally:  # the record is somebody else's next
            channel.place = NONE
            channel.written_until = 0
            self.channels -= 1

    def _keys(self, channel: Channel) -> "tuple[bytes, bytes]":
        """Return the keys of a channel's flows: from its client, from its peer."""
        relay = channel.relay
        owner = relay.allocation
        assert owner is not None
        up = flows.key(self._listeners[owner.via], owner.client, channel.number)
        return up, flows.key(relay.address, channel.wire, 0)

    def _read(self, counter: int) -> "Counted":
        value = self.maps.counters.get(index(counter))
        assert value is not None  # an array has all of its entries
        packets, size, last = flows.read_counter(value)
        return packets, size, last // SECOND

    def _leave_budgets(self) -> None:
        rates = self._state.rates
        rates.budgets = budgets.unshared(rates.budgets, self._cells)

    def _close_port(self, address: bytes) -> None:
        """Clear the bit of a port that a relayed address no longer has, unless it's another's too."""
        try:
            used = list(self._listeners.values()) + self.orphans.relayed()
            used += [relay.address for relay in self._state.pool.relays if relay.allocation is not None]
            if not any(other[:2] == address[:2] and other != address for other in used):
                self._ports.close(port_of(address))
        except (OSError, MemoryError):
            self.failed()
