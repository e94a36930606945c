"""What stands in front of the relay addresses, found out: by a STUN server, and by the gateway that maps ports.

Rule 1: a front is judged once everybody who is asked has answered or was silent for long enough; then again whenever
        an answer is another one.
Rule 2: where the gateway maps ports, a relay is offered while its port is mapped, and known by that mapping.
Rule 3: an address or a port that changes ends the allocations that were told the old one.
Rule 4: the ports of one relay address are mapped, of the first that needs it; others are known by STUN.
"""

from edgeturn import seam
from edgeturn.protocol import address
from edgeturn.protocol.address import ip_of, join, port_of
from edgeturn.protocol.listener import DTLS, TLS
from edgeturn.protocol.listener import TCP as TCP_LISTENER
from edgeturn.protocol.listener import UDP as UDP_LISTENER
from edgeturn.protocol.mapping.gateway import TCP, UDP
from edgeturn.protocol.mapping.judgement import Evidence, Judgement, is_loopback, judge
from edgeturn.relay import network
from edgeturn.relay.nat.mapping import LEAVING, NONE, OFF, WORKING, Mapping, Mappings
from edgeturn.relay.nat.reflection import Reflection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.relay.configuration import Configuration
    from edgeturn.relay.daemon import Daemon

_CHANGED = "external-address-changed"  # why allocations end, in the log
_LOOK = 5  # seconds between two looks at the default route
_LEAVE = 3  # seconds for withdrawing
_WAIT = 50  # milliseconds
_PROTOCOLS = {UDP_LISTENER: UDP, DTLS: UDP, TCP_LISTENER: TCP, TLS: TCP}


class _Front:
    """What is known of one relay address."""

    def __init__(self, own: bytes, reflection: Reflection) -> None:
        self.known = Evidence(own)
        self.reflection = reflection
        self.judgement: Judgement | None = None
        self.is_mapped = False


