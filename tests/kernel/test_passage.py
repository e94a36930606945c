"""
How a packet fares in everybody's rules: what is foretold is compared with what the kernel does to the packet itself.

    client  192.0.2.11 ──lan── 192.0.2.1  router  198.51.100.1 ──wan── 198.51.100.11  peer
                                          with a firewall on it

A row is a firewall. Packets of both families come from both sides to two ports; those that the router's sockets receive
are exactly those that have no obstacle in store.
"""

import itertools
import re
import select
import shlex
import shutil
import socket
from collections.abc import Iterator
from struct import pack

import pytest

from edgeturn.kernel.firewall import passage, xtables
from edgeturn.kernel.firewall.passage import Packet, Passage
from edgeturn.kernel.firewall.ruleset import Ruleset
from edgeturn.kernel.firewall.tables import Tables
from edgeturn.protocol.address import parse_ip
from tests.kernel.lab.topology import HOST, ROUTER, Line, Node
from tests.kernel.rulesets import FIREWALLS
from tests.lab.network import CLIENTS, PEERS, wait_until

STUN, RELAYED = 3478, 50000
PORTS = (STUN, RELAYED)
SIDES = {"lan": CLIENTS, "wan": PEERS}
SETTLED = 0.05  # no packet takes as long to its socket once the kernel has begun on it

COUNTER = """
table inet seen {
    counter arriving { }
    chain prerouting { type filter hook prerouting priority -500; udp dport { 3478, 50000 } counter name arriving; }
}
"""

Sent = tuple[str, int, int]  # interface, family, port
Senders = dict[tuple[str, int], socket.socket]  # by interface and family
Sockets = dict[tuple[str, int], socket.socket]  # by address and port


def table(policy: str, rules: str, *more: str, family: str = "inet", hook: str = "input", priority: int = 0) -> str:
    """Return a table with one chain that the kernel calls, and what else stands in it before that."""
    head = f"type filter hook {hook} priority {priority}; policy {policy};"
    blocks = [*more, f"chain entrance {{ {head} {rules} }}"]
    return "\n".join([f"table {family} with_{policy}_{abs(priority)} {{", *blocks, "}\n"])


