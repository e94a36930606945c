"""Relayed ports: from the range, unpredictable (RFC 6056), changed after use, never two owners, nothing old in them."""

import itertools
import os
import signal
import statistics
from contextlib import suppress
from pathlib import Path

from edgeturn.protocol import stun
from tests.blackbox.client import EVEN_AND_NEXT, REQUESTED_UDP, WANT_BOTH, Client, encode
from tests.blackbox.conftest import NewClient, NewPeer, StartRelay
from tests.blackbox.relay import HOST, Address, Relay, until

FIRST, LAST = 49152, 65535


def bound_ports(relay: Relay) -> dict[int, int]:
    """Return the IPv4 ports that the relay's process has, each with the bytes that wait there (proc(5), net/udp)."""
    inodes = open_sockets(relay.process.pid)
    rows = [line.split() for line in Path("/proc/net/udp").read_text().splitlines()[1:]]
    mine = [row for row in rows if row[9] in inodes]
    return {int(row[1].split(":")[1], 16): int(row[4].split(":")[1], 16) for row in mine}


def open_sockets(process: int) -> set[str]:
    """Return the inode numbers of a process's sockets; those that it closes while we look don't count."""
    inodes = set()
    for descriptor in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):
            inodes.add(os.readlink(descriptor).removeprefix("socket:[").rstrip("]"))
    return inodes


def test_every_relay_socket_is_open_before_the_first_request(start: StartRelay) -> None:
    relay = start(relay_address=[HOST], max_allocations=8)
    assert len([port for port in bound_ports(relay) if port >= FIRST]) >= 8


def test_ports_are_of_the_range(start: StartRelay, new_client: NewClient) -> None:
    relay = start(relay_ports="50000-50031", max_allocations=4, relay_address=[HOST])
    ports = [new_client(relay).allocate().relayed[0][1] for _ in range(4)]
    assert len(set(ports)) == 4
    assert all(50000 <= port <= 50031 for port in ports)


def test_ports_are_unpredictable(start: StartRelay, new_client: NewClient) -> None:
    """They fill the range, follow no order, and one tells nothing of the next; by chance two may be neighbours."""
    relay = start(relay_address=[HOST], max_allocations=32, user_quota=0)
    ports = [new_client(relay).allocate().relayed[0][1] for _ in range(16)]
    assert len(set(ports)) == 16
    assert max(ports) - min(ports) > (LAST - FIRST) // 4
    assert ports != sorted(ports) and ports != sorted(ports, reverse=True)
    assert statistics.median(abs(after - before) for before, after in itertools.pairwise(ports)) > 100
    assert len([port for port in ports if port + 1 in ports]) <= 1


def test_a_port_is_changed_after_use(relay: Relay, new_client: NewClient) -> None:
    used: list[Address] = []
    for _ in range(10):
        client = new_client(relay)
        used.append(client.allocate().relayed[0])
        assert client.refresh(0).code == 0
        until(lambda: used[-1][1] not in bound_ports(relay), "the used port is closed")
    assert len(set(used)) == len(used)


def test_no_relayed_address_has_two_owners(start: StartRelay, new_client: NewClient) -> None:
    """After any coming and going the whole pool can be given out, every address once, and not one more."""
    relay = start(max_allocations=4, user_quota=0)
    for _ in range(3):
        clients = [new_client(relay) for _ in range(4)]
        places = [client.allocate(WANT_BOTH).relayed for client in clients]
        assert len({place for pair in places for place in pair}) == 8, places
        assert new_client(relay).allocate().code == 508
        for client in (clients[0], clients[2], clients[3], clients[1]):
            assert client.refresh(0).code == 0
            relay.turn()  # what was in use is opened anew before it's given out again
            again = new_client(relay)  # one goes, another one comes in between
            assert again.allocate().code == 0 and again.refresh(0).code == 0
        relay.turn()
    assert relay.status()["allocations"] == 0


def test_even_ports_with_a_free_neighbour_come_back(start: StartRelay, new_client: NewClient) -> None:
    relay = start(max_allocations=8, user_quota=0, relay_address=[HOST])
    for _ in range(3):
        clients = [new_client(relay) for _ in range(8)]
        for client in clients:
            assert client.allocate().code == 0
        for client in clients:
            assert client.refresh(0).code == 0
        relay.turn()
    assert [new_client(relay).allocate(EVEN_AND_NEXT).code for _ in range(2)] == [0, 0]


def test_what_strangers_queued_before_is_read_away(start: StartRelay, new_client: NewClient, new_peer: NewPeer) -> None:
    """Stopped meanwhile, the relay finds a stranger's datagram, the Allocate and the permission all at once."""
    relay = start(max_allocations=2, relay_address=[HOST])
    client, stranger = new_client(relay), new_peer()
    client.learn()
    ports = [port for port in bound_ports(relay) if port != relay.port]
    for port in ports:
        stranger.send((HOST, port), b"queued by a stranger")
    assert any(bound_ports(relay)[port] for port in ports)
    relayed = allocate_and_permit_at_once(relay, client, stranger.address)
    stranger.send(relayed, b"welcome")
    assert client.receive().data == b"welcome"
    assert not client.waiting()


def allocate_and_permit_at_once(relay: Relay, client: Client, peer: Address) -> Address:
    """Queue Allocate and CreatePermission so that they are read in one turn of the loop; return the relayed address.

    A listener is read twice as often in each turn while it's full: what stands at the 20th place is not alone.
    """
    relay.process.send_signal(signal.SIGSTOP)
    for _ in range(20):
        client.sock.send(encode(stun.BINDING, []))
    allocate = client.signed(stun.ALLOCATE, REQUESTED_UDP)
    permit = client.signed(stun.CREATE_PERMISSION, (stun.XOR_PEER_ADDRESS, peer))
    client.sock.send(allocate)
    client.sock.send(permit)
    relay.process.send_signal(signal.SIGCONT)
    relayed = client.answer(allocate).relayed[0]
    assert client.answer(permit).code == 0
    client.forget()
    return relayed
