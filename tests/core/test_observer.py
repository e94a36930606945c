"""Observers are told exactly the state: what they were told, replayed, is what the core holds."""

from edgeturn.protocol import stun
from edgeturn.protocol.address import format as as_text
from tests.core.dialogue import EVEN_AND_NEXT, OTHER, PEER, PEER6, START, WANT_BOTH, WANT_IPV4, Server
from tests.core.test_pool import Play

HOUR = (stun.LIFETIME, b"\0\0\x0e\x10")


def test_a_session_from_allocate_to_refresh_0() -> None:
    server = Server()
    alice = server.client()
    alice.learn()
    assert server.recorder.take() == [("refused", 401)]
    relayed = alice.relayed()
    assert server.recorder.take() == [("allocated", relayed)]
    alice.permit(PEER, OTHER)
    assert server.recorder.take() == [("permitted", "8.8.8.8:0", START + 300), ("permitted", "9.9.9.9:0", START + 300)]
    alice.bind(0x4000, PEER)
    assert server.recorder.take() == [("permitted", "8.8.8.8:0", START + 300), ("bound", 0x4000, PEER, START + 300)]
    alice.refresh(0)
    events = server.recorder.take()
    assert events[0] == ("unbound", 0x4000, PEER) and events[-1] == ("freed", relayed)


def test_refresh_tells_the_new_time_of_channels() -> None:
    server = Server()
    alice = server.client()
    alice.relayed()
    alice.bind(0x4000, PEER)
    server.wait(400)
    alice.bind(0x4000, PEER)
    server.recorder.take()
    assert server.now + 200 == START + 600
    alice.refresh(600)
    assert server.recorder.take() == [("bound", 0x4000, PEER, START + 700)]


def test_permission_that_is_renewed_or_lost_tells_of_its_channels() -> None:
    server = Server()
    alice = server.client()
    alice.relayed(HOUR)
    alice.bind(0x4000, PEER)
    server.wait(100)
    server.recorder.take()
    alice.permit("8.8.8.8:9")
    events = server.recorder.take()
    assert ("permitted", "8.8.8.8:0", START + 400) in events and ("bound", 0x4000, PEER, START + 400) in events
    server.wait(300)
    assert server.recorder.take() == [("bound", 0x4000, PEER, 0)]
    server.wait(500)
    assert server.recorder.take() == [("unbound", 0x4000, PEER)]


def test_dual_allocation_tells_of_both_addresses() -> None:
    server = Server()
    alice = server.client()
    alice.learn()
    server.recorder.take()
    first, second = alice.allocate(WANT_BOTH).addresses(stun.XOR_RELAYED_ADDRESS)
    assert server.recorder.take() == [("allocated", first), ("allocated", second)]
    alice.permit(PEER6)
    server.recorder.take()
    alice.refresh(0, WANT_IPV4)
    assert server.recorder.take() == [("freed", first)]
    alice.refresh(0)
    assert server.recorder.take()[-1] == ("freed", second)


def test_reserved_address_is_told_when_somebody_has_it_or_it_is_given_up() -> None:
    server = Server()
    alice, bob = server.client(), server.client("bob", "1.1.1.2:1")
    alice.learn()
    bob.learn()
    server.recorder.take()
    answer = alice.allocate(EVEN_AND_NEXT)
    assert [event[0] for event in server.recorder.take()] == ["allocated"]
    relayed = bob.relayed((stun.RESERVATION_TOKEN, answer.value(stun.RESERVATION_TOKEN)))
    assert server.recorder.take() == [("allocated", relayed)]
    bob.refresh(0)
    alice.refresh(0)
    alice.relayed(EVEN_AND_NEXT)
    server.recorder.take()
    server.wait(30)
    assert [event[0] for event in server.recorder.take()] == ["freed"]


def test_expiry_is_told_by_the_tick() -> None:
    server = Server()
    relayed = server.client().relayed()
    server.recorder.take()
    server.wait(599)
    assert server.recorder.take() == []
    server.wait(1)
    assert server.recorder.take() == [("freed", relayed)]


def test_tick_returns_when_there_is_more_to_do() -> None:
    server = Server()
    assert server.wait(0) == 0
    alice = server.client()
    alice.relayed()
    assert server.turn.due == START + 600 and server.wait(0) == START + 600
    alice.permit(PEER)
    assert server.turn.due == START + 300 and server.wait(0) == START + 300
    assert server.wait(300) == START + 600
    assert server.wait(300) == 0


def test_refusals_name_the_code_and_data_is_told_to_nobody() -> None:
    server = Server()
    alice = server.client()
    alice.relayed()
    server.recorder.take()
    alice.permit("127.0.0.1:1")
    assert server.recorder.take() == [("refused", 403)]
    alice.permit(PEER)
    server.recorder.take()
    alice.send(PEER, b"x")
    alice.send(OTHER, b"x")
    assert server.recorder.take() == []


def test_relays_replayed_are_the_state() -> None:
    play = Play(b"observer")
    relays: set[object] = set()
    for _ in range(600):
        play.step()
        for event in play.server.recorder.take():
            if event[0] == "allocated":
                assert event[1] not in relays
                relays.add(event[1])
            elif event[0] == "freed":
                relays.discard(event[1])  # a reservation that nobody took up was never there
        assert relays == {as_text(relay.announced) for relay in play.server.turn.pool.relays if relay.allocation}


def test_channels_replayed_are_the_state() -> None:
    play = Play(b"channels")
    play.clients = play.clients[:1]
    channels: dict[object, object] = {}
    seen = 0
    for _ in range(600):
        play.step()
        for event in play.server.recorder.take():
            if event[0] == "bound":
                channels[event[1], event[2]] = event[3]
            elif event[0] == "unbound":
                del channels[event[1], event[2]]
        bound = [channel for owner in play.server.turn.pool.allocations for channel in owner.channels.values()]
        assert channels == {(channel.number, as_text(channel.peer)): channel.carries_until for channel in bound}
        seen += len(bound)
    assert seen > 100
