"""Every limit that counts things, end to end: pool, quota, permissions, channels, new peers, lifetimes."""

import pytest

from edgeturn.protocol import stun
from tests.blackbox.client import (
    CHANNEL,
    EVEN_AND_NEXT,
    WANT_BOTH,
    WANT_IPV4,
    WANT_IPV6,
    Answer,
    Client,
    encode,
    lifetime,
)
from tests.blackbox.conftest import NewClient, NewPeer, StartRelay
from tests.blackbox.relay import Address, Relay, until


def peers(count: int) -> list[Address]:
    """Return peers at different IP addresses."""
    return [(f"127.0.7.{number}", 5000) for number in range(1, count + 1)]


@pytest.mark.parametrize("wish", [WANT_IPV4, WANT_IPV6, WANT_BOTH], ids=["IPv4", "IPv6", "both"])
def test_a_full_pool_is_508(start: StartRelay, new_client: NewClient, wish: tuple[int, bytes]) -> None:
    relay = start(max_allocations=2)
    first, second = new_client(relay), new_client(relay, "bob")
    assert first.allocate(wish).code == 0 and second.allocate(wish).code == 0
    assert new_client(relay).allocate(wish).code == 508
    assert first.refresh(0).code == 0
    relay.turn()  # what was in use is opened anew before it's given out again
    assert new_client(relay).allocate(wish).code == 0


def test_a_users_quota_is_486(start: StartRelay, new_client: NewClient) -> None:
    relay = start(user_quota=2)
    first = new_client(relay)
    assert [client.allocate().code for client in (first, new_client(relay), new_client(relay))] == [0, 0, 486]
    assert new_client(relay, "bob").allocate().code == 0
    assert first.refresh(0).code == 0
    assert new_client(relay).allocate().code == 0


def test_a_reservation_counts_in_the_quota(start: StartRelay, new_client: NewClient) -> None:
    relay = start(user_quota=2)
    answer = new_client(relay).allocate(EVEN_AND_NEXT)
    assert answer.code == 0
    assert new_client(relay).allocate().code == 486
    assert new_client(relay).allocate(take_up(answer)).code == 0
    assert new_client(relay).allocate().code == 486


def test_a_reservation_counts_in_the_pool(start: StartRelay, new_client: NewClient) -> None:
    relay = start(max_allocations=4)
    answer = new_client(relay).allocate(EVEN_AND_NEXT)
    assert answer.code == 0
    assert relay.status()["reservations"] == 1
    assert [new_client(relay, "bob").allocate().code for _ in range(3)] == [0, 0, 508]
    assert new_client(relay).allocate(take_up(answer)).code == 0
    assert relay.status()["reservations"] == 0
    assert new_client(relay).allocate(take_up(answer)).code == 508


def test_a_reservation_needs_two_places(start: StartRelay, new_client: NewClient) -> None:
    assert new_client(start(max_allocations=1)).allocate(EVEN_AND_NEXT).code == 508
    assert new_client(start(user_quota=1)).allocate(EVEN_AND_NEXT).code == 486


def take_up(answer: Answer) -> tuple[int, bytes]:
    return stun.RESERVATION_TOKEN, answer.message.attributes[stun.RESERVATION_TOKEN]


def test_permissions_of_an_allocation(start: StartRelay, new_client: NewClient) -> None:
    relay = start(max_permissions=3)
    client, other = new_client(relay), new_client(relay)
    a, b, c, d = peers(4)
    assert client.allocate().code == 0 and other.allocate().code == 0
    assert client.permit(a, b) == 0
    assert client.permit(c, d) == 508  # all or nothing, so c is not permitted either
    assert sorted(session["permissions"] for session in relay.sessions()) == [0, 2]
    assert client.permit(a, b, c) == 0
    assert client.permit(d) == 508
    assert client.bind(CHANNEL, d) == 508  # a channel brings its permission with it
    assert client.permit(a, b, c) == 0  # what is there is refreshed
    assert other.permit(d) == 0


def test_channels_of_an_allocation(start: StartRelay, new_client: NewClient) -> None:
    relay = start(max_channels=2)
    client, other = new_client(relay), new_client(relay)
    a, b, c = peers(3)
    assert client.allocate().code == 0 and other.allocate().code == 0
    assert [client.bind(CHANNEL + number, peer) for number, peer in enumerate((a, b, c))] == [0, 0, 508]
    assert client.bind(CHANNEL, a) == 0  # what is there is refreshed
    assert other.bind(CHANNEL, c) == 0