# What to load, and the ports that the peer reaches over IPv4 and over IPv6.
ROWS = {
    "nothing": ("", PORTS, PORTS),
    "policy accept": (table("accept", ""), PORTS, PORTS),
    "policy drop": (table("drop", ""), (), ()),
    "policy drop, one port accepted": (table("drop", "udp dport 3478 accept;"), (STUN,), (STUN,)),
    "accepted by one table, dropped by a later one": (
        table("accept", "udp dport 3478 accept;", priority=-10) + table("drop", "", family="ip"), (), PORTS),
    "the table of one family": (table("drop", "udp dport 50000 accept;", family="ip6"), PORTS, (RELAYED,)),
    "a table that sleeps": (table("drop", "", "flags dormant;"), PORTS, PORTS),
    "range": (table("accept", "udp dport 49152-65535 drop;"), (STUN,), (STUN,)),
    "range, the other way round": (table("accept", "udp dport != 1-4000 reject;"), (STUN,), (STUN,)),
    "less": (table("drop", "udp dport < 4000 accept;"), (STUN,), (STUN,)),
    "greater or equal": (table("drop", "udp dport >= 50000 accept;"), (RELAYED,), (RELAYED,)),
    "set": (table("drop", "udp dport { 53, 3478 } accept;"), (STUN,), (STUN,)),
    "set of intervals": (
        table("drop", "udp dport @ports accept;",
              "set ports { type inet_service; flags interval; elements = { 1000-4000, 60000-60010 }; }"),
        (STUN,), (STUN,)),
    "not in a set": (table("drop", "udp dport != { 53, 3478 } accept;"), (RELAYED,), (RELAYED,)),
    "map of verdicts": (table("accept", "udp dport vmap { 3478 : accept, 40000-60000 : drop };"), (STUN,), (STUN,)),
    "concatenation": (table("drop", "ip daddr . udp dport { 198.51.100.1 . 3478 } accept;"), (STUN,), ()),
    "concatenation with intervals": (
        table("drop", "ip saddr . udp dport { 198.51.100.0/24 . 3000-4000 } accept;"), (STUN,), ()),
    "source address": (table("drop", "ip saddr 198.51.100.0/24 accept;"), PORTS, ()),
    "another's source address": (table("drop", "ip saddr 10.0.0.0/8 accept;"), (), ()),
    "destination address": (table("accept", "ip6 daddr 2001:db8:2::/64 drop;"), PORTS, ()),
    "destination address in a set": (
        table("drop", "ip daddr { 192.0.2.1, 198.51.100.0/28 } accept;"), PORTS, ()),
    "interface": (table("accept", 'iifname "wan" drop;'), (), ()),
    "interface by its number": (table("accept", "iif wan udp dport 3478 drop;"), (RELAYED,), (RELAYED,)),
    "interfaces by a pattern": (table("accept", 'iifname "wa*" drop;'), (), ()),
    "interfaces in a set": (table("drop", 'iifname { "wan", "ppp0" } accept;'), PORTS, PORTS),
    "another protocol": (table("drop", "tcp dport 3478 accept;"), (), ()),
    "protocols in a set": (table("drop", "meta l4proto { tcp, udp } th dport 3478 accept;"), (STUN,), (STUN,)),
    "family": (table("drop", "meta nfproto ipv6 accept;"), (), PORTS),
    "state of the connection": (
        table("drop", "ct state { established, related } accept; ct state invalid drop;"
              " ct state new udp dport 3478 accept;"), (STUN,), (STUN,)),
    "state of the connection, mapped": (
        table("accept", "ct state vmap { established : accept, invalid : drop, new : jump new };",
              "chain new { udp dport 50000 reject; }"), (STUN,), (STUN,)),
    "jump, and back again": (
        table("drop", "jump aside; udp dport 3478 accept;",
              "chain aside { udp dport 3478 return; udp dport 3478 drop; }"), (STUN,), (STUN,)),
    "goto, from where nobody comes back": (
        table("drop", "goto aside; udp dport 3478 accept;", "chain aside { udp dport 3478 return; }"), (), ()),
    "return to the policy": (table("drop", "udp dport 3478 return; accept;"), (RELAYED,), (RELAYED,)),
    "limit that one packet keeps": (table("drop", "limit rate 1000/second burst 100 packets accept;"), PORTS, PORTS),
    "limit that one packet doesn't exceed": (
        table("accept", "limit rate over 1000/second burst 100 packets drop;"), PORTS, PORTS),
    "log and counter": (table("accept", "counter udp dport 3478 log counter drop;"), (RELAYED,), (RELAYED,)),
    "mark": (table("drop", "meta mark 0 ct mark 0 udp dport 3478 accept;"), (STUN,), (STUN,)),
    "prerouting": (
        table("accept", "udp dport 3478 drop;", hook="prerouting", priority=-300), (RELAYED,), (RELAYED,)),
    "way back": (table("accept", "fib saddr . iif oif missing drop;", hook="prerouting"), PORTS, PORTS),
    "type of the address": (table("drop", "fib daddr type local udp dport 3478 accept;"), (STUN,), (STUN,)),
    "bits": (table("drop", "ip ttl & 0xc0 == 0x40 accept;"), PORTS, ()),
    "mark that was set": (
        table("accept", "udp dport 3478 meta mark set 6; meta mark set mark xor 3;", priority=-10)
        + table("drop", "meta mark 5 accept;"), (STUN,), (STUN,)),
    "mark of the connection that was set": (
        table("drop", "ct mark set 9; udp dport 50000 ct mark set ct mark and 8; ct mark 8 accept;"),
        (RELAYED,), (RELAYED,)),
    "forwarding is none of it": (table("drop", "", hook="forward"), PORTS, PORTS),
    "output is none of it": (table("drop", "", hook="output"), PORTS, PORTS),
}  # fmt: skip


@pytest.fixture(scope="module")
def sockets(line: Line) -> Iterator[Sockets]:
    """A socket for each address and port that packets are sent to."""
    places = [
        (side.address(family, ROUTER), port)
        for side, family, port in itertools.product(SIDES.values(), (4, 6), PORTS)
    ]  # fmt: skip
    opened = {place: line.relay.udp(place) for place in places}
    yield opened
    for each in opened.values():
        each.close()


