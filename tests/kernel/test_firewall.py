"""
Our own table in nftables, made by the tool and filled by the relay, beside others' tables that stay as they are.

    client  192.0.2.11 ──lan── 192.0.2.1  router  198.51.100.1 ──wan── 198.51.100.11  peer
                                          the relay, its table, and a firewall

Everything is typed as a person types it, in the router's namespace; what `nft` lists there is what counts.
"""

import json
import os
import re
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeturn.kernel.firewall.tables import Tables, Unavailable
from edgeturn.kernel.maps import instance
from tests.blackbox.client import Client
from tests.blackbox.relay import REALM
from tests.blackbox.tcp_relay import Control
from tests.kernel.lab.topology import HOST, ROUTER, Line, Node
from tests.kernel.rulesets import FIREWALLS
from tests.lab.network import CLIENTS, PEERS
from tests.lab.programs import why_no_namespaces
from tests.lab.relay import PASSWORD, PORT, USER, Options, Relay, running
from tools.suite import MICROPYTHON, ROOT

Type = Callable[..., str]

NOBODY = 65534
INTERPRETERS = {"cpython": [sys.executable], "micropython": [str(MICROPYTHON), "-X", "heapsize=16m"]}
FOREIGN = """
table inet theirs {
    set relayed { type inet_service; elements = { 1, 2 }; }
    chain input { type filter hook input priority -10; policy accept; udp dport @relayed counter drop; }
}
table ip edgeturn {
    chain input { type filter hook input priority 0; policy accept; }
}
"""


@pytest.fixture(scope="module")
def line() -> Iterator[Line]:
    lacking = why_no_namespaces()
    if lacking:
        pytest.skip(lacking)
    with Line() as made:
        made.relay.ip("route", "add", "default", "via", PEERS.address(4, HOST))
        yield made


