"""Orphans: channels that a relay before this one left in the kernel; they go on until they expire.

Rule 1: an orphan is a pair of flows that point at each other; anything else that is found is deleted.
Rule 2: nobody else gets its relayed address: a socket is bound to it, which also keeps ICMP errors from its peers.
Rule 3: it ends early where its client comes back, where its listener or relayed address is gone, and where its peer
        is denied: by the policy, or because it was a relayed address whose time is over.
Rule 4: there may be thousands: by client, by second and by relayed peer they are found without looking at the others.
"""

from edgeturn.kernel import flows
from edgeturn.kernel.bpf import Map
from edgeturn.kernel.counters import NONE, Places
from edgeturn.kernel.flows import Flow
from edgeturn.kernel.removals import Removals
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
    """A channel that nobody manages; it has ended where its place is NONE."""

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

    def keys(self) -> "tuple[bytes, bytes]":
        """Return the keys of its flows: from its client, from its peer."""
        return flows.key(self.listener, self.client, self.number), flows.key(self.relayed, self.peer, 0)


class _Address:
    """A relayed address that is held for some orphans."""

    __slots__ = ("count", "sock")

    def __init__(self, sock: "Held") -> None:
        self.count = 0
        self.sock = sock


class Orphans:
    """The orphans of a relay."""

    def __init__(
        self,
        table: Map,
        taken: Places,
        removals: Removals,
        hold: "Callable[[bytes], Held]",
        released: "Callable[[bytes], None]",
    ) -> None:
        """Take flows, places, who deletes flows, what binds a socket to port||ip, and whom to tell when one is free."""
        self.due = 0  # when the first of them expires, or did before it was ended
        self.count = 0
        self._table = table
        self._places = taken
        self._removals = removals
        self._hold = hold
        self._released = released
        self._clients: dict[tuple[bytes, bytes], list[Orphan]] = {}
        self._ends: dict[int, list[Orphan]] = {}  # by second; those that ended before are still there
        self._aimed: dict[bytes, list[Orphan]] = {}  # by relayed address, where that is the peer
        self._held: dict[bytes, _Address] = {}
        self._freed: list[bytes] = []  # relayed addresses, while some are ended
        removals.gone = self._let_go

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
        self._end([], peers)
        while self.due and self.due <= now:
            self._end(list(self._ends[self.due]), peers)
            del self._ends[self.due]
            self._find_due()

    def end_client(self, listener: bytes, client: bytes, peers: Peers) -> None:
        """End those of a client that has come back, before its new flows could mix with them."""
        found = self._clients.get((listener, client))
        if found is not None:
            self._end(list(found), peers)

    def follow(self, listeners: "set[bytes]", relay_ips: "list[bytes]", peers: Peers) -> None:
        """End those whose listener is closed or whose relayed address is gone."""
        gone = [each for each in self._all() if each.listener not in listeners or ip_of(each.relayed) not in relay_ips]
        self._end(gone, peers)

    def reconsider(self, peers: Peers) -> None:
        """End those whose peer is denied, and then those that had one of their relayed addresses as a peer."""
        live = dict.fromkeys(self._held, 0)
        self._end([each for each in self._all() if peers.denies_transport(each.peer, live)], peers)

    def clear(self) -> None:
        """End all."""
        for each in self._all():
            self._end_one(each)
        self._freed.clear()
        self._ends.clear()
        self._aimed.clear()
        self.due = 0

    def _adopt(self, key: bytes, flow: Flow, listeners: "list[bytes]", relay_ips: "list[bytes]", now: int) -> bool:
        """Say whether a flow stays; the one from the peer decides for both."""
        twin = flows.key(flow.source, flow.destination, flow.channel)
        if not self._points_back(twin, key, flow):
            return False
        if not flow.channel:
            return True
        relayed, peer, _ = flows.read_key(key)
        known = flow.source in listeners and ip_of(relayed) in relay_ips
        inside = ip_of(peer) in relay_ips
        orphan = Orphan(relayed, peer, flow)
        fits = known and flow.inside == inside and flow.expires > now and flow.counter & 1
        if fits and self._places.claim(orphan.place):
            if self._keep(orphan, inside):
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

    def _keep(self, orphan: Orphan, inside: bool) -> bool:
        """Hold an orphan's address and list it; False where somebody else has the address."""
        relayed = orphan.relayed
        try:
            if relayed not in self._held:
                self._held[relayed] = _Address(self._hold(relayed))
        except OSError:
            return False
        self._held[relayed].count += 1
        self._clients.setdefault((orphan.listener, orphan.client), []).append(orphan)
        self._ends.setdefault(orphan.expires, []).append(orphan)
        if inside:
            self._aimed.setdefault(orphan.peer, []).append(orphan)
        self.count += 1
        return True

    def _end(self, ending: "list[Orphan]", peers: Peers) -> None:
        """End some, and those whose peer was a relayed address that nobody has then."""
        while ending or self._freed:
            if ending:
                self._end_one(ending.pop())
                continue
            aimed = self._aimed.get(self._freed[-1], [])
            ending += [each for each in aimed if peers.denies_transport(each.peer, {})]
            self._aimed.pop(self._freed.pop(), None)

    def _end_one(self, orphan: Orphan) -> None:
        """End one, if it hasn't ended."""
        if orphan.place == NONE:
            return
        keys = orphan.keys()
        place, orphan.place = orphan.place, NONE
        self.count -= 1
        others = self._clients[orphan.listener, orphan.client]
        others.remove(orphan)
        if not others:
            del self._clients[orphan.listener, orphan.client]
        self._removals.delete(keys, place, orphan.relayed)

    def _let_go(self, relayed: bytes) -> None:
        """Free a relayed address that no flow needs any longer."""
        held = self._held[relayed]
        held.count -= 1
        if not held.count:
            del self._held[relayed]
            held.sock.close()
            self._freed.append(relayed)
            self._released(relayed)

    def _all(self) -> "list[Orphan]":
        return [each for listed in self._clients.values() for each in listed]

    def _find_due(self) -> None:
        self.due = min(list(self._ends) or [0])
