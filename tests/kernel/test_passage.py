"""
How a packet fares in everybody's rules: what is foretold is compared with what the kernel does to the packet itself.

    client  192.0.2.11 ──lan── 192.0.2.1  router  198.51.100.1 ──wan── 198.51.100.11  peer
                                          with a firewall on it

A row is a firewall. Packets of both families and both transports come from both sides to two ports; those that the
router's sockets receive, or whose connections they accept, are exactly those that have no obstacle in store.
"""

import itertools
import re
import select
import shlex
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from struct import pack

import pytest

from edgeturn.kernel.firewall import passage, xtables
from edgeturn.kernel.firewall.passage import Packet, Passage
from edgeturn.kernel.firewall.ruleset import Ruleset
from edgeturn.kernel.firewall.tables import Tables
from edgeturn.protocol.address import parse_ip
from edgeturn.protocol.listener import TCP, UDP
from tests.kernel.lab.topology import HOST, ROUTER, Line, Node
from tests.kernel.rulesets import FIREWALLS
from tests.lab.network import CLIENTS, PEERS, wait_until

STUN, RELAYED = 3478, 50000
PORTS = (STUN, RELAYED)
SIDES = {"lan": CLIENTS, "wan": PEERS}
KINDS = {UDP: socket.SOCK_DGRAM, TCP: socket.SOCK_STREAM}
SETTLED = 0.05  # no packet takes as long to its socket once the kernel has begun on it

COUNTER = """
table inet seen {
    counter arriving { }
    chain prerouting {
        type filter hook prerouting priority -500
        udp dport { 3478, 50000 } counter name arriving
        tcp dport { 3478, 50000 } tcp flags & syn == syn counter name arriving
    }
}
"""

Sent = tuple[str, int, int]  # interface, family, port
Senders = dict[Sent, socket.socket]
Sockets = dict[tuple[str, int], socket.socket]  # by address and port


def table(policy: str, rules: str, *more: str, family: str = "inet", hook: str = "input", priority: int = 0) -> str:
    """Return a table with one chain that the kernel calls, and what else stands in it before that."""
    head = f"type filter hook {hook} priority {priority}; policy {policy};"
    blocks = [*more, f"chain entrance {{ {head} {rules} }}"]
    return "\n".join([f"table {family} with_{policy}_{abs(priority)} {{", *blocks, "}\n"])


def swapped(rules: str) -> str:
    """Return the same rules for the other transport."""
    return re.sub("(udp|tcp) dport", lambda found: f"{UDP if found[1] == TCP else TCP} dport", rules)


OUTPUT = "output is none of it"  # of TCP it is: no connection without an answer

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
    "not tracked": (
        table("accept", "udp dport 3478 notrack;", hook="prerouting", priority=-300)
        + table("drop", "ct mark 0 udp dport 3478 drop; ct state untracked accept;"), (STUN,), (STUN,)),
    "before a connection is known": (
        table("accept", "ct mark 0 drop; ct state new drop; ct state invalid udp dport 3478 drop;", hook="prerouting",
              priority=-300), (RELAYED,), (RELAYED,)),
    "forwarding is none of it": (table("drop", "", hook="forward"), PORTS, PORTS),
    OUTPUT: (table("drop", "", hook="output"), PORTS, PORTS),
}  # fmt: skip

TCP_ROWS = {
    "flags of a first packet": (
        table("drop", "ct state established accept; tcp flags & (fin|syn|rst|ack) == syn tcp dport 3478 accept;"),
        (STUN,), (STUN,)),
    "flags of no first packet": (
        table("accept", "ct state new tcp flags & (fin|syn|rst|ack) != syn drop; tcp dport 3478 tcp flags fin drop;"),
        PORTS, PORTS),
    "flags in a set": (table("drop", "tcp dport 50000 tcp flags { syn, ack } accept;"), (RELAYED,), (RELAYED,)),
    "flood": (
        table("drop", "ct state established accept; tcp flags & (fin|syn|rst|ack) == syn jump flood; accept;",
              "chain flood { limit rate 25/second burst 50 packets return; drop; }"), PORTS, PORTS),
    "both ports": (table("drop", "tcp sport 1024-65535 tcp dport 3478 accept;"), (STUN,), (STUN,)),
    "reset": (table("accept", "tcp dport 3478 reject with tcp reset;"), (RELAYED,), (RELAYED,)),
    "verdicts by protocol and port": (
        table("drop", "meta l4proto . th dport vmap { tcp . 3478 : accept, udp . 50000 : accept };"),
        (STUN,), (STUN,)),
    "protocol in the header": (table("drop", "ip protocol tcp accept; ip6 nexthdr udp accept;"), PORTS, ()),
}  # fmt: skip

