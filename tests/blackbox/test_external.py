"""
`external_address auto`, with a gateway and a STUN server that say what a test wants, all in one network namespace:

    relay 10.77.0.2      gateway 10.77.0.1, answers PCP and NAT-PMP      STUN and DNS server 11.0.0.13

Rule 1: nothing is translated here: what is tested is what the relay asks, believes, announces and says.
        That it's reachable behind real NATs is tests/lab/test_upstream_nat.py.
"""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from struct import pack, unpack
from typing import Any

import pytest

from edgeturn.protocol import stun
from edgeturn.protocol.address import parse_ip
from edgeturn.protocol.mapping import nat_pmp, pcp
from edgeturn.protocol.mapping.gateway import TCP, UDP
from edgeturn.relay import options
from tests.blackbox.client import CHANNEL, EVEN_AND_NEXT, Client, Peer, TcpClient
from tests.blackbox.relay import Address, Relay, Value, until
from tests.blackbox.tcp_relay import REQUESTED_TCP
from tests.kernel.lab.topology import Node
from tests.lab.network import PREFIX, ip, remove_leftovers
from tests.lab.programs import why_no_namespaces

GATEWAY, RELAY, SERVER, STRANGER, HERE = "10.77.0.1", "10.77.0.2", "11.0.0.13", "10.77.0.9", "10.77.0.3"
OUTSIDE, OTHER = "12.0.0.9", "13.0.0.9"
MAPPED = bytes(10) + b"\xff\xff"
PORTS = 8 + 2  # of relays; of the listener by UDP and TCP
WITHIN = 20.0  # seconds until protocols that nobody answers were tried


class Responder:
    """A UDP socket that answers each datagram by what a function returns of it."""

    def __init__(self, node: Node, place: Address) -> None:
        self.sock = node.udp(place)
        self.sock.settimeout(None)
        self.answer: Callable[[bytes, Address], bytes | None] = lambda data, source: None
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                data, source = self.sock.recvfrom(2000)
                answer = self.answer(data, source)
                if answer is not None:
                    self.sock.sendto(answer, source)
            except OSError:
                return


class Gateway:
    """Answers as told: protocols that it speaks, its external address, how many mappings, which external port."""

    def __init__(self, node: Node) -> None:
        self._responder = Responder(node, (GATEWAY, pcp.PORT))
        self._responder.answer = self._answer
        self.speaks: tuple[str, ...] = ("pcp", "nat-pmp")
        self.outside = OUTSIDE
        self.most = 1000
        self.shift = 0  # of external ports
        self.epoch, self.epoch_step = 1000, 1
        self.asked: list[bytes] = []
        self.mappings: dict[tuple[int, int], int] = {}  # protocol and internal port -> external one

    def _answer(self, data: bytes, source: Address) -> bytes | None:
        self.asked.append(data)
        self.epoch = (self.epoch + self.epoch_step) & 0xFFFFFFFF
        if data[0] == 2:
            return self._pcp(data) if "pcp" in self.speaks else self._unsupported()
        return self._nat_pmp(data) if "nat-pmp" in self.speaks else None

    def _unsupported(self) -> bytes | None:
        return b"\0\x81\0\x01" + pack("!I", self.epoch) if "nat-pmp" in self.speaks else None

    def _map(self, protocol: int, port: int, lifetime: int) -> int:
        """Return the external port, 0 where there's none left."""
        if not lifetime:
            self.mappings.pop((protocol, port), None)
        elif (protocol, port) in self.mappings or len(self.mappings) < self.most:
            self.mappings[protocol, port] = port + self.shift
        return self.mappings.get((protocol, port), 0)

    def _pcp(self, data: bytes) -> bytes:
        lifetime, protocol, port = unpack("!I28xB3xH", data[4:42])
        external = self._map(protocol, port, lifetime)
        code = 8 if lifetime and not external else 0
        head = pack("!BBBBII", 2, 0x81, 0, code, lifetime, self.epoch) + bytes(12)
        outside = parse_ip(self.outside)
        return head + data[24:40] + pack("!HH", port, external) + (MAPPED + outside)[-16:]

    def _nat_pmp(self, data: bytes) -> bytes:
        if data[1] == 0:
            return b"\0\x80\0\0" + pack("!I", self.epoch) + parse_ip(self.outside)
        port, _, lifetime = unpack("!HHI", data[4:])
        external = self._map(UDP if data[1] == 1 else TCP, port, lifetime)
        code = 4 if lifetime and not external else 0
        return pack("!BBHIHHI", 0, 128 + data[1], code, self.epoch, port, external, lifetime)