@pytest.fixture
def senders(line: Line) -> Iterator[Senders]:
    """A sender on each side and of each family; new ones each time, so no connection is known."""
    nodes = {"lan": line.client, "wan": line.peer}
    opened = {
        (side, family): nodes[side].udp((SIDES[side].address(family, HOST), 0))
        for side, family in itertools.product(SIDES, (4, 6))
    }
    yield opened
    for each in opened.values():
        each.close()


def load(router: Node, rules: str) -> None:
    """Give the router these rules and no others."""
    router.nft("flush ruleset\n" + COUNTER + rules)


def seen(router: Node) -> int:
    """Return how many packets the router has begun on."""
    listed = router.run(["nft", "list", "counter", "inet", "seen", "arriving"], 10).stdout
    return int(re.findall(r"packets (\d+)", listed)[0])


def iptables(router: Node, lines: str) -> None:
    """Add rules to IPv4's filter table, as nf_tables has it."""
    for line in lines.strip().splitlines():
        done = router.run([program("iptables-nft"), *shlex.split(line)], 10)
        assert done.returncode == 0, (line, done.stdout)


def program(name: str) -> str:
    found = shutil.which(name)
    return found or pytest.fail(f"{name} is missing: install the package iptables, or run `make test`, which does it")


def send_all(router: Node, senders: Senders, sockets: Sockets) -> set[Sent]:
    """Send from everywhere to everything; return what arrived."""
    sent = list(itertools.product(SIDES, (4, 6), PORTS))
    before = seen(router)
    for side, family, port in sent:
        place = SIDES[side].address(family, ROUTER), port
        senders[side, family].sendto(f"{side} {family} {port}".encode(), place)
    wait_until(lambda: seen(router) == before + len(sent), "every packet at the router's door", 5)
    arrived = set()
    while ready := select.select(list(sockets.values()), [], [], SETTLED)[0]:
        for each in ready:
            name, number, to_port = each.recv(100).decode().split()
            arrived.add((name, int(number), int(to_port)))
    return arrived


def packet(side: str, family: int, port: int, source_port: int, answers: bool = False) -> Packet:
    """Return what a sender sends."""
    addresses = (SIDES[side].address(family, HOST), SIDES[side].address(family, ROUTER))
    source, destination = (parse_ip(each) for each in addresses)
    return Packet(side, source, destination, port, source_port, answers)


def foretold(router: Node, senders: Senders, answers: bool = False) -> dict[Sent, Passage]:
    """Return how each of the packets would fare."""
    with router.entered(), Tables() as link:
        rules = Ruleset(link)
        return {
            (side, family, port): passage.follow(
                rules, packet(side, family, port, sender.getsockname()[1], answers)
            )
            for (side, family), sender in senders.items()
            for port in PORTS
        }  # fmt: skip


def compare(router: Node, senders: Senders, sockets: Sockets, answers: bool = False) -> set[Sent]:
    """Return what arrived, which is what was foretold."""
    passages = foretold(router, senders, answers)
    arrived = send_all(router, senders, sockets)
    assert arrived == {sent for sent, one in passages.items() if not one.obstacles}
    assert not [one.unsure for one in passages.values() if one.unsure]
    return arrived


@pytest.mark.parametrize("name", ROWS)
def test_what_arrives_was_foretold(name: str, line: Line, senders: Senders, sockets: Sockets) -> None:
    rules, ports, ports6 = ROWS[name]
    load(line.relay, rules)
    arrived = compare(line.relay, senders, sockets)
    assert tuple(port for port in PORTS if ("wan", 4, port) in arrived) == ports
    assert tuple(port for port in PORTS if ("wan", 6, port) in arrived) == ports6


FROM_LAN = {("lan", family, port) for family in (4, 6) for port in PORTS}
FROM_WAN = {("wan", family, port) for family in (4, 6) for port in PORTS}
FROM_WAN4 = {sent for sent in FROM_WAN if sent[1] == 4}


