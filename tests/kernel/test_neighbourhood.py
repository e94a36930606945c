"""
What only local networks reach has no rule in our table; everything else has.

    client ──lan── 10.0.7.1  router  10.0.8.1 ──wan── 198.51.100.11, the default route

The table is made in the router's namespace, as `edgeturn firewall open` makes it.
"""

from collections.abc import Iterator

import pytest

from edgeturn.kernel.firewall import own, ways
from edgeturn.kernel.firewall.tables import Tables
from edgeturn.relay.configuration import Configuration
from tests.kernel.lab.topology import HOST, Line, Node
from tests.lab.network import PEERS
from tests.lab.programs import why_no_namespaces


@pytest.fixture(scope="module")
def router() -> Iterator[Node]:
    """A router with a private address on each side beside its others, behind another one."""
    lacking = why_no_namespaces()
    if lacking:
        pytest.skip(lacking)
    with Line() as made:
        made.relay.ip("address", "add", "10.0.7.1/24", "dev", "lan")
        made.relay.ip("address", "add", "fd00:7::1/64", "dev", "lan", "nodad")
        made.relay.ip("address", "add", "10.0.8.1/24", "dev", "wan")
        made.relay.ip("route", "add", "default", "via", PEERS.address(4, HOST))
        yield made.relay


def listen(*places: str, relay: str = "") -> str:
    lines = [f"\tlist listen '{place}'\n" for place in places]
    return "".join([*lines, f"\tlist relay_address '{relay}'\n" if relay else ""])


TLS = "\toption certificate '/a.pem'\n\toption key '/b.pem'\n"

# What is written, the ports of clients in the table over UDP and TCP, and the rules that are there.
BOTH, ALL = ["clients", "clients_tcp"], ["clients", "clients_tcp", "peers"]
FAR: tuple[tuple[str, list[int], list[int], list[str]], ...] = (
    (listen("10.0.7.1"), [], [], ["peers"]),
    (listen("10.0.7.1", "[fd00:7::1]") + TLS, [], [], ["peers"]),
    (listen("10.0.7.1", "198.51.100.1:443"), [443], [443], ALL),
    (listen("10.0.7.1", "10.0.8.1:443"), [443], [443], ALL),  # behind another NAT
    (listen("10.0.7.1", "10.0.9.1:443"), [443], [443], ALL),  # not there yet
    (listen("10.0.7.1", "192.0.2.1"), [3478], [3478], ALL),
    (listen("10.0.7.1") + "\toption discovery '1'\n", [], [], ["peers"]),
    (listen("10.0.7.1", relay="10.0.7.1"), [], [], []),
    (listen("10.0.7.1", relay="10.0.7.1") + "\toption tcp_relay '1'\n\toption user 'nobody'\n", [], [], []),
    (listen(relay="10.0.7.1"), [3478], [3478], BOTH),
    (listen("127.0.0.1", relay="10.0.8.1"), [], [], ["peers"]),
)


def opened(router: Node, lines: str) -> own.Opened:
    """Open a table for a configuration in the router's namespace; return what is in it."""
    settings = Configuration(f"config relay\n{lines}", "edgeturn.conf")
    with router.entered(), Tables() as link:
        own.open_table(link, "edgeturn-far", ways.opened(settings), (50000, 50999) if "user" in lines else None)
        found = own.read_table(link, "edgeturn-far")
    assert found is not None
    return found


@pytest.mark.parametrize(("lines", "udp", "tcp", "named"), FAR)
def test_what_local_networks_alone_reach_has_no_rule(
    lines: str, udp: list[int], tcp: list[int], named: list[str], router: Node
) -> None:
    found = opened(router, lines)
    assert (found.listening, found.listening_tcp, list(found.counters), found.ports) == (udp, tcp, named, None)


@pytest.mark.parametrize(("route", "ports"), [("10.0.0.0/9", []), ("default", [3478])])
def test_a_default_route_of_any_table_leads_outside(route: str, ports: list[int], router: Node) -> None:
    way = [route, "via", "10.0.7.2", "dev", "lan", "table", "7"]
    router.ip("route", "add", *way)
    found = opened(router, listen("10.0.7.1"))
    router.ip("route", "del", *way)
    assert found.listening == ports