OVER_UDP = {(UDP, name): row for name, row in ROWS.items()}
OVER_TCP = {(TCP, name): (swapped(row[0]), *row[1:]) for name, row in ROWS.items() if name != OUTPUT}
ALL_ROWS = OVER_UDP | OVER_TCP | {(TCP, name): row for name, row in TCP_ROWS.items()}


@pytest.fixture(scope="module", params=[UDP, TCP])
def transport(request: pytest.FixtureRequest) -> str:
    """What the packets are of."""
    return str(request.param)


@pytest.fixture(scope="module")
def sockets(line: Line, transport: str) -> Iterator[Sockets]:
    """A socket for each address and port that packets are sent to."""
    places = [
        (side.address(family, ROUTER), port)
        for side, family, port in itertools.product(SIDES.values(), (4, 6), PORTS)
    ]  # fmt: skip
    with ExitStack() as stack:
        opened = {place: stack.enter_context(bound(line.relay, transport, place)) for place in places}
        for each in opened.values() if transport == TCP else ():
            each.listen()
        yield opened


@pytest.fixture
def new_senders(line: Line, transport: str) -> Iterator[Callable[[], Senders]]:
    """Make a sender for each packet; new ones each time, so no connection is known."""
    nodes = {"lan": line.client, "wan": line.peer}
    with ExitStack() as stack:

        def new() -> Senders:
            stack.close()
            return {
                (side, family, port): stack.enter_context(
                    bound(nodes[side], transport, (SIDES[side].address(family, HOST), 0))
                )
                for side, family, port in itertools.product(SIDES, (4, 6), PORTS)
            }

        yield new


@pytest.fixture
def senders(new_senders: Callable[[], Senders]) -> Senders:
    return new_senders()


def bound(node: Node, transport: str, place: tuple[str, int]) -> socket.socket:
    """Return a bound socket that waits for nothing; others may be bound beside it."""
    with node.entered():
        made = socket.socket(socket.AF_INET6 if ":" in place[0] else socket.AF_INET, KINDS[transport])
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.setblocking(False)
    made.bind(place)
    return made


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


def send_all(router: Node, transport: str, senders: Senders, sockets: Sockets) -> set[Sent]:
    """Send from everywhere to everything; return what arrived."""
    before = seen(router)
    for (side, family, port), sender in senders.items():
        sender.connect_ex((SIDES[side].address(family, ROUTER), port))
        if transport == UDP:
            sender.send(b"datagram")
    wait_until(lambda: seen(router) >= before + len(senders), "every packet at the router's door", 30)
    by_source = {sender.getsockname()[:2]: sent for sent, sender in senders.items()}
    arrived = set()
    while ready := select.select(list(sockets.values()), [], [], SETTLED)[0]:
        arrived |= {by_source[source_of(each, transport)] for each in ready}
    return arrived


def source_of(sock: socket.socket, transport: str) -> tuple[str, int]:
    """Return where the next datagram of a socket, or its next connection, is from."""
    if transport == UDP:
        source = sock.recvfrom(100)[1]
    else:
        connection, source = sock.accept()
        connection.close()
    return source[0], source[1]


def packet(transport: str, sent: Sent, source_port: int, answers: bool = False) -> Packet:
    """Return what a sender sends."""
    side, family, port = sent
    addresses = (SIDES[side].address(family, HOST), SIDES[side].address(family, ROUTER))
    source, destination = (parse_ip(each) for each in addresses)
    return Packet(side, source, destination, port, source_port, answers, transport)


def foretold(router: Node, transport: str, senders: Senders, answers: bool = False) -> dict[Sent, Passage]:
    """Return how each of the packets would fare."""
    with router.entered(), Tables() as link:
        rules = Ruleset(link)
        return {
            sent: passage.follow(rules, packet(transport, sent, sender.getsockname()[1], answers))
            for sent, sender in senders.items()
        }


def judge(passages: dict[Sent, Passage], arrived: set[Sent]) -> set[Sent]:
    """Return what arrived, which is what was foretold."""
    assert arrived == {sent for sent, one in passages.items() if not one.obstacles}
    assert not [one.unsure for one in passages.values() if one.unsure]
    return arrived