@pytest.mark.parametrize("name", [name for name, each in FIREWALLS.items() if each.text])
def test_firewalls_of_the_field_closed_and_opened(name: str, line: Line, senders: Senders, sockets: Sockets) -> None:
    load(line.relay, FIREWALLS[name].rules())
    assert compare(line.relay, senders, sockets) == FROM_LAN
    load(line.relay, FIREWALLS[name].rules("udp dport { 3478, 49152-65535 } counter accept"))
    assert compare(line.relay, senders, sockets) == FROM_LAN | FROM_WAN


@pytest.mark.parametrize("name", [name for name, each in FIREWALLS.items() if each.lines])
def test_firewalls_of_iptables_closed_and_opened(name: str, line: Line, senders: Senders, sockets: Sockets) -> None:
    load(line.relay, "")
    iptables(line.relay, FIREWALLS[name].lines)
    assert compare(line.relay, senders, sockets) == FROM_LAN | (FROM_WAN - FROM_WAN4)
    chain = "ufw-user-input" if name == "ufw" else "INPUT"
    iptables(line.relay, f"-I {chain} -p udp -m multiport --dports 3478,49152:65535 -j ACCEPT")
    assert compare(line.relay, senders, sockets) == FROM_LAN | FROM_WAN


@pytest.mark.parametrize("name", FIREWALLS)
def test_answers_get_in(name: str, line: Line, senders: Senders, sockets: Sockets) -> None:
    load(line.relay, FIREWALLS[name].rules())
    iptables(line.relay, FIREWALLS[name].lines)
    for (side, family), sender in senders.items():
        for port in PORTS:
            sockets[SIDES[side].address(family, ROUTER), port].sendto(b"question", sender.getsockname()[:2])
    assert compare(line.relay, senders, sockets, answers=True) == FROM_LAN | FROM_WAN


def test_where_a_packet_is_dropped_is_told(line: Line, senders: Senders) -> None:
    load(line.relay, FIREWALLS["firewall4"].rules())
    (found,) = foretold(line.relay, senders)["wan", 4, STUN].obstacles
    assert (found.family, found.table, found.entrance, found.chain) == ("inet", "fw4", "input", "handle_reject")
    assert found.rejects and found.visited == ("input", "input_wan", "reject_from_wan", "handle_reject")
    listed = line.relay.run(["nft", "-a", "list", "chain", "inet", "fw4", "handle_reject"], 10).stdout
    assert re.search(rf"^\s+reject # handle {found.handle}$", listed, re.MULTILINE)
    load(line.relay, table("drop", ""))
    (found,) = foretold(line.relay, senders)["wan", 4, STUN].obstacles
    assert (found.chain, found.handle, found.rejects) == ("entrance", None, False)


def test_each_table_that_drops_is_told(line: Line, senders: Senders) -> None:
    load(line.relay, table("drop", "") + table("drop", "", priority=-10) + table("accept", "", family="ip"))
    found = foretold(line.relay, senders)["wan", 4, STUN].obstacles
    assert [each.table for each in found] == ["with_drop_10", "with_drop_0"]


def test_what_depends_on_more_is_taken_as_not_matching_and_told(line: Line, senders: Senders) -> None:
    load(line.relay, table("accept", "numgen random mod 2 0 drop; meta cpu 0 counter;"))
    found = foretold(line.relay, senders)["wan", 4, STUN]
    assert not found.obstacles
    (unsure,) = found.unsure
    assert unsure.startswith("inet with_accept_0 entrance handle ") and unsure.endswith(": numgen")


def test_udp_ports_as_older_iptables_writes_them() -> None:
    packet = xtables.Ports(50000, 3478, xtables.NEW)
    for sources, destinations, inverted, expected in (
        ((0, 65535), (3478, 3478), 0, True),
        ((0, 65535), (3479, 65535), 0, False),
        ((53, 53), (0, 65535), 0, False),
        ((53, 53), (0, 65535), 1, True),
        ((0, 65535), (3478, 3478), 2, False),
    ):
        assert xtables.matches("udp", pack("4HB", *sources, *destinations, inverted), packet) is expected
    assert xtables.matches("udp", b"short", packet) is None and xtables.matches("geoip", bytes(100), packet) is None