def stun_answer(data: bytes, seen: Address) -> bytes:
    """Return a STUN server's answer to a Binding request."""
    message = stun.Message(data)
    value = stun.encode_xor_address(seen[1].to_bytes(2, "big") + parse_ip(seen[0]), message.transaction)
    return stun.encode(stun.BINDING | stun.SUCCESS, message.transaction, [(stun.XOR_MAPPED_ADDRESS, value)])


class Front:
    """The namespace with all that a test needs."""

    def __init__(self, stack: ExitStack, interpreter: list[str], folder: Path) -> None:
        self._stack, self._interpreter, self._folder = stack, interpreter, folder
        self.node = Node(f"{PREFIX}-{os.getpid()}-0-front")
        ip("netns", "add", self.node.name)
        stack.callback(self.node.remove)
        self.node.ip("link", "set", "lo", "up")
        for place in (GATEWAY, RELAY, SERVER, STRANGER, HERE):
            self.node.ip("address", "add", f"{place}/32", "dev", "lo")

    def gateway(self) -> Gateway:
        return Gateway(self.node)

    def stun(self, seen: str, shift: int = 0, port: int = 3478) -> Responder:
        """Start a STUN server that sees an address, and a port beside the one that it was asked from."""
        responder = Responder(self.node, (SERVER, port))
        responder.answer = lambda data, source: stun_answer(data, (seen, source[1] + shift))
        return responder

    def start(self, **settings: Value) -> Relay:
        """Start a relay that finds out its address."""
        given: dict[str, Value] = {
            "listen": [f"{RELAY}:3478"],
            "relay_address": [RELAY],
            "external_address": ["auto"],
            "gateway": GATEWAY,
            "allow_peer": ["10.77.0.0/24", HERE],
            "user_quota": 0,
        }
        relay = Relay(self.node.command(self._interpreter), self._folder, given | settings)
        relay.port = 3478
        self.relay = self._stack.enter_context(relay)
        return self.relay

    def client(self) -> Client:
        with self.node.entered():
            made = Client((RELAY, 3478), host=HERE)
        self._stack.callback(made.close)
        return made

    def peer(self) -> Peer:
        with self.node.entered():
            made = Peer(HERE)
        self._stack.callback(made.close)
        return made

    def external(self) -> dict[str, Any]:
        """Return what status says of the relay address."""
        found: list[dict[str, Any]] = self.relay.status()["external"]
        assert [each["relay_address"] for each in found] == [RELAY]
        return found[0]

    def found(self, *words: str) -> dict[str, Any]:
        """Wait until it's known what stands in front; return that."""
        until(lambda: self.relay.log("external relay=", *words), f"what stands in front, {words}", WITHIN)
        return self.external()

    def mapped(self) -> dict[str, Any]:
        """Wait until all ports are mapped."""

        def all_mapped() -> bool:
            found = self.external()
            return bool(found["mapped_ports"] == found["ports"] == PORTS)

        until(all_mapped, "every port is mapped", WITHIN)
        return self.external()


@pytest.fixture
def front(interpreter: list[str], tmp_path: Path) -> Iterator[Front]:
    lacking = why_no_namespaces()
    if lacking:
        pytest.skip(lacking)
    remove_leftovers()
    with ExitStack() as stack:
        yield Front(stack, interpreter, tmp_path)


def test_stun_servers_are_names_or_addresses() -> None:
    take = options.server(3478)
    rows = (
        ("stun.example.org", ("stun.example.org", b"\x0d\x96")),
        ("stun.example.org:19302", ("stun.example.org", b"\x4b\x66")),
        ("192.0.2.1", ("", b"\x0d\x96\xc0\0\x02\x01")),
        ("fd00::1", ("", b"\x0d\x96\xfd" + bytes(14) + b"\x01")),
        ("[fd00::1]:3479", ("", b"\x0d\x97\xfd" + bytes(14) + b"\x01")),
    )
    for text, server in rows:
        assert take(text) == server, text
    for text in ("", "a b", "300.1.1.1", "stun.example.org:99999", "stun.example.org:", "fd00::1::2"):
        with pytest.raises(ValueError, match="must be a name or an address"):
            take(text)


