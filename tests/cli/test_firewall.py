"""What `edgeturn firewall` says: where it can't look, what is in the way, and the commands that open it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pyroute2.netlink.exceptions import NetlinkError

from edgeturn.cli import firewall, firewall_remedies, firewall_report
from edgeturn.cli.firewall_report import Report
from edgeturn.kernel.firewall import tables
from edgeturn.kernel.firewall.own import CLIENTS, CLIENTS_TCP, PEERS, PEERS_TCP, RANGE_TCP, Counted, Opened
from edgeturn.kernel.firewall.passage import Obstacle
from edgeturn.kernel.firewall.tables import Unavailable
from edgeturn.kernel.firewall.ways import ANSWERS, CLOSED, OPEN, PARTLY, Trial, Way
from edgeturn.protocol.address import parse_ip
from edgeturn.protocol.listener import TCP, UDP
from tests.cli.conftest import Call

STUN, RANGE = (3478, 3478), (49152, 65535)


def way(purpose: str, interface: str = "wan", ip: str = "192.0.2.1", transport: str = UDP) -> Way:
    ports = STUN if purpose == CLIENTS else RANGE
    return Way(purpose, interface, parse_ip(ip), ports, parse_ip("1.1.1.1"), transport)


def drop(family: str, table: str, *visited: str, handle: int | None = None, rejects: bool = False) -> Obstacle:
    """Return an obstacle at the end of some chains."""
    return Obstacle(family, table, visited[0], visited[-1], handle, rejects, visited)


def closed(obstacle: Obstacle, *purposes: str, interface: str = "wan", over: tuple[str, ...] = (UDP,)) -> list[Trial]:
    return [
        Trial(way(purpose, interface, transport=transport), CLOSED, [obstacle], set())
        for purpose in purposes
        for transport in over
    ]


def commands(trials: list[Trial], table: str = "edgeturn") -> list[str]:
    """Return the commands of the one firewall that is in the way."""
    (remedy,) = firewall_remedies.find(trials, table)
    return remedy.commands


FW4_WAN = drop("inet", "fw4", "input", "input_wan", "reject_from_wan", "handle_reject", handle=9, rejects=True)
FW4_VPN = drop("inet", "fw4", "input", "input_vpn", "drop_from_vpn", handle=12)

# What is in the way of whom, and what is typed.
ROWS = {
    "nftables": (
        closed(drop("inet", "filter", "input"), CLIENTS, PEERS),
        ["nft 'insert rule inet filter input udp dport { 3478, 49152-65535 } accept comment \"edgeturn\"'"],
    ),
    "nftables, peers only": (
        closed(drop("ip6", "mine", "in"), PEERS),
        ["nft 'insert rule ip6 mine in udp dport { 49152-65535 } accept comment \"edgeturn\"'"],
    ),
    "nftables, two tables": (
        closed(drop("inet", "a", "input"), PEERS) + closed(drop("inet", "b", "input"), CLIENTS),
        [
            "nft 'insert rule inet a input udp dport { 49152-65535 } accept comment \"edgeturn\"'",
            "nft 'insert rule inet b input udp dport { 3478 } accept comment \"edgeturn\"'",
        ],
    ),
    "nftables, both transports": (
        closed(drop("inet", "filter", "input"), CLIENTS, over=(UDP, TCP))
        + closed(drop("inet", "filter", "input"), PEERS, over=(UDP,)),
        [
            "nft 'insert rule inet filter input udp dport { 3478, 49152-65535 } accept comment \"edgeturn\"'",
            "nft 'insert rule inet filter input tcp dport { 3478 } accept comment \"edgeturn\"'",
        ],
    ),
    "nftables, TCP only": (
        closed(drop("inet", "filter", "input"), CLIENTS, over=(TCP,)),
        ["nft 'insert rule inet filter input tcp dport { 3478 } accept comment \"edgeturn\"'"],
    ),
    "firewall4, both transports": (
        closed(FW4_WAN, CLIENTS, over=(UDP, TCP)),
        [
            "uci set firewall.edgeturn_wan=rule",
            "uci set firewall.edgeturn_wan.name='edgeturn_wan'",
            "uci set firewall.edgeturn_wan.src='wan'",
            "uci set firewall.edgeturn_wan.proto='udp'",
            "uci set firewall.edgeturn_wan.dest_port='3478'",
            "uci set firewall.edgeturn_wan.target='ACCEPT'",
            "uci set firewall.edgeturn_wan_tcp=rule",
            "uci set firewall.edgeturn_wan_tcp.name='edgeturn_wan_tcp'",
            "uci set firewall.edgeturn_wan_tcp.src='wan'",
            "uci set firewall.edgeturn_wan_tcp.proto='tcp'",
            "uci set firewall.edgeturn_wan_tcp.dest_port='3478'",
            "uci set firewall.edgeturn_wan_tcp.target='ACCEPT'",
            "uci commit firewall",
            "/etc/init.d/firewall reload",
        ],
    ),
    "firewalld, both transports": (
        closed(drop("inet", "firewalld", "filter_INPUT", "filter_IN_public"), CLIENTS, PEERS, over=(UDP, TCP)),
        [
            "firewall-cmd --permanent --zone=public --add-port=3478/udp --add-port=49152-65535/udp",
            "firewall-cmd --permanent --zone=public --add-port=3478/tcp --add-port=49152-65535/tcp",
            "firewall-cmd --reload",
        ],
    ),
    "ufw, both transports": (
        closed(drop("ip", "filter", "INPUT", "ufw-before-input"), CLIENTS, over=(UDP, TCP)),
        ["ufw allow 3478/udp", "ufw allow 3478/tcp"],
    ),
    "iptables, both transports": (
        closed(drop("ip", "filter", "INPUT"), CLIENTS, PEERS, over=(UDP, TCP)),
        [
            "iptables -I INPUT -p udp -m multiport --dports 3478,49152:65535 -j ACCEPT",
            "iptables -I INPUT -p tcp -m multiport --dports 3478,49152:65535 -j ACCEPT",
        ],
    ),
    "firewall4, a zone": (
        closed(FW4_WAN, PEERS, CLIENTS),
        [
            "uci set firewall.edgeturn_wan=rule",
            "uci set firewall.edgeturn_wan.name='edgeturn_wan'",
            "uci set firewall.edgeturn_wan.src='wan'",
            "uci set firewall.edgeturn_wan.proto='udp'",
            "uci set firewall.edgeturn_wan.dest_port='3478 49152-65535'",
            "uci set firewall.edgeturn_wan.target='ACCEPT'",
            "uci commit firewall",
            "/etc/init.d/firewall reload",
        ],
    ),
    "firewall4, no zone": (
        closed(drop("inet", "fw4", "input", "handle_reject"), CLIENTS),
        [
            "uci set firewall.edgeturn_any=rule",
            "uci set firewall.edgeturn_any.name='edgeturn_any'",
            "uci set firewall.edgeturn_any.src='*'",
            "uci set firewall.edgeturn_any.proto='udp'",
            "uci set firewall.edgeturn_any.dest_port='3478'",
            "uci set firewall.edgeturn_any.target='ACCEPT'",
            "uci commit firewall",
            "/etc/init.d/firewall reload",
        ],
    ),
    "firewalld": (
        closed(
            drop("inet", "firewalld", "filter_INPUT", "filter_IN_policy_allow-host-ipv6", "filter_IN_my-zone_allow"),
            PEERS,
        ),
        ["firewall-cmd --permanent --zone=my-zone --add-port=49152-65535/udp", "firewall-cmd --reload"],
    ),
    "firewalld, no zone": (
        closed(drop("inet", "firewalld", "filter_INPUT"), CLIENTS),
        ["firewall-cmd --permanent --add-port=3478/udp", "firewall-cmd --reload"],
    ),
    "ufw, both families": (
        closed(drop("ip", "filter", "INPUT", "ufw-before-input"), CLIENTS, PEERS)
        + closed(drop("ip6", "filter", "INPUT", "ufw6-before-input"), CLIENTS),
        ["ufw allow 49152:65535/udp", "ufw allow 3478/udp"],
    ),
    "iptables, both families": (
        closed(drop("ip", "filter", "INPUT"), CLIENTS, PEERS) + closed(drop("ip6", "filter", "INPUT"), CLIENTS),
        [
            "iptables -I INPUT -p udp -m multiport --dports 3478,49152:65535 -j ACCEPT",
            "ip6tables -I INPUT -p udp -m multiport --dports 3478 -j ACCEPT",
        ],
    ),
    "iptables, another table": (
        closed(drop("ip", "raw", "PREROUTING"), CLIENTS),
        ["iptables -t raw -I PREROUTING -p udp -m multiport --dports 3478 -j ACCEPT"],
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_what_opens_each_firewall(name: str) -> None:
    trials, expected = ROWS[name]
    assert commands(trials) == expected


def test_zones_have_a_rule_each_and_one_reload() -> None:
    trials = closed(FW4_WAN, CLIENTS, PEERS) + closed(FW4_VPN, CLIENTS, interface="wg0")
    (remedy,) = firewall_remedies.find(trials, "edgeturn-0badcafe")
    assert [line for line in remedy.commands if line.endswith("=rule")] == [
        "uci set firewall.edgeturn_0badcafe_wan=rule",
        "uci set firewall.edgeturn_0badcafe_vpn=rule",
    ]
    assert remedy.commands[-2:] == ["uci commit firewall", "/etc/init.d/firewall reload"]
    assert len(remedy.commands) == 2 * 6 + 2
    assert remedy.service_data[1] == {
        "type": "rule", "src": "vpn", "proto": "udp", "dest_port": "3478", "target": "ACCEPT",
    }  # fmt: skip


def test_different_firewalls_are_told_apart() -> None:
    trials = closed(FW4_WAN, CLIENTS) + closed(drop("inet", "mine", "input"), CLIENTS)
    assert [remedy.firewall for remedy in firewall_remedies.find(trials, "edgeturn")] == [
        firewall_remedies.FIREWALL4,
        "nftables",
    ]
    assert not firewall_remedies.find([Trial(way(CLIENTS), OPEN, [], set())], "edgeturn")


def report(trials: list[Trial], opened: Opened | None = None, legacy: list[str] | None = None) -> Report:
    found = firewall_remedies.find(trials, "edgeturn")
    return Report("edgeturn", Path("/etc/x.conf"), opened, trials, found, legacy or [])


def test_ways_are_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    policy, rule = drop("inet", "f", "input"), drop("ip", "raw", "early", "far", handle=7)
    reject = drop("ip", "filter", "INPUT", handle=3, rejects=True)
    report(
        [
            Trial(way(CLIENTS, "br-lan", "2001:db8::1"), OPEN, [], set()),
            Trial(way(CLIENTS), CLOSED, [policy, rule], set()),
            Trial(way(CLIENTS, transport=TCP), OPEN, [], set()),
            Trial(way(PEERS), ANSWERS, [policy], set()),
            Trial(way(PEERS, "wg0"), PARTLY, [reject], {"ip filter INPUT handle 2: match geoip"}),
        ],
        legacy=["/proc/net/ip_tables_names"],
    ).print_ways()
    said = capsys.readouterr().out
    assert said.split("\n\n")[1] == (
        "INTERFACE  ADDRESS      FROM     PORTS            GETS IN\n"
        "br-lan     2001:db8::1  clients  UDP 3478         yes\n"
        "wan        192.0.2.1    clients  UDP 3478         no (inet f input, policy drop, ip raw far, handle 7 drops)\n"
        "wan        192.0.2.1    clients  TCP 3478         yes\n"
        "wan        192.0.2.1    peers    UDP 49152-65535  only answers (inet f input, policy drop)\n"
        "wg0        192.0.2.1    peers    UDP 49152-65535  some ports (ip filter INPUT, handle 3 rejects)"
    )
    assert "Only answers: peers that a client has sent to get in" in said and "Only answers over TCP" not in said
    assert "Taken as not matching, for it depends on more: ip filter INPUT handle 2: match geoip." in said
    assert "Rules of iptables-legacy can't be seen here: `iptables-legacy -S` shows them." in said


def test_live_ports_are_shortened(capsys: pytest.CaptureFixture[str]) -> None:
    relayed = {50000 + place: 60000 for place in range(20)}
    report([], Opened([443, 3478], relayed, None, {CLIENTS: Counted(3, 2048), PEERS: Counted()})).print_table()
    rows = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"clients +UDP 443, 3478 +3 +2.0 kB", rows[3])
    shown = "50000, 50001, 50002, 50003, 50004, 50005, 50006, 50007 and 12 more"
    assert re.fullmatch(rf"peers, live ports +UDP {shown} +0 +0 bytes", rows[4])


def test_each_transport_has_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    counters = {each: Counted() for each in (CLIENTS, CLIENTS_TCP, PEERS, PEERS_TCP, RANGE_TCP, "by hand")}
    report([], Opened([3478, 5349], {}, RANGE, counters, [5349])).print_table()
    rows = [" ".join(row.split()) for row in capsys.readouterr().out.splitlines()[2:]]
    assert rows == [
        "FROM PORTS PACKETS BYTES",
        "clients UDP 3478, 5349 0 0 bytes",
        "clients TCP 5349 0 0 bytes",
        "peers, live ports UDP, none now 0 0 bytes",
        "peers, live ports TCP, none now 0 0 bytes",
        "peers, all ports TCP 49152-65535 0 0 bytes",
        "by hand 0 0 bytes",
    ]


@pytest.mark.parametrize(
    ("opened", "clients", "peers"),
    [
        (Opened([]), "nothing for clients, who are in local networks only,", "and nothing for peers, who are"),
        (Opened([], counters={PEERS: Counted()}), "nothing for clients, who", "and for peers each relayed port"),
        (Opened([3478], counters={CLIENTS: Counted()}), "UDP 3478 for clients,", "and nothing for peers, who are"),
    ],
)
def test_what_local_networks_alone_reach_is_told(
    opened: Opened, clients: str, peers: str, capsys: pytest.CaptureFixture[str]
) -> None:
    report([], opened).print_opened("")
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"Open in the table inet edgeturn: {clients}") and second.startswith(peers)
    report([], opened).print_table()
    assert ("accepts nothing: only local networks reach the relay." in capsys.readouterr().out) == (not opened.counters)


def test_programs_get_all_of_it() -> None:
    opened = Opened([443, 3478], {50000: 599999}, None, {CLIENTS: Counted(3, 400), CLIENTS_TCP: Counted()}, [443])
    document = json.loads(json.dumps(report(closed(FW4_WAN, CLIENTS), opened).document()))
    assert document["open"] and document["listening_ports"] == [443, 3478] and document["range"] is None
    assert document["listening_tcp_ports"] == [443]
    assert document["relayed_ports"] == [{"port": 50000, "expires_seconds": 599}]
    assert document["counters"] == {
        "clients": {"packets": 3, "bytes": 400, "transport": "udp"},
        "clients_tcp": {"packets": 0, "bytes": 0, "transport": "tcp"},
    }
    (one,) = document["ways"]
    assert one["transport"] == "udp" and one["verdict"] == "closed" and one["obstacles"][0]["chain"] == "handle_reject"
    (remedy,) = document["remedies"]
    assert remedy["service_data"][0]["dest_port"] == "3478" and remedy["service_data"][0]["proto"] == "udp"
    assert report([]).document()["open"] is False


def test_without_pyroute2_it_says_what_brings_it(file: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firewall, "has_pyroute2", lambda: False)
    for name in ("show", "open", "close"):
        assert "pyroute2 is missing" in call("firewall", name, "-c", str(file), code=1)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Unavailable(permitted=False), "by root only (CAP_NET_ADMIN): call this as root: `sudo edgeturn firewall "),
        (Unavailable(permitted=True), "this kernel has no nf_tables: on OpenWrt install the package kmod-nft-core"),
        (NetlinkError(16, "Device or resource busy"), "the kernel's nf_tables refused: Device or resource busy; `nft"),
    ],
)
def test_where_it_cannot_look_it_says_what_to_do(
    error: Exception, expected: str, file: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise error

    monkeypatch.setattr(tables, "Tables", refuse)
    for name in ("show", "open", "close"):
        assert expected in call("firewall", name, "-c", str(file), code=1)


@pytest.mark.parametrize("code", [93, 95, 22, 1])
def test_what_the_kernel_answers_is_understood(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise NetlinkError(code, "")

    monkeypatch.setattr(tables.Tables, "dump", refuse)
    with pytest.raises(Unavailable) as told:
        tables.Tables()
    assert told.value.permitted == (code != 1)


def test_a_kernel_without_netfilter_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(93, "Protocol not supported")

    monkeypatch.setattr(tables, "NetlinkSocket", refuse)
    with pytest.raises(Unavailable) as told:
        tables.Tables()
    assert told.value.permitted


def test_legacy_tables_are_noticed(tmp_path: Path) -> None:
    names = tmp_path / "names"
    names.write_text("filter\nnat\n")
    (tmp_path / "none").write_text("")
    found = [firewall_report.has_rules(str(tmp_path / name)) for name in ("names", "none", "absent")]
    assert found == [True, False, False]


def test_help_and_the_rest_of_the_tool_do_without_pyroute2() -> None:
    program = (
        "import sys; from click.testing import CliRunner; from edgeturn.cli.root import edgeturn;"
        "print(CliRunner().invoke(edgeturn, ['firewall', 'show', '--help']).exit_code, 'pyroute2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert done.stdout == "0 False\n", done.stderr
