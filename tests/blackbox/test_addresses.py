"""Addresses that change by a reload: listeners come and go, relayed addresses move, and nothing else is touched.

That the machine's own addresses change is tests/lab/test_renumbering.py.
"""

import socket
from pathlib import Path

from tests.blackbox.client import CHANNEL, WANT_IPV6, Client
from tests.blackbox.conftest import Bind, NewClient, NewPeer, StartRelay
from tests.blackbox.kernel import Kernel, between
from tests.blackbox.relay import HOST, HOST6, Address, Relay, Value, free_port, until

OTHER, THIRD, FOREIGN = "127.0.0.9", "127.0.0.10", "192.0.2.77"
RETRIED = 3.0  # seconds; tried again each second
LARGE, FIRST_PORT = 300, 49152
ANNOUNCED = ("192.0.2.1", "192.0.2.2")


def reload(relay: Relay, **settings: Value) -> list[str]:
    """Apply other settings; return which."""
    relay.configure(**settings)
    answer = relay.command("reload")
    assert answer["needs_restart"] == [], answer
    applied: list[str] = answer["applied"]
    return applied


def places(relay: Relay, *hosts: str) -> list[str]:
    return [f"[{host}]:{relay.port}" if ":" in host else f"{host}:{relay.port}" for host in hosts]


def listening(relay: Relay) -> list[str]:
    found: list[str] = relay.status()["listening"]
    return sorted(found)


def is_carried(relay: Relay, new_client: NewClient, new_peer: NewPeer, relayed_ip: str) -> Address:
    """Let somebody new talk to somebody through an address; return the relayed transport address."""
    client, peer = new_client(relay), new_peer()
    relayed = client.allocate().relayed[0]
    assert relayed[0] == relayed_ip and client.bind(CHANNEL, peer.address) == 0
    client.channel(CHANNEL, b"up")
    assert peer.receive() == (b"up", relayed)
    peer.send(relayed, b"down")
    assert client.receive().data == b"down"
    return relayed


def test_a_listener_is_opened_and_another_closed(relay: Relay, new_client: NewClient) -> None:
    kept, ending = new_client(relay), new_client(relay, at=HOST6)
    assert kept.allocate().code == 0 and ending.allocate().code == 0
    assert reload(relay, listen=places(relay, HOST, OTHER)) == ["listen"]
    assert listening(relay) == sorted(places(relay, HOST, OTHER))
    assert relay.logged("addresses-changed", f"listening={','.join(sorted(places(relay, HOST, OTHER)))}")
    assert new_client(relay, at=OTHER).allocate().code == 0
    assert kept.refresh(600).code == 0
    assert len(relay.sessions()) == 2
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as free:
        free.bind((HOST6, relay.port))


def test_a_place_that_is_taken_is_opened_once_it_is_free(relay: Relay, new_client: NewClient) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((OTHER, relay.port))
        relay.configure(listen=places(relay, HOST, OTHER))
        assert f"can't listen on {OTHER}:{relay.port}" in relay.command("reload")["not_listening"][0]
        relay.logged("warning", f"can't listen on {OTHER}:{relay.port}", "trying again each second")
        assert listening(relay) == places(relay, HOST)
        assert new_client(relay).binding().code == 0
    until(lambda: listening(relay) == sorted(places(relay, HOST, OTHER)), "it listens there too", RETRIED)
    assert len(relay.log("can't listen on")) == 1
    assert new_client(relay, at=OTHER).binding().code == 0


def test_allocations_stay_on_an_address_that_is_no_longer_chosen(
    relay: Relay, new_client: NewClient, new_peer: NewPeer
) -> None:
    client, peer = new_client(relay), new_peer()
    relayed = client.allocate().relayed[0]
    assert client.bind(CHANNEL, peer.address) == 0
    assert reload(relay, relay_address=[OTHER, HOST6]) == ["relay_address"]
    is_carried(relay, new_client, new_peer, OTHER)
    peer.send(relayed, b"down")
    assert client.receive().data == b"down"
    assert client.refresh(0).code == 0
    assert {is_carried(relay, new_client, new_peer, OTHER)[0] for _ in range(7)} == {OTHER}  # with the last, all eight
    assert relay.status()["relay_addresses"] == [OTHER, HOST6]


def test_relays_talk_to_each_other_across_a_change(relay: Relay, new_client: NewClient) -> None:
    """What lives on the former address is a relayed address of ours still, and open to peers as such."""
    alice, bob = new_client(relay), new_client(relay, "bob")
    old = alice.allocate().relayed[0]
    reload(relay, relay_address=[OTHER, HOST6], allow_peer=["198.51.100.0/24"])
    new = bob.allocate().relayed[0]
    assert (old[0], new[0]) == (HOST, OTHER)
    assert [alice.bind(CHANNEL, new), bob.bind(CHANNEL, old)] == [0, 0]
    alice.channel(CHANNEL, b"to bob")
    assert bob.receive().data == b"to bob"
    bob.channel(CHANNEL, b"to alice")
    assert alice.receive().data == b"to alice"


def test_what_was_announced_wrongly_ends(start: StartRelay, new_client: NewClient, new_peer: NewPeer) -> None:
    relay = start(external_address=[f"{HOST}={ANNOUNCED[0]}"])
    four, six = new_client(relay), new_client(relay)
    assert four.allocate().relayed[0][0] == ANNOUNCED[0] and six.allocate(WANT_IPV6).code == 0
    assert reload(relay, external_address=[f"{HOST}={ANNOUNCED[1]}"]) == ["external_address"]
    relay.logged("freed", f"relayed={ANNOUNCED[0]}:", "reason=address-gone")
    assert four.refresh(600).code == 437 and six.refresh(600).code == 0
    assert {new_client(relay).allocate().relayed[0][0] for _ in range(8 - 1)} == {ANNOUNCED[1]}


