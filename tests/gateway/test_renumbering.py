"""The provider gives the router another IPv4 address under a call: what lived on the old one ends, the rest goes on."""

from collections.abc import Iterator

import pytest

from edgeturn.protocol import stun
from tests.blackbox.client import CHANNEL, WANT_IPV6
from tests.gateway.router import Router
from tests.lab.network import PEER, PEERS, wait_until
from tests.lab.relay import relay_address

OLD, OLD_GATEWAY = relay_address(4), PEERS.address(4, PEER)
NEW, NEW_GATEWAY = "203.0.113.1", "203.0.113.11"
NOTICED_WITHIN = 10.0


def renumber(router: Router, taken: str, given: str, gateway: str) -> None:
    """Move the router as DHCP does: the old address goes, then the new one comes with its route."""
    router.told(f"ip address del {taken}/24 dev wan")
    router.told(f"ip address add {given}/24 dev wan && ip route replace default via {gateway}")


@pytest.fixture
def two_providers(router: Router) -> Iterator[Router]:
    """The router, while the internet has a gateway for its new address too."""
    router.network.peer.namespace.ip("address", "add", f"{NEW_GATEWAY}/24", "dev", "uplink")
    yield router
    if f" {OLD}/" not in router.told("ip -4 address show dev wan"):
        renumber(router, NEW, OLD, OLD_GATEWAY)
        wait_until(lambda: relays_from(router, OLD), "the old address is back", NOTICED_WITHIN, every=0.5)
    router.network.peer.namespace.ip("address", "delete", f"{NEW_GATEWAY}/24", "dev", "uplink")


def relays_from(router: Router, place: str) -> bool:
    return place in router.status()["relay_addresses"]


def test_the_wan_address_changes_under_a_call(two_providers: Router) -> None:
    router = two_providers
    peer, peer6 = router.peer(OLD_GATEWAY), router.peer(PEERS.address(6, PEER))
    four, six = router.client(), router.client()
    try:
        relayed, relayed6 = four.allocate().relayed[0], six.allocate(WANT_IPV6).relayed[0]
        assert relayed[0] == OLD
        assert four.bind(CHANNEL, peer.address) == six.bind(CHANNEL, peer6.address) == 0
        four.channel(CHANNEL, b"up")
        assert peer.receive() == (b"up", relayed)

        renumber(router, OLD, NEW, NEW_GATEWAY)
        wait_until(lambda: relays_from(router, NEW), "the new address is relayed from", NOTICED_WITHIN, every=0.5)
        wait_until(lambda: len(router.sessions()) == 1, "the old one has ended", NOTICED_WITHIN, every=0.5)
        six.channel(CHANNEL, b"goes on")
        assert peer6.receive() == (b"goes on", relayed6)
        peer6.send(relayed6, b"both ways")
        assert six.receive().data == b"both ways"

        four.forget()
        assert four.refresh(600).code == 437
        anew, there = four.allocate().relayed[0], router.peer(NEW_GATEWAY)
        assert anew[0] == NEW and four.bind(CHANNEL, there.address) == 0
        four.channel(CHANNEL, b"again")
        assert there.receive() == (b"again", anew)
        there.close()
        assert six.request(stun.REFRESH).code == 0
    finally:
        for each in (four, six, peer, peer6):
            each.close()


def test_calls_on_the_new_address_are_in_the_kernel(two_providers: Router) -> None:
    router = two_providers
    renumber(router, OLD, NEW, NEW_GATEWAY)
    wait_until(lambda: relays_from(router, NEW), "the new address is relayed from", NOTICED_WITHIN, every=0.5)
    peer, client = router.peer(NEW_GATEWAY), router.client()
    try:
        relayed = client.allocate().relayed[0]
        assert client.bind(CHANNEL, peer.address) == 0
        before = router.traffic()
        for number in range(20):
            client.channel(CHANNEL, b"%d" % number)
            assert peer.receive() == (b"%d" % number, relayed)
        assert router.traffic()["kernel_packets"] - before["kernel_packets"] == 20
    finally:
        client.close()
        peer.close()