@pytest.fixture
def router(line: Line) -> Node:
    """The router, with no rules."""
    line.relay.nft("flush ruleset")
    return line.relay


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A configuration that no relay runs with."""
    path = tmp_path / "other.conf"
    path.write_text(f"config relay 'main'\n\toption control '{tmp_path}/other.sock'\n")
    return path


@pytest.fixture
def typed(router: Node) -> Type:
    """Type a command of the tool at the router's shell; return what it prints."""

    def typed(*words: str, file: Path, code: int = 0) -> str:
        python = ["env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "edgeturn"]
        done = router.run([*python, *words, "-c", str(file)], 60)
        assert done.returncode == code and "Traceback" not in done.stdout, done.stdout
        return done.stdout

    return typed


def options(**others: str | list[str]) -> Options:
    return {"realm": REALM} | others


def listed(router: Node, *what: str) -> str:
    """Return what nft lists, without what counts and runs down."""
    text = router.run(["nft", "list", *(what or ("ruleset",))], 10).stdout
    return re.sub(r"packets \d+ bytes \d+|(timeout|expires) [\w]+", r"\1", text)


def table_of(file: Path) -> str:
    """Return the name of our table for a relay."""
    (control,) = re.findall(r"option control '(.+)'", file.read_text())
    return instance(control)


def live(router: Node, file: Path) -> dict[int, int]:
    """Return the relayed ports that are open, each with the seconds that it has left."""
    answer = router.run(["nft", "-j", "list", "set", "inet", table_of(file), "relayed"], 10).stdout
    (found,) = [each["set"] for each in json.loads(answer)["nftables"] if "set" in each]
    return {each["elem"]["val"]: each["elem"]["expires"] for each in found.get("elem", [])}


def shown(typed: Type, file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(typed("firewall", "show", "--json", file=file))
    return found


def client_of(line: Line) -> Client:
    with line.client.entered():
        return Client((CLIENTS.address(4, ROUTER), PORT), USER, PASSWORD, CLIENTS.address(4, HOST))


def tcp_client_of(line: Line) -> Control:
    with line.client.entered():
        return Control((CLIENTS.address(4, ROUTER), PORT), USER, PASSWORD, CLIENTS.address(4, HOST))


def place(relay: Relay) -> Path:
    return relay.folder / "edgeturn.conf"


# The table.


def test_open_makes_the_table_and_close_leaves_nothing(router: Node, typed: Type, file: Path) -> None:
    said = typed("firewall", "open", file=file)
    name = table_of(file)
    assert f"Open in the table inet {name}: UDP 3478 and TCP 3478 for clients," in said
    assert listed(router) == OWN_TABLE.replace("NAME", name)
    assert typed("firewall", "close", file=file) == f"Removed the table inet {name}.\n"
    assert listed(router) == ""
    assert typed("firewall", "close", file=file) == f"There is no table inet {name}.\n"
    assert json.loads(typed("firewall", "close", "--json", file=file)) == {"table": name, "removed": False}


OWN_TABLE = """table inet NAME {
	set listening {
		type inet_service
		elements = { 3478 }
	}

	set listening_tcp {
		type inet_service
		elements = { 3478 }
	}

	set relayed {
		type inet_service
		flags timeout
	}

	chain input {
		type filter hook input priority filter; policy accept;
		udp dport @listening counter  accept comment "clients"
		tcp dport @listening_tcp counter  accept comment "clients_tcp"
		udp dport @relayed counter  accept comment "peers"
	}
}
"""

# As edgeturn made it before it knew TCP.
OLD_TABLE = """table inet NAME {
	set listening { type inet_service; elements = { 3478 }; }
	set relayed { type inet_service; flags timeout; elements = { 50000 timeout 1h }; }
	chain input {
		type filter hook input priority filter; policy accept;
		udp dport @listening counter accept comment "clients"
		udp dport @relayed counter accept comment "peers"
	}
}
"""


def rules(router: Node, file: Path) -> dict[str, str]:
    """Return the conditions of our table's rules by their comments."""
    table = listed(router, "table", "inet", table_of(file))
    return {
        comment: rule for rule, comment in re.findall(r"^\t\t(.+) counter .*comment \"(.+)\"$", table, re.MULTILINE)
    }


def test_others_tables_stay_as_they_are(router: Node, typed: Type, file: Path) -> None:
    router.nft(FOREIGN)
    before = listed(router)
    for words in (("open",), ("show",), ("open",), ("show", "--json")):
        typed("firewall", *words, file=file)
        assert before in listed(router)
    typed("firewall", "close", file=file)
    assert listed(router) == before


def test_opening_again_changes_nothing(router: Node, typed: Type, file: Path) -> None:
    typed("firewall", "open", file=file)
    handles = router.run(["nft", "-a", "list", "ruleset"], 10).stdout
    typed("firewall", "open", file=file)
    assert router.run(["nft", "-a", "list", "ruleset"], 10).stdout == handles


def test_another_configuration_makes_it_anew_with_the_live_ports(router: Node, typed: Type, file: Path) -> None:
    typed("firewall", "open", file=file)
    router.nft(f"add element inet {table_of(file)} relayed {{ 50000 timeout 1h }}")
    file.write_text(file.read_text() + "\tlist listen '192.0.2.1:3478'\n\tlist listen '198.51.100.1:443'\n")
    assert "UDP 443, 3478 and TCP 443, 3478 for clients" in typed("firewall", "open", file=file)
    assert shown(typed, file)["listening_ports"] == [443, 3478] == shown(typed, file)["listening_tcp_ports"]
    assert 3500 < live(router, file)[50000] <= 3600


def test_two_relays_have_a_table_each(router: Node, typed: Type, file: Path, tmp_path: Path) -> None:
    second = tmp_path / "second.conf"
    second.write_text(f"config relay 'main'\n\toption control '{tmp_path}/second.sock'\n")
    typed("firewall", "open", file=file)
    mine = listed(router)
    typed("firewall", "open", file=second)
    typed("firewall", "close", file=second)
    assert listed(router) == mine


def test_where_the_relay_may_not_write_the_whole_range_is_open(router: Node, typed: Type, file: Path) -> None:
    file.write_text(file.read_text() + "\toption user 'nobody'\n\toption relay_ports '50000-50999'\n")
    said = typed("firewall", "open", file=file)
    assert json.loads(typed("firewall", "open", "--json", file=file))["unfollowed"]
    assert "all of 50000-50999" in said and "it becomes user 'nobody' (option `user`)" in said
    assert 'udp dport 50000-50999 counter  accept comment "range"' in listed(router)
    assert shown(typed, file)["range"] == [50000, 50999]
    file.write_text(file.read_text().replace("\toption user 'nobody'\n", ""))
    typed("firewall", "open", file=file)
    assert shown(typed, file)["range"] is None and '"range"' not in listed(router)


def test_a_table_of_an_older_version_is_replaced_with_the_live_ports(router: Node, typed: Type, file: Path) -> None:
    router.nft(OLD_TABLE.replace("NAME", table_of(file)))
    before = shown(typed, file)
    assert before["open"] and not before["listening_tcp_ports"] and list(before["counters"]) == ["clients", "peers"]
    typed("firewall", "open", file=file)
    assert rules(router, file)["clients_tcp"] == "tcp dport @listening_tcp"
    assert 3500 < live(router, file)[50000] <= 3600


@pytest.mark.parametrize(
    ("lines", "udp", "tcp"),
    [
        ("\toption tcp '0'\n", [3478], []),
        ("\toption tcp '0'\n\toption certificate '/a.pem'\n\toption key '/b.pem'\n", [3478, 5349], [5349]),
        ("\tlist listen_tls '0.0.0.0:443'\n\toption certificate '/a'\n\toption key '/b'\n", [443, 3478], [443, 3478]),
    ],
)
def test_tcp_is_open_where_it_is_served(
    lines: str, udp: list[int], tcp: list[int], router: Node, typed: Type, file: Path
) -> None:
    file.write_text(file.read_text() + lines)
    typed("firewall", "open", file=file)
    found = shown(typed, file)
    assert (found["listening_ports"], found["listening_tcp_ports"]) == (udp, tcp)
    ways = {(way["transport"], way["ports"][0]) for way in found["ways"] if way["from"] == "clients"}
    assert ways == {("udp", port) for port in udp} | {("tcp", port) for port in tcp}
    assert ("clients_tcp" in rules(router, file)) == bool(tcp)
    handles = router.run(["nft", "-a", "list", "ruleset"], 10).stdout
    typed("firewall", "open", file=file)
    assert router.run(["nft", "-a", "list", "ruleset"], 10).stdout == handles


def test_other_ports_of_tcp_alone_make_it_anew(router: Node, typed: Type, file: Path) -> None:
    file.write_text(file.read_text() + "\toption certificate '/a.pem'\n\toption key '/b.pem'\n")
    typed("firewall", "open", file=file)
    before = shown(typed, file)
    file.write_text(file.read_text() + "\toption tcp '0'\n")
    typed("firewall", "open", file=file)
    after = shown(typed, file)
    assert before["listening_ports"] == after["listening_ports"] == before["listening_tcp_ports"] == [3478, 5349]
    assert after["listening_tcp_ports"] == [5349]


def test_peers_get_in_over_tcp_with_tcp_relay(router: Node, typed: Type, file: Path) -> None:
    typed("firewall", "open", file=file)
    assert "peers_tcp" not in rules(router, file)
    assert {way["transport"] for way in shown(typed, file)["ways"] if way["from"] == "peers"} == {"udp"}
    file.write_text(file.read_text() + "\toption tcp_relay '1'\n\toption user 'nobody'\n")
    assert "for peers, over UDP and TCP, all of 49152-65535" in typed("firewall", "open", file=file)
    assert {comment: rules(router, file)[comment] for comment in ("peers_tcp", "range_tcp")} == {
        "peers_tcp": "tcp dport @relayed",
        "range_tcp": "tcp dport 49152-65535",
    }
    assert {way["transport"] for way in shown(typed, file)["ways"] if way["from"] == "peers"} == {"udp", "tcp"}


# The relay that runs.


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_the_table_follows_what_clients_have(
    interpreter: str, line: Line, router: Node, typed: Type, tmp_path: Path
) -> None:
    with running(INTERPRETERS[interpreter], router, tmp_path, options()) as relay:
        first, second = client_of(line), client_of(line)
        ((_, old),) = first.allocate().relayed
        said = typed("firewall", "open", file=place(relay))
        assert "each relayed port while it is given to a client, 1 port now" in said
        assert list(live(router, place(relay))) == [old]
        ((_, new),) = second.allocate().relayed
        assert sorted(live(router, place(relay))) == sorted([old, new])
        first.refresh(3000)
        assert live(router, place(relay))[old] > 2900 and live(router, place(relay))[new] <= 600
        first.refresh(0)
        assert list(live(router, place(relay))) == [new]
        assert [each["port"] for each in shown(typed, place(relay))["relayed_ports"]] == [new]
        router.nft("flush ruleset")
        second.refresh(700)
        typed("firewall", "open", file=place(relay))
        assert list(live(router, place(relay))) == [new]


def test_packets_are_counted_where_they_belong(line: Line, router: Node, typed: Type, tmp_path: Path) -> None:
    with running([sys.executable], router, tmp_path, options()) as relay:
        typed("firewall", "open", file=place(relay))
        client = client_of(line)
        (relayed,) = client.allocate().relayed
        with line.peer.udp((PEERS.address(4, HOST), 0)) as peer:
            client.permit(peer.getsockname())
            counted = shown(typed, place(relay))["counters"]
            assert counted["clients"]["packets"] == 3 and counted["peers"]["packets"] == 0
            for _ in range(5):
                peer.sendto(bytes(100), relayed)
                assert client.receive().data == bytes(100)
        counted = shown(typed, place(relay))["counters"]
        assert counted["peers"] == {"packets": 5, "bytes": 5 * 128, "transport": "udp"}
        table = typed("firewall", "show", file=place(relay))
        assert re.search(rf"^peers, live ports +UDP {relayed[1]} +5 +640 bytes$", table, re.MULTILINE), table


def test_connections_are_counted_where_they_belong(line: Line, router: Node, typed: Type, tmp_path: Path) -> None:
    with running([sys.executable], router, tmp_path, options(tcp_relay="1")) as relay:
        typed("firewall", "open", file=place(relay))

        def grown() -> set[str]:
            """Return what has counted anything since the last time."""
            counted = {name: each["packets"] for name, each in shown(typed, place(relay))["counters"].items()}
            names = {name for name in counted if counted[name] > before.get(name, 0)}
            before.update(counted)
            return names

        before: dict[str, int] = {}
        assert not grown()
        client = tcp_client_of(line)
        relayed = client.allocate_tcp()
        peer = (PEERS.address(4, HOST), 0)
        client.permit(peer)
        assert grown() == {"clients_tcp"}
        with line.peer.entered(), socket.create_connection(relayed, 5, peer) as far:
            assert client.attempt()[0] == far.getsockname()
            assert grown() == {"clients_tcp", "peers_tcp"}
        client.close()


def test_a_relay_that_dies_leaves_ports_that_end(line: Line, router: Node, typed: Type, tmp_path: Path) -> None:
    settings = options(default_lifetime="60")
    killed = pytest.raises(AssertionError, match="ended by itself with -9")
    with killed, running([sys.executable], router, tmp_path, settings) as relay:
        typed("firewall", "open", file=place(relay))
        ((_, port),) = client_of(line).allocate().relayed
        relay.process.send_signal(signal.SIGKILL)
        relay.process.wait(10)
        assert 0 < live(router, place(relay))[port] <= 60


def test_a_relay_without_rights_leaves_the_range_open(line: Line, router: Node, typed: Type, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with running([sys.executable], router, tmp_path, options(user="nobody", log_level="debug")) as relay:
        client = client_of(line)
        client.allocate()
        said = typed("firewall", "open", file=place(relay))
        assert "all of 49152-65535" in said and "it runs as user 'nobody' (option `user`)" in said
        client.refresh(3000)
        assert not live(router, place(relay))
        assert relay.log.count("unfollowed") == 2 and "reason='not permitted'" in relay.log


# Others in the way.


def reaches(client: Client) -> bool:
    """Tell whether the relay answers."""
    client.sock.settimeout(0.5)
    try:
        return client.binding().code == 0
    except TimeoutError:
        return False


def test_the_rule_that_is_told_lets_everybody_in(line: Line, router: Node, typed: Type, tmp_path: Path) -> None:
    router.nft("table inet theirs {\n chain input { type filter hook input priority -10; policy drop; }\n}\n")
    with running([sys.executable], router, tmp_path, options(tcp_relay="1")) as relay:
        assert "no (inet theirs input, policy drop)" in typed("firewall", "open", file=place(relay))
        client = client_of(line)
        assert not reaches(client)
        said = typed("firewall", "show", file=place(relay))
        with pytest.raises(TimeoutError):
            connect(line)
        for transport in ("udp", "tcp"):
            (command,) = re.findall(rf"^  (nft .+ {transport} .+)$", said, re.MULTILINE)
            assert router.run(["sh", "-c", command], 10).returncode == 0
        assert reaches(client)
        connect(line)
        assert "Nothing here is in the way" in typed("firewall", "show", file=place(relay))
        (relayed,) = client.allocate().relayed
        with line.peer.udp((PEERS.address(4, HOST), 0)) as stranger:
            client.permit(stranger.getsockname())
            stranger.sendto(b"first", relayed)
            assert client.receive().data == b"first"
        control = tcp_client_of(line)
        relayed = control.allocate_tcp()
        control.permit((PEERS.address(4, HOST), 0))
        with line.peer.entered(), socket.create_connection(relayed, 5) as far:
            assert control.attempt()[0] == far.getsockname()
        control.close()


def connect(line: Line) -> None:
    """Connect to the relay; TimeoutError where that isn't let in."""
    with line.client.entered():
        socket.create_connection((CLIENTS.address(4, ROUTER), PORT), 0.5).close()


@pytest.mark.parametrize("name", [name for name, each in FIREWALLS.items() if each.text])
def test_each_firewall_is_told_in_its_own_words(name: str, router: Node, typed: Type, file: Path) -> None:
    file.write_text("config relay 'main'\n")  # the default relay: its name is in the commands
    router.nft(FIREWALLS[name].rules())
    said = typed("firewall", "show", file=file)
    assert FIREWALLS[name].told and all(each in said for each in FIREWALLS[name].told)
    rows = [row.split() for row in said.splitlines() if row.startswith(("lan ", "wan "))]
    verdicts = {(row[0], " ".join(row[3:5])): " ".join(row[5:]) for row in rows}
    for ports in ("UDP 3478", "TCP 3478"):
        assert verdicts["lan", ports] == "yes" and verdicts["wan", ports].startswith("no (")
    assert verdicts["wan", "UDP 49152-65535"].startswith("only answers (")


def test_a_peer_that_cannot_connect_is_told(router: Node, typed: Type, file: Path) -> None:
    file.write_text(file.read_text() + "\toption tcp_relay '1'\n")
    router.nft(FIREWALLS["nftables"].rules())
    said = typed("firewall", "show", file=file)
    text = "Only answers over TCP: clients can connect to peers, and peers can't connect to clients."
    assert text in " ".join(said.split())
    assert re.search(r"^wan +198.51.100.1 +peers +TCP 49152-65535 +only answers \(", said, re.MULTILINE)
    assert "tcp dport { 3478, 49152-65535 } accept" in said


def test_a_relay_of_the_loopback_has_nothing_in_its_way(router: Node, typed: Type, file: Path) -> None:
    router.nft(FIREWALLS["nftables"].rules())
    file.write_text(file.read_text() + "\tlist listen '127.0.0.1'\n\tlist relay_address '127.0.0.1'\n")
    assert "Only the loopback is listened on" in typed("firewall", "show", file=file)


def test_who_is_not_permitted_is_told_apart(router: Node) -> None:
    with router.entered():
        os.seteuid(NOBODY)
        try:
            with pytest.raises(Unavailable) as told:
                Tables()
        finally:
            os.seteuid(0)
    assert not told.value.permitted