def test_stun_alone_finds_a_one_to_one_nat(front: Front) -> None:
    front.stun(OUTSIDE)
    front.start(stun_server=[SERVER], port_mapping="off")
    found = front.found()
    assert (found["address"], found["nat"], found["by"], found["problems"]) == (OUTSIDE, "one-to-one", "stun", [])
    client, peer = front.client(), front.peer()
    relayed = client.allocate().relayed[0]
    assert relayed[0] == OUTSIDE and client.bind(CHANNEL, peer.address) == 0
    client.channel(CHANNEL, b"up")
    assert peer.receive() == (b"up", (RELAY, relayed[1]))


def test_nothing_is_offered_before_it_is_known_what_to_announce(front: Front) -> None:
    asked = threading.Event()
    server = front.stun(OUTSIDE)
    answer, server.answer = server.answer, lambda data, source: asked.set()
    front.start(stun_server=[SERVER], port_mapping="off")
    assert asked.wait(WITHIN)
    assert front.client().allocate().code == 508 and front.external()["nat"] == "finding out"
    server.answer = answer
    front.found()
    assert front.client().allocate().relayed[0][0] == OUTSIDE


def test_only_the_right_answer_of_who_was_asked_counts(front: Front) -> None:
    stranger = front.node.udp((STRANGER, 3478))
    server = front.stun(OUTSIDE)

    def answer(data: bytes, source: Address) -> bytes:
        stranger.sendto(stun_answer(data, (OTHER, source[1])), source)
        other = data[:8] + bytes(12) + data[20:-8]  # another transaction, and no FINGERPRINT
        for wrong in (b"", data, stun_answer(other[:2] + bytes(2) + other[4:20], (OTHER, source[1]))):
            server.sock.sendto(wrong, source)
        return stun_answer(data, (OUTSIDE, source[1]))

    server.answer = answer
    front.start(stun_server=[SERVER], port_mapping="off")
    assert front.found()["address"] == OUTSIDE


def test_a_stun_server_that_is_silent_is_followed_by_the_next(front: Front) -> None:
    front.stun(OUTSIDE, port=3479)
    front.start(stun_server=[f"{SERVER}:3480", f"{SERVER}:3479"], port_mapping="off")
    assert front.found()["address"] == OUTSIDE


def test_a_stun_server_may_have_a_name(front: Front) -> None:
    front.stun(OUTSIDE)
    resolver = Responder(front.node, (SERVER, 53))
    record = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04" + parse_ip(SERVER)
    resolver.answer = lambda data, source: data[:2] + b"\x81\x80\0\x01\0\x01\0\0\0\0" + data[12:] + record
    folder = Path("/etc/netns") / front.node.name
    folder.mkdir(parents=True)
    try:
        (folder / "resolv.conf").write_text(f"nameserver {SERVER}\n")  # `ip netns exec` puts it into its place
        front.start(stun_server=["stun.example.org"], port_mapping="off")
        assert front.found()["address"] == OUTSIDE
    finally:
        (folder / "resolv.conf").unlink()
        folder.rmdir()


def test_a_nat_that_changes_ports_is_said(front: Front) -> None:
    front.stun(OUTSIDE, shift=1)
    relay = front.start(stun_server=[SERVER], port_mapping="off")
    assert "changes ports" in front.found()["problems"][0]
    assert relay.logged("warning external problem=", "changes ports")


def test_another_address_ends_what_was_told_the_old_one(front: Front) -> None:
    front.stun(OUTSIDE)
    front.stun(OTHER, port=3479)
    relay = front.start(stun_server=[SERVER], port_mapping="off")
    front.found()
    client = front.client()
    assert client.allocate().relayed[0][0] == OUTSIDE
    relay.configure(stun_server=[f"{SERVER}:3479"])
    assert relay.command("reload")["applied"] == ["stun_server"]
    front.found(OTHER)
    assert relay.logged("freed", "reason=external-address-changed")
    assert client.refresh(600).code == 437
    assert front.client().allocate().relayed[0][0] == OTHER