def compare(router: Node, transport: str, senders: Senders, sockets: Sockets, answers: bool = False) -> set[Sent]:
    """Return what arrived, which is what was foretold."""
    return judge(foretold(router, transport, senders, answers), send_all(router, transport, senders, sockets))


@pytest.mark.parametrize(("transport", "name"), ALL_ROWS, indirect=["transport"])
def test_what_arrives_was_foretold(transport: str, name: str, line: Line, senders: Senders, sockets: Sockets) -> None:
    rules, ports, ports6 = ALL_ROWS[transport, name]
    load(line.relay, rules)
    arrived = compare(line.relay, transport, senders, sockets)
    assert tuple(port for port in PORTS if ("wan", 4, port) in arrived) == ports
    assert tuple(port for port in PORTS if ("wan", 6, port) in arrived) == ports6


FROM_LAN = {("lan", family, port) for family in (4, 6) for port in PORTS}
FROM_WAN = {("wan", family, port) for family in (4, 6) for port in PORTS}
FROM_WAN4 = {sent for sent in FROM_WAN if sent[1] == 4}


@pytest.mark.parametrize("name", [name for name, each in FIREWALLS.items() if each.text])
def test_firewalls_of_the_field_closed_and_opened(
    name: str, line: Line, transport: str, new_senders: Callable[[], Senders], sockets: Sockets
) -> None:
    load(line.relay, FIREWALLS[name].rules())
    assert compare(line.relay, transport, new_senders(), sockets) == FROM_LAN
    load(line.relay, FIREWALLS[name].rules(f"{transport} dport {{ 3478, 49152-65535 }} counter accept"))
    assert compare(line.relay, transport, new_senders(), sockets) == FROM_LAN | FROM_WAN


@pytest.mark.parametrize("name", [name for name, each in FIREWALLS.items() if each.lines])
def test_firewalls_of_iptables_closed_and_opened(
    name: str, line: Line, transport: str, new_senders: Callable[[], Senders], sockets: Sockets
) -> None:
    load(line.relay, "")
    iptables(line.relay, FIREWALLS[name].lines)
    assert compare(line.relay, transport, new_senders(), sockets) == FROM_LAN | (FROM_WAN - FROM_WAN4)
    chain = "ufw-user-input" if name == "ufw" else "INPUT"
    iptables(line.relay, f"-I {chain} -p {transport} -m multiport --dports 3478,49152:65535 -j ACCEPT")
    assert compare(line.relay, transport, new_senders(), sockets) == FROM_LAN | FROM_WAN


def test_packets_that_iptables_leaves_untracked(line: Line, transport: str, senders: Senders, sockets: Sockets) -> None:
    load(line.relay, table("drop", "", family="ip6"))
    iptables(line.relay, UNTRACKED.replace("TRANSPORT", transport))
    arrived = compare(line.relay, transport, senders, sockets)
    assert arrived == {(side, 4, STUN) for side in SIDES}


UNTRACKED = """
-t raw -A PREROUTING -p TRANSPORT --dport 3478 -j CT --notrack
-P INPUT DROP
-A INPUT -m state --state NEW -p TRANSPORT --dport 3478 -j DROP
-A INPUT -m conntrack --ctstate UNTRACKED -j ACCEPT
"""


@pytest.mark.parametrize("transport", [UDP], indirect=True)
@pytest.mark.parametrize("name", FIREWALLS)
def test_answers_get_in(name: str, line: Line, transport: str, senders: Senders, sockets: Sockets) -> None:
    load(line.relay, FIREWALLS[name].rules())
    iptables(line.relay, FIREWALLS[name].lines)
    for (side, family, port), sender in senders.items():
        sockets[SIDES[side].address(family, ROUTER), port].sendto(b"question", sender.getsockname()[:2])
    assert compare(line.relay, transport, senders, sockets, answers=True) == FROM_LAN | FROM_WAN


@pytest.mark.parametrize("transport", [TCP], indirect=True)
@pytest.mark.parametrize("name", FIREWALLS)
def test_answers_to_who_connects_get_in(
    name: str, line: Line, transport: str, senders: Senders, sockets: Sockets
) -> None:
    load(line.relay, FIREWALLS[name].rules())
    iptables(line.relay, FIREWALLS[name].lines)
    passages = foretold(line.relay, transport, senders, answers=True)
    with ExitStack() as stack:
        asking = {}
        for (side, family, port), sender in senders.items():
            sender.listen()
            asked = stack.enter_context(bound(line.relay, transport, (SIDES[side].address(family, ROUTER), port)))
            asked.connect_ex(sender.getsockname()[:2])
            asking[asked] = side, family, port
        answered = set()
        while ready := select.select([], list(asking), [], SETTLED)[1]:
            answered |= {asking.pop(each) for each in ready if not each.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)}
    assert judge(passages, answered) == FROM_LAN | FROM_WAN


