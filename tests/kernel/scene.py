"""The flows that the fuzzer sends packets to, and the routes that they lead over, for every pair of families.

                      ┌─ near: neighbours of a way of 1500 bytes      nowhere: no route
    in ──► program ───┼─ far: behind a gateway, on a way of 1280      refused: a route that says no
    deaf (forwarding  ├─ tight: behind a gateway, with a smaller      silent: a neighbour whose address nobody knows
          is off)     │         MTU for the route alone               own: our addresses, which clients are reached by
                      └─ outside: a device that XDP can't send to     everybody: a broadcast address (IPv4)

Rule 1: a client and a peer are the same thing here: a place, an address in it, and a port of its own.
Rule 2: nothing here depends on the moment, but for one rate that begins anew every second.
"""

import itertools
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.kernel.model import Budget, End, Entry, Flow, Key, Way, World

LISTENING_PORT, FIRST_RELAYED_PORT, FIRST_PORT = 3478, 49152, 20000
IDLE_PORTS = (3479, 65535)  # in the bitmap, but of no flow
FOREVER = 100000  # seconds
OWN = {4: "192.0.2.1", 6: "2001:db8::1"}
IN, DEAF = Entry(0, bytes.fromhex("020000000101")), Entry(0, bytes.fromhex("020000000102"), False)
PLENTY, LITTLE = 1 << 40, 30000
PLENTIFUL, SCARCE, OVERDRAWN, FLEETING, RENEWED = 1, 2, 3, 4, 5
UNKNOWN = bytes(6)


@dataclass(frozen=True)
class Device:
    """A device, by name, MTU and link address."""

    name: str
    mtu: int
    link: str
    xdp: bool = True


WIDE = Device("wide", 1500, "02:00:00:00:02:01")
NARROW = Device("narrow", 1280, "02:00:00:00:02:02")
ASIDE = Device("aside", 1500, "02:00:00:00:02:03", False)
DEVICES = (
    Device("in", 1500, "02:00:00:00:01:01", False),
    Device("deaf", 1500, "02:00:00:00:01:02", False),
    WIDE,
    NARROW,
    ASIDE,
)