@pytest.mark.parametrize("protocol", ["pcp", "nat-pmp"])
def test_ports_are_mapped_and_withdrawn(front: Front, protocol: str) -> None:
    gateway = front.gateway()
    gateway.speaks = (protocol,)
    relay = front.start()
    found = front.mapped()
    assert (found["address"], found["nat"], found["by"]) == (OUTSIDE, "port-mapped", protocol)
    assert front.client().allocate().relayed[0] in [(OUTSIDE, port) for _, port in gateway.mappings]
    assert {(UDP, 3478), (TCP, 3478)} < gateway.mappings.keys()
    relay.process.terminate()
    assert relay.ended() == 0
    assert gateway.mappings == {}


def test_one_protocol_may_be_chosen(front: Front) -> None:
    gateway = front.gateway()
    front.start(port_mapping="nat-pmp")
    assert front.mapped()["by"] == "nat-pmp"
    assert not [data for data in gateway.asked if data[0] == 2]


def test_a_relay_is_known_by_its_external_port(front: Front) -> None:
    gateway = front.gateway()
    gateway.shift = -1000
    front.start()
    assert "gives clients port 2478 instead of 3478" in front.mapped()["problems"][0]
    alice, bob = front.client(), front.client()
    relayed_a, relayed_b = alice.allocate().relayed[0], bob.allocate().relayed[0]
    for _, port in (relayed_a, relayed_b):
        assert gateway.mappings[UDP, port + 1000] == port
    assert [alice.bind(CHANNEL, relayed_b), bob.permit(relayed_a)] == [0, 0]
    alice.channel(CHANNEL, b"by channel")
    assert (got := bob.receive()).data == b"by channel" and got.peer == relayed_a
    bob.send(relayed_a, b"by indication")
    assert (answer := alice.receive()).data == b"by indication" and answer.channel == CHANNEL
    assert alice.bind(CHANNEL + 1, (OUTSIDE, 1)) == 403  # the NAT itself is no peer


@pytest.mark.parametrize("shift", [0, -1000])
def test_pairs_are_neighbours_outside(front: Front, shift: int) -> None:
    gateway = front.gateway()
    gateway.shift = shift
    front.start()
    front.mapped()
    client = front.client()
    until(lambda: client.allocate(EVEN_AND_NEXT).code == 0, "a pair is offered")
    relayed: str = front.relay.sessions()[0]["relayed"][0]
    port = int(relayed.rpartition(":")[2])
    outside = {external for (protocol, _), external in gateway.mappings.items() if protocol == UDP}
    assert port % 2 == 0 and {port, port + 1} <= outside


def test_a_port_is_mapped_anew_after_use(front: Front) -> None:
    gateway = front.gateway()
    relay = front.start()
    front.mapped()
    client = front.client()
    used = client.allocate().relayed[0]
    client.refresh(0)
    until(lambda: (UDP, used[1]) not in gateway.mappings, "the old port is given back")
    front.mapped()
    assert len(gateway.mappings) == PORTS
    assert not relay.log("defect")


def test_a_relay_without_a_mapping_is_not_offered(front: Front) -> None:
    gateway = front.gateway()
    gateway.most = 5
    relay = front.start()
    relay.logged("warning external problem=", "maps 5 of 10 ports")
    relays = sum(port != 3478 for _, port in gateway.mappings)
    answers = [front.client().allocate().code for _ in range(relays + 1)]
    assert answers == [0] * relays + [508]


def test_a_gateway_that_is_silent_leaves_what_stun_says(front: Front) -> None:
    front.stun(OUTSIDE)
    gateway = front.gateway()
    gateway.speaks = ()
    front.start(stun_server=[SERVER])
    found = front.found()
    assert (found["address"], found["nat"], found["by"]) == (OUTSIDE, "one-to-one", "stun")
    assert 2 <= len(gateway.asked) <= 6


def test_nobody_says_anything(front: Front) -> None:
    relay = front.start()
    found = front.found()
    assert (found["address"], found["nat"]) == (RELAY, "unknown") and "stun_server" in found["problems"][0]
    assert relay.logged("warning external problem=", "isn't known")
    assert front.client().allocate().relayed[0][0] == RELAY  # relayed to relayed, it's good for that