def test_channel_numbers(start: StartRelay, new_client: NewClient) -> None:
    numbers = (0x3FFF, 0x4000, 0x4FFF, 0x5000, 0x7FFF, 0x8000)
    for wide, codes in ((0, [400, 0, 0, 400, 400, 400]), (1, [400, 0, 0, 0, 0, 400])):
        client = new_client(start(wide_channels=wide))
        assert client.allocate().code == 0
        assert [client.bind(number, peer) for number, peer in zip(numbers, peers(6), strict=True)] == codes


def test_new_peers_per_minute_and_user(start: StartRelay, new_client: NewClient) -> None:
    """3 a minute, of both allocations together; the minute may end once during the test."""
    relay = start(peers_per_minute=3)
    client, second, other = new_client(relay), new_client(relay), new_client(relay, "bob")
    for each in (client, second, other):
        assert each.allocate().code == 0
    known, *new = peers(8)
    assert client.permit(known) == 0
    granted = [each.permit(peer) for peer in new for each in (client, second)]
    assert 2 <= granted.count(0) <= 5 and granted.count(508) == len(granted) - granted.count(0)
    assert client.permit(known) == 0  # not a new one
    assert other.permit(new[-1]) == 0


def test_lifetime_bounds(start: StartRelay, new_client: NewClient) -> None:
    relay = start(default_lifetime=100, max_lifetime=200)
    for asked, granted in ((None, 100), (1, 100), (150, 150), (200, 200), (0xFFFFFFFF, 200)):
        client = new_client(relay)
        rows = [] if asked is None else [lifetime(asked)]
        assert client.allocate(*rows).lifetime == granted
        assert granted - 2 <= next(iter(relay.sessions()))["expires_seconds"] <= granted
        assert client.refresh(granted + 1).lifetime == min(granted + 1, 200)
        assert client.refresh(0).lifetime == 0
        assert not relay.sessions()


@pytest.mark.datagrams  # a TLS handshake is charged to the same budget
@pytest.mark.parametrize("method", [stun.BINDING, stun.ALLOCATE], ids=["Binding", "Allocate"])
def test_strangers_over_budget_meet_silence(
    start: StartRelay, new_client: NewClient, new_peer: NewPeer, method: int
) -> None:
    """5 requests a second and /24, counted in windows of 4 s, of which the flood may touch two."""
    relay = start(unauthenticated_rate=5)
    known = new_client(relay)
    assert known.allocate().code == 0
    flooders = [new_client(relay, host=f"127.0.1.{number}") for number in (1, 2)]
    for _ in range(50):
        for flooder in flooders:
            flooder.sock.send(encode(method, []))
    assert 20 <= arrived(relay, flooders, 100) <= 40
    # Who shares the counter of a flooder by chance, 1 in 2048, is not one of three others.
    others = [new_client(relay, host=f"127.0.{net}.1") for net in (2, 3, 4)]
    before = relay.dropped("over budget")
    for other in others:
        other.sock.send(encode(method, []))
    assert arrived(relay, others, before + 3) >= 2
    assert known.permit(new_peer().address) == 0
    assert known.refresh(600).code == 0
    assert flooders[0].patient_binding().mapped == flooders[0].address


def arrived(relay: Relay, clients: list[Client], sent: int) -> int:
    """Wait until as many requests as were sent are answered or dropped; return how many were answered."""
    answered = 0

    def is_all() -> bool:
        nonlocal answered
        answered += sum(len(client.queued()) for client in clients)
        return answered + relay.dropped("over budget") == sent

    until(is_all, f"{sent} requests are answered or dropped")
    return answered


def test_wrong_passwords_count_as_strangers(start: StartRelay, new_client: NewClient) -> None:
    relay = start(unauthenticated_rate=5)
    guesser = new_client(relay, host="127.0.1.1")
    guesser.learn()
    guesser.password = "guessed"
    for _ in range(60):
        guesser.sock.send(guesser.signed(stun.ALLOCATE))
    assert arrived(relay, [guesser], 60) <= 40
    assert not relay.sessions()