def test_where_a_packet_is_dropped_is_told(line: Line, transport: str, senders: Senders) -> None:
    load(line.relay, FIREWALLS["firewall4"].rules())
    (found,) = foretold(line.relay, transport, senders)["wan", 4, STUN].obstacles
    assert (found.family, found.table, found.entrance, found.chain) == ("inet", "fw4", "input", "handle_reject")
    flood = ("syn_flood",) if transport == TCP else ()
    assert found.rejects and found.visited == ("input", *flood, "input_wan", "reject_from_wan", "handle_reject")
    listed = line.relay.run(["nft", "-a", "list", "chain", "inet", "fw4", "handle_reject"], 10).stdout
    rule = "meta l4proto tcp reject with tcp reset" if transport == TCP else "reject"
    assert re.search(rf"^\s+{rule} # handle {found.handle}$", listed, re.MULTILINE)
    load(line.relay, table("drop", ""))
    (found,) = foretold(line.relay, transport, senders)["wan", 4, STUN].obstacles
    assert (found.chain, found.handle, found.rejects) == ("entrance", None, False)


def test_each_table_that_drops_is_told(line: Line, transport: str, senders: Senders) -> None:
    load(line.relay, table("drop", "") + table("drop", "", priority=-10) + table("accept", "", family="ip"))
    found = foretold(line.relay, transport, senders)["wan", 4, STUN].obstacles
    assert [each.table for each in found] == ["with_drop_10", "with_drop_0"]


def test_what_depends_on_more_is_taken_as_not_matching_and_told(line: Line, transport: str, senders: Senders) -> None:
    load(line.relay, table("accept", "numgen random mod 2 0 drop; meta cpu 0 counter;"))
    found = foretold(line.relay, transport, senders)["wan", 4, STUN]
    assert not found.obstacles
    (unsure,) = found.unsure
    assert unsure.startswith("inet with_accept_0 entrance handle ") and unsure.endswith(": numgen")


@pytest.mark.parametrize("transport", [TCP], indirect=True)
@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("tcp sequence 1 drop", "bytes of the packet"),
        ("tcp window < 100 drop", "bytes of the packet"),
        ("tcp option maxseg size < 500 drop", "exthdr"),
        ("tcp dport 3478 synproxy mss 1460", "synproxy"),
    ],
)
def test_what_depends_on_more_of_a_connection(
    rule: str, reason: str, line: Line, transport: str, senders: Senders
) -> None:
    load(line.relay, table("accept", f"{rule};"))
    found = foretold(line.relay, transport, senders)["wan", 4, STUN]
    assert not found.obstacles
    assert [text.split(": ")[1] for text in found.unsure] == [reason]


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


def test_tcp_ports_and_flags_as_older_iptables_writes_them() -> None:
    packet = xtables.Ports(50000, 3478, xtables.NEW, socket.IPPROTO_TCP, 0x02)
    every, stun = (0, 65535), (3478, 3478)
    for sources, destinations, others, expected in (
        (every, stun, (0, 0, 0, 0), True),
        (every, (22, 22), (0, 0, 0, 0), False),
        ((50000, 50000), stun, (0, 0, 0, 1), False),
        (every, (22, 22), (0, 0, 0, 2), True),
        (every, every, (0, 0x17, 0x02, 0), True),
        (every, every, (0, 0x17, 0x02, 4), False),
        (every, every, (0, 0x12, 0x12, 0), False),
        (every, every, (2, 0, 0, 0), None),
        (every, (22, 22), (2, 0, 0, 0), False),
    ):
        assert xtables.matches("tcp", pack("4H4B", *sources, *destinations, *others), packet) is expected
        over_udp = xtables.Ports(50000, 3478, xtables.NEW)
        assert xtables.matches("tcp", pack("4H4B", *sources, *destinations, *others), over_udp) is False
    assert xtables.matches("udp", pack("4HB", *every, *every, 0), packet) is False


def test_targets_that_keep_from_tracking() -> None:
    assert xtables.untracks("CT", pack("H", 1) + bytes(30)) and xtables.untracks("NOTRACK", b"")
    assert not xtables.untracks("CT", pack("H", 2) + bytes(30)) and not xtables.untracks("LOG", pack("H", 1))
