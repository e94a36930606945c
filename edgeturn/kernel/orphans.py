"""Orphans: channels that a relay before this one left in the kernel; they go on until they expire.

Rule 1: an orphan is a pair of flows that point at each other; anything else that is found is deleted.
Rule 2: nobody else gets its relayed address: a socket is bound to it, which also keeps ICMP errors from its peers.
Rule 3: it ends early where its client comes back, where its listener or relayed address is gone, and where its peer
        is denied: by the policy, or because it was a relayed address whose time is over.
"""

from edgeturn.kernel import flows
from edgeturn.kernel.bpf import Map
from edgeturn.kernel.counters import Places
from edgeturn.kernel.flows import Flow
from edgeturn.protocol.address import ip_of
from edgeturn.protocol.peers import Peers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Held(Protocol):
        """A socket that holds an address."""

        def close(self) -> None: ...


class Orphan:
    """A channel that nobody manages."""

    __slots__ = ("client", "expires", "listener", "number", "peer", "place", "relayed")

    def __init__(self, relayed: bytes, peer: bytes, flow: Flow) -> None:
        """Take the relayed address, the peer and the flow between them."""
        self.relayed = relayed
        self.peer = peer
        self.listener = flow.source
        self.client = flow.destination
        self.number = flow.channel
        self.expires = flow.expires
        self.place = (flow.counter + 1) // 2


class Orphans:
    """The orphans of a relay, by client."""

    def __init__(
        self, table: Map, taken: Places, hold: "Callable[[bytes], Held]", released: "Callable[[bytes], None]"
    ) -> None:
        """Take the flows, the places, what binds a socket to port||ip, and whom to tell of one that is free again."""
        self.due = 0  # when the first of them expires
        self.count = 0
        self._table = table
        self._places = taken
        self._hold = hold
        self._released = released
        self._clients: dict[tuple[bytes, bytes], list[Orphan]] = {}
        self._held: dict[bytes, Held] = {}

    def adopt(self, listeners: "list[bytes]", relay_ips: "list[bytes]", now: int) -> None:
        """Take over the flows that are in the map, and delete those that are of no use."""
        found = self._table.keys()
        for key in found:
            value = self._table.get(key)
            if value is not None and not self._adopt(key, flows.read_flow(value), listeners, relay_ips, now):
                self._table.delete(key)
        self._find_due()

    def relayed(self) -> "list[bytes]":
        """Return the relayed addresses that they have."""
        return list(self._held)

    def latest(self) -> int:
        """Return when the last of them expires."""
        return max([each.expires for each in self._all()] or [0])

    def expire(self, now: int, peers: Peers) -> None:
        """End those whose time is over."""
        if not self.due or now < self.due:
            return
        for each in self._all():
            if each.expires <= now:
                self._end(each)
        self.reconsider(peers)
        self._find_due()

    def end_client(self, listener: bytes, client: bytes, peers: Peers) -> None:
        """End those of a client that has come back, before its new flows could mix with them."""
        found = self._clients.get((listener, client))
        if found is not None:
            for each in list(found):
                self._end(each)
            self.reconsider(peers)

    def reconsider(self, peers: Peers) -> None:
        """End those whose peer is denied, and then those that had one of their relayed addresses as a peer."""
        before = -1
        while before != self.count:
            before = self.count
            live = dict.fromkeys(self._held, 0)
            for each in self._all():
                if peers.denies_transport(each.peer, live):
                    self._end(each)

    def clear(self) -> None:
        """End all."""
        for each in self._all():
            self._end(each)

    def _adopt(self, key: bytes, flow: Flow, listeners: "list[bytes]", relay_ips: "list[bytes]", now: int) -> bool:
        """Say whether a flow stays; the one from the peer decides for both."""
        twin = flows.key(flow.source, flow.destination, flow.channel)
        if not self._points_back(twin, key, flow):
            return False
        if not flow.channel:
            return True
        relayed, peer, _ = flows.read_key(key)
        known = flow.source in listeners and ip_of(relayed) in relay_ips
        orphan = Orphan(relayed, peer, flow)
        if known and flow.expires > now and flow.counter & 1 and self._places.claim(orphan.place):
            if self._keep(orphan):
                return True
            self._places.give(orphan.place)
        self._table.delete(twin)
        return False

    def _points_back(self, twin: bytes, key: bytes, flow: Flow) -> bool:
        """Say whether the other half of a pair is there."""
        value = self._table.get(twin)
        if value is None:
            return False
        other = flows.read_flow(value)
        back = flows.key(other.source, other.destination, other.channel)
        return back == key and other.counter == flow.counter ^ 1 and other.channel != flow.channel

    def _keep(self, orphan: Orphan) -> bool:
        """Hold an orphan's address and list it; False where somebody else has the address."""
        try:
            if orphan.relayed not in self._held:
                self._held[orphan.relayed] = self._hold(orphan.relayed)
        except OSError:
            return False
        self._clients.setdefault((orphan.listener, orphan.client), []).append(orphan)
        self.count += 1
        return True

    def _end(self, orphan: Orphan) -> None:
        self._table.delete(flows.key(orphan.listener, orphan.client, orphan.number))
        self._table.delete(flows.key(orphan.relayed, orphan.peer, 0))
        self._places.give(orphan.place)
        others = self._clients[orphan.listener, orphan.client]
        others.remove(orphan)
        self.count -= 1
        if not others:
            del self._clients[orphan.listener, orphan.client]
        if not any(other.relayed == orphan.relayed for other in others):
            self._held.pop(orphan.relayed).close()
            self._released(orphan.relayed)

    def _all(self) -> "list[Orphan]":
        return [each for listed in self._clients.values() for each in listed]

    def _find_due(self) -> None:
        self.due = min([each.expires for each in self._all()] or [0])


def clear(table: Map) -> None:
    """Delete all flows."""
    found = table.keys()
    for key in found:
        table.delete(key)