class Nat:
    """The fronts of all relay addresses."""

    def __init__(self, daemon: "Daemon", found: "dict[bytes, bytes]") -> None:
        """Take the daemon, and where to write the announced address of each relay address."""
        self._daemon = daemon
        self._found = found
        self._fronts: dict[bytes, _Front] = {}
        self._mappings = Mappings(daemon.loop.poller, "off", b"")
        self._mapped = b""  # the relay address whose ports are mapped
        count = len(daemon.relays.sockets)
        self._bound: list[tuple[bytes, bool]] = [(b"", False)] * count
        self._indices: dict[bytes, int] = {}  # of relays, by the port||ip that they are bound to
        self._listeners: set[tuple[int, bytes]] = set()
        self._tcp: set[bytes] = set()  # relayed addresses of TCP (RFC 6062), by the port||ip that they are bound to
        self._options: object = None
        self._looked_at = 0
        for relay in daemon.turn.pool.relays:
            if daemon.relays.sockets[relay.index] is not None:  # the configuration asks for this since a moment ago
                self._bound[relay.index] = relay.address, relay.paired
                self._indices[relay.address] = relay.index

    def use(self, settings: "Configuration") -> None:
        """Follow a configuration; where what it asks is another thing, everything is found out anew."""
        options = [settings.values[name] for name in ("stun_server", "port_mapping", "gateway")]
        self._settings = settings
        if options == self._options:
            return
        self._options = options
        self.close()
        self._mappings = Mappings(self._daemon.loop.poller, settings.text("port_mapping"), _secret(settings))
        self._mappings.changed = self._gateway_changed
        self._mappings.mapped = self._port_mapped
        self._look(seam.clock())
        for bound, index in list(self._indices.items()):
            self._want(UDP, bound)
            self._offer(index)

    def close(self) -> None:
        """Ask nobody any longer."""
        for front in self._fronts.values():
            front.reflection.close()
        self._fronts.clear()
        self._listeners.clear()
        self._tcp.clear()
        self._mapped = b""
        self._mappings.leave()

    def finds(self, ip: bytes) -> bool:
        """Say whether it's for us to find how the world knows a relay address: nothing is written of it."""
        pairs = self._settings.items("external_address")
        return not any(_names(pair, ip) for pair in pairs)

    def place(self, bound: bytes) -> bytes:
        """Return the port||ip by which the world knows a relay that is bound to one, b"" where that isn't known yet."""
        front = self._front(ip_of(bound))
        if front.judgement is None:
            return b""
        if front.is_mapped:
            granted = self._mappings.granted(UDP, bound)
            return granted[:2] + front.judgement.announced if granted else b""
        return join(front.judgement.announced, port_of(bound))

    def opened(self, index: int, bound: bytes, paired: bool) -> bool:
        """Note where a relay is bound now; say whether it's withheld."""
        former = self._bound[index][0]
        self._bound[index] = bound, paired
        if former and self._indices.get(former) == index:
            del self._indices[former]
            self._mappings.drop(UDP, former)
        self._indices[bound] = index
        if not self.finds(ip_of(bound)):
            return False
        self._front(ip_of(bound))
        self._want(UDP, bound)
        if self.place(bound):
            self._daemon.relays.withheld.discard(index)
            return False
        self._withhold(index)
        return True

    def tick(self, now: int) -> None:
        """Do what is due by time."""
        if now >= self._looked_at + _LOOK or sorted(self._fronts) != sorted(self._wanted()):
            self._look(now)
        self._follow_listeners()
        self._follow_tcp()
        for front in list(self._fronts.values()):
            front.reflection.tick(now)
            if front.judgement is None:
                self._judge(front)
        self._mappings.tick(now)

    def wanted_in(self) -> int:
        """Return in how many seconds the next tick is due at the latest."""
        return min([self._mappings.wanted_in()] + [each.reflection.wanted_in() for each in self._fronts.values()])

    def withdraw(self) -> None:
        """Give all mappings back, serving meanwhile."""
        end = seam.clock() + _LEAVE
        self._mappings.withdraw()
        while self._mappings.is_leaving() and seam.clock() < end:
            for handler, events in self._daemon.loop.poller.wait(_WAIT):
                handler(events)
            self._mappings.tick(seam.clock())
        self._mappings.leave()

    def describe(self, ip: bytes) -> "dict[str, object]":
        """Return what is known of a relay address."""
        front = self._front(ip)
        judged = front.judgement
        granted, wanted = self._mappings.count() if ip == self._mapped else (0, 0)
        return {
            "relay_address": address.format_ip(ip),
            "address": address.format_ip(judged.announced) if judged else "",
            "by": judged.by if judged else "",
            "nat": judged.nat if judged else "finding out",
            "problems": judged.problems if judged else [],
            "gateway": address.format_ip(front.known.gateway) if front.known.gateway else "",
            "mapped_ports": granted,
            "ports": wanted,
        }

    # Following the machine.

    def _wanted(self) -> "list[bytes]":
        return [ip for ip in self._daemon.relaying() if self.finds(ip)]

    def _look(self, now: int) -> None:
        """Follow the relay addresses and the default route."""
        self._looked_at = now
        wanted = self._wanted()
        for ip in list(self._fronts):
            if ip not in wanted:
                self._fronts.pop(ip).reflection.close()
                self._found.pop(ip, None)
        for ip in wanted:
            self._front(ip)
        behind = [ip for ip in wanted if self._fronts[ip].known.needs_gateway()]
        mapped = behind[0] if behind and self._settings.text("port_mapping") != "off" else b""
        self._map_at(mapped, self._find_gateway(mapped) if mapped else b"")
        for ip in wanted:
            if self._fronts[ip].judgement is None:
                self._judge(self._fronts[ip])

    def _find_gateway(self, own: bytes) -> bytes:
        written = self._settings.values["gateway"]
        if isinstance(written, bytes):
            return written
        try:
            return network.gateway(own)
        except OSError:
            return self._mappings.gateway

    def _map_at(self, own: bytes, gateway: bytes) -> None:
        """Map the ports of a relay address at a gateway, none where one of them isn't there."""
        if own and not gateway and own == self._mapped:
            return  # the default route is away; who comes back is known then
        if (own, gateway) == (self._mapped, self._mappings.gateway):
            return
        self._mapped = own if gateway else b""
        self._listeners.clear()
        if not self._mapped:
            self._mappings.stop()
            self._gateway_changed()
            return
        for bound in self._indices:
            self._want(UDP, bound)
        self._follow_listeners()
        for front in self._fronts.values():
            front.reflection.again()
        self._fronts[own].known.gateway = gateway
        self._fronts[own].known.outside = b""
        self._mappings.start(own, gateway)

    def _follow_listeners(self) -> None:
        """Have the ports mapped that clients come to."""
        listening = self._daemon.turn.listeners.values()
        wanted = {(_PROTOCOLS[each.transport], each.place) for each in listening if each.transport in _PROTOCOLS}
        wanted = {each for each in wanted if self._mapped and ip_of(each[1]) == self._mapped}
        if wanted == self._listeners:
            return
        for protocol, place in self._listeners:
            if (protocol, place) not in wanted:
                self._mappings.drop(protocol, place)
        for protocol, place in wanted:
            self._mappings.want(protocol, place)
        self._listeners = wanted

    def _follow_tcp(self) -> None:
        """Have the ports of TCP allocations mapped for TCP too; until then no peer can connect to them."""
        if not self._settings.values["tcp_relay"]:
            return
        live = [each for each in self._daemon.turn.pool.relays if each.tcp and each.expires]
        wanted = {each.address: each.announced for each in live if ip_of(each.address) == self._mapped}
        for place in self._tcp - set(wanted):
            self._mappings.drop(TCP, place)
        for place in set(wanted) - self._tcp:
            self._mappings.want(TCP, place, port_of(wanted[place]))
        self._tcp = set(wanted)

    def _want(self, protocol: int, place: bytes) -> None:
        if self._mapped and ip_of(place) == self._mapped:
            self._mappings.want(protocol, place)

    def _front(self, ip: bytes) -> _Front:
        front = self._fronts.get(ip)
        if front is None:
            servers: list[tuple[str, bytes]] = [] if is_loopback(ip) else self._settings.items("stun_server")  # type: ignore[assignment]
            reflection = Reflection(self._daemon.loop.poller, ip, servers)
            front = self._fronts[ip] = _Front(ip, reflection)
            reflection.changed = lambda: self._judge(front)
            self._looked_at = 0
        return front

    # Judging.

    def _gateway_changed(self) -> None:
        for front in list(self._fronts.values()):
            self._judge(front)

    def _judge(self, front: _Front) -> None:
        """Judge a front anew, if everybody has had time to answer; tell where that is anything new."""
        known, mappings = front.known, self._mappings
        granted, is_ours = mappings.count()[0], known.own == self._mapped
        speaks = is_ours and mappings.state in (WORKING, LEAVING)
        is_asking = not (granted or mappings.refused) if speaks else is_ours and mappings.state not in (NONE, OFF)
        if is_asking or not front.reflection.is_settled or (known.needs_gateway() and not self._looked_at):
            return
        is_mapped = speaks and granted > 0
        known.seen, known.ports_kept = front.reflection.seen, front.reflection.ports_kept
        known.outside = (mappings.outside or known.outside) if is_mapped else b""
        known.protocol = mappings.protocol or known.protocol
        known.refuses = speaks and not granted
        judged = judge(known)
        if is_mapped:
            judged.problems += self._mapping_problems()
        former = front.judgement
        if judged.is_like(former) and is_mapped == front.is_mapped:
            return
        front.judgement, front.is_mapped = judged, is_mapped
        self._say(front, former)
        self._announce(front, former)

    def _mapping_problems(self) -> "list[str]":
        problems = []
        gateway = address.format_ip(self._mappings.gateway)
        if not self._mappings.outside:
            problems.append(f"The router {gateway} has no external address now; it's asked again.")
        if self._mappings.refused:
            granted, wanted = self._mappings.count()
            problems.append(
                f"The router {gateway} maps {granted} of {wanted} ports; a relay without one isn't offered."
                " Set max_allocations lower, or allow more mappings on the router."
            )
        for protocol, place in sorted(self._listeners):
            granted_place = self._mappings.granted(protocol, place)
            if granted_place and granted_place[:2] != place[:2]:
                problems.append(
                    f"The router {gateway} gives clients port {port_of(granted_place)} instead of"
                    f" {port_of(place)}: name that one to them, or free {port_of(place)} on the router."
                )
        return problems

    def _say(self, front: _Front, former: "Judgement | None") -> None:
        """Log what was judged: the address where it's another one, each problem that is new."""
        judged, log = front.judgement, self._daemon.log
        assert judged is not None
        if former is None or (former.announced, former.nat, former.by) != (judged.announced, judged.nat, judged.by):
            words = f"address={address.format_ip(judged.announced)} nat={judged.nat} by='{judged.by}'"
            log.write("info", f"external relay={address.format_ip(front.known.own)} {words}")
        for problem in judged.problems:
            if former is None or problem not in former.problems:
                log.write("warning", f"external problem='{problem}'")

    def _announce(self, front: _Front, former: "Judgement | None") -> None:
        """Let everything know the address by which a relay address is known now."""
        daemon, own, judged = self._daemon, front.known.own, front.judgement
        assert judged is not None
        if former is None or former.announced != judged.announced:
            if former is not None and daemon.turn.wire_ips.get(former.announced) == own:
                del daemon.turn.wire_ips[former.announced]
            self._found[own] = judged.announced
            self._tell_peers()
        for bound, index in list(self._indices.items()):
            if ip_of(bound) == own:
                self._offer(index)

    def _tell_peers(self) -> None:
        """Let the peer policy know what is announced."""
        daemon = self._daemon
        try:
            if daemon.addresses.tell(daemon.turn.peers, self._settings):
                daemon.turn.reconsider_peers()
                daemon.kernel.reconsider()
        except OSError:  # the kernel doesn't answer, or files are out: it's told at the next look
            daemon.addresses.watch.is_wanted = True

    def _port_mapped(self, mapping: Mapping) -> None:
        """Offer the relay whose port was mapped; of a listener's only a problem changes. The first one tells more."""
        front = self._fronts.get(self._mapped)
        if front is not None and not front.is_mapped and mapping.granted:
            self._judge(front)
        if (mapping.protocol, mapping.place) in self._listeners:
            if mapping.granted:
                self._gateway_changed()
        elif mapping.protocol == UDP and mapping.place in self._indices:
            self._offer(self._indices[mapping.place])

    def _offer(self, index: int) -> None:
        """Let a relay be known by the place that it has outside now, or withhold it; end what was told another one."""
        bound, paired = self._bound[index]
        relay, place = self._daemon.turn.pool.relays[index], self.place(bound)
        if relay.expires:
            if place and relay.announced != place:
                self._daemon.log_observer.reason = _CHANGED
                self._daemon.turn.release(relay)
                self._daemon.log_observer.reason = ""
        elif not relay.offered and index not in self._daemon.relays.withheld:
            pass  # it was used, and is about to be bound elsewhere
        elif not place:
            self._withhold(index)
        elif not relay.offered or relay.announced != place:
            self._daemon.relays.withheld.discard(index)
            self._daemon.turn.opened(index, bound, place, paired)
            if not self._daemon.relays.withheld:
                self._daemon.turn.pool.pair_taken = True  # pairs are made of what is offered, and nothing was before

    def _withhold(self, index: int) -> None:
        relay = self._daemon.turn.pool.relays[index]
        if relay.offered:
            self._daemon.turn.pool.withdraw(relay)
        relay.address, relay.announced = self._bound[index][0], b""
        self._daemon.relays.withheld.add(index)


def _secret(settings: "Configuration") -> bytes:
    """Return bytes that nobody else knows, the same after a restart where the configuration has any."""
    secrets = [str(each).encode() for each in settings.items("secret")]
    secrets += [user.password.encode() + b"".join(user.keys.values()) for user in settings.users]
    return settings.text("control").encode() + b"".join(secrets or [seam.random_bytes(32)])


def _names(pair: object, ip: bytes) -> bool:
    """Say whether a value of external_address is for a relay address."""
    assert isinstance(pair, tuple)
    bound, announced = pair
    return bound == ip or (not bound and len(announced) == len(ip))