@dataclass(frozen=True)
class Place:
    """Where some addresses are: at a device's link or behind a gateway there; without a device, why not."""

    number: int
    device: Device | None = None
    gateway: bool = False
    known: bool = True  # the link address
    mtu: tuple[int, int] = (0, 0)  # of the route, for each family
    refused: bool = False

    def prefix(self, family: int) -> str:
        return f"198.18.{self.number}." if family == 4 else f"2001:db8:0:{self.number}::"

    def address(self, family: int) -> str:
        return self.prefix(family) + "77"

    def link(self, family: int) -> str:
        return f"02:00:00:0{family}:{self.number:02x}:77"

    def way(self, family: int) -> Way:
        """Return what the model has to know."""
        if self.device is None:
            return Way("route")
        mtu = self.mtu[family // 6] or self.device.mtu
        link = bytes.fromhex((self.link(family) + self.device.link).replace(":", ""))
        return Way("", mtu, link if self.known else b"", self.device.xdp)

    def commands(self, family: int) -> Iterator[str]:
        """Yield the arguments of `ip` that make it so."""
        net = self.prefix(family) + ("0/24" if family == 4 else "/64")
        if self.refused:
            yield f"route add blackhole {net}"
        if self.device is None:
            return
        here, there = self.prefix(family) + "1", self.address(family)
        if self.gateway:
            inner = f"198.19.{self.number}." if family == 4 else f"2001:db8:1:{self.number}::"
            here, there = inner + "1", inner + "77"
        yield f"address add {here}/" + ("24 broadcast +" if family == 4 else "64 nodad") + f" dev {self.device.name}"
        if self.known:
            yield f"neighbour add {there} lladdr {self.link(family)} dev {self.device.name} nud permanent"
        if self.gateway:
            mtu = self.mtu[family // 6]
            yield f"route add {net} via {there} dev {self.device.name}" + (f" mtu lock {mtu}" if mtu else "")


NEAR, FAR, TIGHT = Place(1, WIDE), Place(2, NARROW, True), Place(3, WIDE, True, mtu=(1000, 1300))
OUTSIDE, NOWHERE, REFUSED, SILENT = Place(4, ASIDE), Place(5), Place(6, refused=True), Place(7, WIDE, known=False)
EVERYBODY = Place(8, WIDE)
PLACES = (NEAR, FAR, TIGHT, OUTSIDE, NOWHERE, REFUSED, SILENT, EVERYBODY)
FAMILIES = tuple(itertools.product((4, 6), repeat=2))

# Client's and peer's place, seconds that are left, rates upwards and downwards.
SESSIONS = (
    (NEAR, NEAR, FOREVER, (), ()),
    (NEAR, FAR, FOREVER, (PLENTIFUL,), (RENEWED,)),
    (FAR, NEAR, FOREVER, (PLENTIFUL, RENEWED), ()),
    (NEAR, TIGHT, FOREVER, (), ()),
    (TIGHT, FAR, FOREVER, (), ()),
    (NEAR, OUTSIDE, FOREVER, (), ()),
    (NEAR, NOWHERE, FOREVER, (), ()),
    (REFUSED, NEAR, FOREVER, (), ()),
    (SILENT, SILENT, FOREVER, (), ()),
    (NEAR, NEAR, -1, (), ()),
    (NEAR, FAR, -100, (SCARCE,), ()),
    (NEAR, NEAR, FOREVER, (SCARCE,), (PLENTIFUL, SCARCE)),
    (FAR, FAR, FOREVER, (PLENTIFUL, PLENTIFUL, FLEETING), (FLEETING, SCARCE)),
    (FAR, NEAR, FOREVER, (PLENTIFUL, OVERDRAWN), ()),
)


@dataclass
class Route:
    """A flow as the generator needs it: its key, and where its packets come in."""

    key: Key
    flow: Flow
    entry: Entry = IN


@dataclass
class Scene:
    """All flows, and the world that they are in."""

    world: World
    routes: list[Route] = field(default_factory=list)
    _sessions: int = 0

    def end(self, place: Place, family: int) -> End:
        """Return an address in a place, with a port of its own."""
        ip = pack_ip(place.address(family))
        self.world.ways[ip] = place.way(family)
        return ip, FIRST_PORT + 2 * self._sessions + (place is not NEAR)

    def own(self, family: int, port: int) -> End:
        self.world.ports.add(port)
        return pack_ip(OWN[family]), port

    def relayed(self, family: int) -> End:
        """Return the relayed address of the session that comes next, as there is one."""
        return self.own(family, FIRST_RELAYED_PORT + self._sessions)

    def bind(
        self, client: End, peer: End, seconds: int = FOREVER,
        up: tuple[int, ...] = (), down: tuple[int, ...] = (), entry: Entry = IN,
    ) -> None:  # fmt: skip
        """Add both flows of a bound channel."""
        listener = self.own(family_of(client), LISTENING_PORT)
        relayed = self.relayed(family_of(peer))
        channel = (0x4000, 0x4FFF, 0x5000, 0x7FFF)[self._sessions % 4]
        self._sessions += 1
        expires = self.world.now + seconds
        self._add((listener, client, channel), Flow(relayed, peer, 0, expires, 2 * self._sessions, up), entry)
        down_flow = Flow(listener, client, channel, expires, 2 * self._sessions + 1, down)
        self._add((relayed, peer, 0), down_flow, entry)

    def _add(self, key: Key, flow: Flow, entry: Entry) -> None:
        flow.budgets = (*flow.budgets, 0, 0, 0)[:3]
        flow.forwarding = entry.forwarding
        flow.inside = not key[2] and key[1][0] in [pack_ip(ip) for ip in OWN.values()]
        self.world.flows[key] = flow
        self.routes.append(Route(key, flow, entry))

    def join(
        self, client: End, other: End, family: int,
        seconds: int = FOREVER, up: tuple[int, ...] = (), down: tuple[int, ...] = (),
    ) -> None:  # fmt: skip
        """Bind two clients to each other's relayed address; rates for what the first sends and the second gets."""
        one, port = self.relayed(family)
        self.bind(client, (one, port + 1), up=up)
        self.bind(other, (one, port), seconds, down=down)


def family_of(end: End) -> int:
    return 4 if len(end[0]) == 4 else 6


def pack_ip(text: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def scene(now: int) -> Scene:
    """Return the scene at a time, in seconds."""
    made = Scene(World(now))
    world = made.world
    world.ports.update(IDLE_PORTS)
    world.ways.update({pack_ip(ip): Way("local") for ip in OWN.values()})
    world.ways[pack_ip(EVERYBODY.prefix(4) + "255")] = Way("local")  # none that is unicast
    reset_budgets(world)
    for ours, theirs in FAMILIES:
        for client, peer, seconds, up, down in SESSIONS:
            made.bind(made.end(client, ours), made.end(peer, theirs), seconds, up, down)
        made.bind(made.end(NEAR, ours), made.end(FAR, theirs), entry=DEAF)
        join_clients(made, ours, theirs)
    made.bind(made.end(NEAR, 6), (pack_ip(EVERYBODY.prefix(4) + "255"), 9))
    return made


def join_clients(made: Scene, one: int, other: int) -> None:
    """Let clients of these families be each other's peers, over a relayed address of either."""
    for between in (4, 6):
        made.join(made.end(NEAR, one), made.end(FAR, other), between)
        made.join(made.end(TIGHT, one), made.end(NEAR, other), between, down=(SCARCE, PLENTIFUL))
        made.join(made.end(NEAR, one), made.end(TIGHT, other), between, up=(PLENTIFUL, SCARCE), down=(PLENTIFUL,))
        made.join(made.end(NEAR, one), made.end(NEAR, other), between, -5)
        made.join(made.end(NEAR, one), made.end(SILENT, other), between)
        made.join(made.end(NEAR, one), made.end(NOWHERE, other), between)
        # A client that is itself behind one of our addresses, and a peer of ours that nobody has.
        made.join(made.end(NEAR, one), (pack_ip(OWN[other]), 7), between)
        made.bind(made.end(NEAR, one), (pack_ip(OWN[other]), 8))


def reset_budgets(world: World) -> None:
    """Fill what is used up."""
    world.budgets[PLENTIFUL] = Budget(PLENTY, PLENTY)
    world.budgets[SCARCE] = Budget(LITTLE, LITTLE)
    world.budgets[OVERDRAWN] = Budget(LITTLE, -1)  # two CPUs took the last of it
    world.budgets[FLEETING] = Budget(3, 3, True)
    world.budgets[RENEWED] = Budget(PLENTY, PLENTY)


def build() -> None:
    """Build devices and routes in this process's network namespace."""
    ip("link set lo up")
    for device in DEVICES:
        ip(f"link add {device.name} address {device.link} mtu {device.mtu} type veth peer name {device.name}-far")
        ip(f"link set {device.name} up")
        ip(f"link set {device.name}-far up")
    for family in (4, 6):
        ip(f"address add {OWN[family]}/{32 if family == 4 else 128} dev lo")
        for place in PLACES:
            for command in place.commands(family):
                ip(command)


def ip(arguments: str) -> None:
    subprocess.run(["ip", *arguments.split()], check=True, timeout=20)