def test_addresses_announced_as_one_are_refused(start: StartRelay) -> None:
    relay = start(relay_address=[HOST])
    relay.configure(relay_address=[HOST, OTHER], external_address=[ANNOUNCED[0]])
    answer = relay.control({"command": "reload"})
    assert not answer["ok"] and "each relayed address needs one of its own" in answer["error"], answer


def test_a_family_without_a_pool_needs_a_restart(start: StartRelay, new_client: NewClient) -> None:
    relay = start(relay_address=[HOST])
    relay.configure(relay_address=[HOST, HOST6])
    assert relay.command("reload")["needs_restart"] == ["relay_address"]
    assert new_client(relay).allocate(WANT_IPV6).code == 440


def test_an_address_that_is_not_there_keeps_no_other_from_working(
    start: StartRelay, new_client: NewClient, new_peer: NewPeer
) -> None:
    """RFC 8656 leaves the choice to the server: all of the pool lives on the address that is there."""
    relay = start(relay_address=[HOST, FOREIGN])
    relay.configure(listen=places(relay, HOST, FOREIGN))
    relay.command("reload")
    relay.logged("warning", f"can't listen on {FOREIGN}:{relay.port}")
    assert listening(relay) == places(relay, HOST)
    assert {new_client(relay).allocate().relayed[0][0] for _ in range(8)} == {HOST}
    assert new_client(relay).allocate().code == 508


def test_several_addresses_share_the_pool(relay: Relay, new_client: NewClient) -> None:
    reload(relay, relay_address=[OTHER, THIRD])
    used = [new_client(relay).allocate().relayed[0][0] for _ in range(8)]
    assert (used.count(OTHER), used.count(THIRD)) == (4, 4)


def test_a_large_pool_moves_whole(start: StartRelay) -> None:
    """Only so many sockets are opened in one turn of the loop; the next turns come at once."""
    few: dict[str, Value] = {"max_permissions": 1, "max_channels": 1, "max_connections": 1, "log_level": "info"}
    relay = start(max_allocations=LARGE, relay_address=[HOST], **few)
    assert sockets_at(HOST) >= LARGE
    reload(relay, relay_address=[OTHER])
    until(lambda: sockets_at(OTHER) == LARGE, "all of them", 1.0)


def sockets_at(host: str) -> int:
    """Return how many UDP sockets of this machine are bound to an address, in ports of relays."""
    rows = [line.split()[1].split(":") for line in Path("/proc/net/udp").read_text().splitlines()[1:]]
    own = socket.inet_aton(host)[::-1].hex().upper()
    return sum(ip == own and int(port, 16) >= FIRST_PORT for ip, port in rows)


# The kernel path.


def test_the_kernel_carries_on_only_what_stays(
    kernel: Kernel, start: StartRelay, new_client: NewClient, new_peer: NewPeer
) -> None:
    relay = start(**kernel.settings(external_address=[f"{HOST}={ANNOUNCED[0]}"]))
    four, six, peer, peer6 = new_client(relay), new_client(relay), new_peer(), new_peer(HOST6)
    four.allocate()
    relayed6 = six.allocate(WANT_IPV6).relayed[0]
    assert four.bind(CHANNEL, peer.address) == 0 and six.bind(CHANNEL, peer6.address) == 0
    assert len(kernel.flows()) == 4
    reload(relay, external_address=[f"{HOST}={ANNOUNCED[1]}"])
    assert kernel.ways() == between(relay, six, relayed6, peer6.address)
    assert kernel.ports() == {relay.port, relayed6[1]}


def test_the_kernel_learns_of_listeners(
    kernel: Kernel, start: StartRelay, new_client: NewClient, new_peer: NewPeer
) -> None:
    relay = start(**kernel.settings())
    client, peer = new_client(relay, at=HOST6), new_peer()
    assert client.allocate().code == 0 and client.bind(CHANNEL, peer.address) == 0
    other = free_port()
    reload(relay, listen=[*places(relay, HOST), f"{OTHER}:{other}"])
    assert kernel.flows() == {} and kernel.ports() == {relay.port, other}
    there = Client((OTHER, other))
    relayed = there.allocate().relayed[0]
    assert there.bind(CHANNEL, peer.address) == 0
    assert kernel.ways()[relayed, peer.address, 0] == ((OTHER, other), there.address, CHANNEL)
    reload(relay, listen=places(relay, HOST))
    there.close()
    assert kernel.flows() == {} and kernel.ports() == {relay.port}


def test_what_a_relay_before_left_ends_with_its_listener(kernel: Kernel, start: StartRelay, bound: Bind) -> None:
    before, _, _, _ = bound(kernel)
    before.process.kill()
    before.ended()
    relay = start(**kernel.settings(listen=before.settings["listen"]))
    assert relay.status()["kernel"]["orphans"] == 1 and len(kernel.flows()) == 2
    relay.port = before.port
    reload(relay, relay_address=[OTHER, HOST6])
    assert relay.status()["kernel"]["orphans"] == 1
    reload(relay, listen=places(relay, HOST6))
    assert relay.status()["kernel"]["orphans"] == 0 and kernel.flows() == {}