@pytest.mark.parametrize(
    ("outside", "seen", "nat", "announced", "word"),
    [
        ("100.64.0.7", OUTSIDE, "cgnat", OUTSIDE, "CGNAT"),
        ("100.64.0.7", None, "cgnat", "100.64.0.7", "CGNAT"),
        ("192.168.1.5", OUTSIDE, "double", OUTSIDE, "second NAT"),
        (OTHER, OUTSIDE, "double", OUTSIDE, "second NAT"),
        (OUTSIDE, OUTSIDE, "port-mapped", OUTSIDE, ""),
    ],
)
def test_a_second_nat_is_recognised(
    front: Front, outside: str, seen: str | None, nat: str, announced: str, word: str
) -> None:
    front.gateway().outside = outside
    if seen:
        front.stun(seen)
    relay = front.start(stun_server=[SERVER] if seen else [])
    found = front.found()
    assert (found["nat"], found["address"]) == (nat, announced)
    assert [word in problem for problem in found["problems"]] == ([True] if word else [])
    assert len(relay.log("external problem=")) == len(found["problems"])
    front.mapped()
    assert front.client().allocate().relayed[0][0] == announced


def test_a_gateway_that_begins_anew_gets_all_mappings_again(front: Front) -> None:
    gateway = front.gateway()
    relay = front.start()
    front.mapped()
    client = front.client()
    client.allocate()
    gateway.mappings.clear()
    gateway.epoch = 0
    with front.node.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as announcer:
        announcer.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(GATEWAY))
        announcer.bind((GATEWAY, 0))
        announcer.sendto(b"\0\x80\0\0" + bytes(8), ("224.0.0.1", 5350))
    until(lambda: len(gateway.mappings) == PORTS, "all mappings are there again")
    assert client.refresh(600).code == 0
    assert len(relay.log("external relay=")) == 1


def test_another_external_address_of_the_gateway(front: Front) -> None:
    gateway = front.gateway()
    relay = front.start()
    front.mapped()
    client = front.client()
    assert client.allocate().relayed[0][0] == OUTSIDE
    gateway.outside, gateway.epoch = OTHER, 0
    relay.configure(bandwidth=0)
    with front.node.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as announcer:
        announcer.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(GATEWAY))
        announcer.bind((GATEWAY, 0))
        announcer.sendto(b"\0\x80\0\0" + bytes(8), ("224.0.0.1", 5350))
    front.found(OTHER)
    assert client.refresh(600).code == 437
    front.mapped()
    assert front.client().allocate().relayed[0][0] == OTHER


def test_rfc6062_5_1_a_relayed_port_of_tcp_is_mapped_for_tcp(front: Front) -> None:
    gateway = front.gateway()
    front.start(tcp_relay=1)
    front.mapped()
    with front.node.entered():
        client = TcpClient((RELAY, 3478), host=HERE)
    relayed = client.request(stun.ALLOCATE, REQUESTED_TCP).relayed[0]
    until(lambda: gateway.mappings.get((TCP, relayed[1])) == relayed[1], "it's mapped for TCP")
    client.refresh(0)
    until(lambda: (TCP, relayed[1]) not in gateway.mappings, "that is given back")
    client.close()


def test_a_reload_switches_it_off_and_on(front: Front) -> None:
    gateway = front.gateway()
    relay = front.start()
    front.mapped()
    relay.configure(external_address=[OTHER])
    assert relay.command("reload")["needs_restart"] == []
    until(lambda: not gateway.mappings, "the mappings are given back")
    assert front.external()["by"] == "configuration"
    client = front.client()
    until(lambda: client.allocate().code == 0, "relays are offered")
    assert front.client().allocate().relayed[0][0] == OTHER
    relay.configure(external_address=["auto"])
    assert relay.command("reload")["needs_restart"] == []
    until(lambda: client.refresh(600).code == 437, "what was told the written address has ended")
    front.mapped()
    assert front.client().allocate().relayed[0][0] == OUTSIDE


def test_what_the_gateway_says_is_taken_from_nobody_else(front: Front) -> None:
    gateway = front.gateway()
    stranger = front.node.udp((STRANGER, pcp.PORT))
    honest = gateway._responder.answer

    def answer(data: bytes, source: Address) -> bytes | None:
        right = honest(data, source)
        assert right is not None
        stranger.sendto(right[:-4] + parse_ip(OTHER), source)
        gateway._responder.sock.sendto(right[:24] + bytes(12) + right[36:-4] + parse_ip(OTHER), source)  # the nonce
        return right

    gateway._responder.answer = answer
    gateway.speaks = ("pcp",)
    front.start()
    assert front.mapped()["address"] == OUTSIDE
    assert nat_pmp.decode(b"") is None
