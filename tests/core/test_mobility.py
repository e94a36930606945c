"""Mobility (RFC 8016): a client that comes from elsewhere resumes its allocation by a ticket."""

from edgeturn.protocol import stun
from edgeturn.protocol.address import parse
from edgeturn.protocol.listener import NOWHERE, TCP
from edgeturn.protocol.mobility import TICKET_SIZE, Tickets
from tests.core.dialogue import OTHER, PEER, PEER6, REQUESTED_UDP, WANT_BOTH, Answer, Client, Server, encode, raises

WANT_TICKET = (stun.MOBILITY_TICKET, b"")
HOME, AWAY, FAR = "1.1.1.1:1000", "3.3.3.3:3000", "4.4.4.4:4000"


def mobile(server: Server, source: str = HOME, listener: int = 0) -> "tuple[Client, str, bytes]":
    """Return a client with a channel, its relayed address and its ticket."""
    alice = server.client(source=source, listener=listener)
    answer = alice.allocate(WANT_TICKET)
    assert alice.bind(0x4000, PEER) == 0
    return alice, answer.address(stun.XOR_RELAYED_ADDRESS), answer.value(stun.MOBILITY_TICKET)


def resume(client: Client, ticket: bytes, lifetime: int = 600) -> Answer:
    return client.refresh(lifetime, (stun.MOBILITY_TICKET, ticket))


def moved(server: Server, source: str = AWAY, listener: int = 0) -> "tuple[Client, Client, str, bytes]":
    """Return a client at home and where it has moved to, its relayed address and its newest ticket."""
    alice, relayed, ticket = mobile(server)
    away = server.client(source=source, listener=listener)
    answer = resume(away, ticket)
    assert answer.code == 0 and away.channel(0x4000, b"here") is not None
    return alice, away, relayed, answer.value(stun.MOBILITY_TICKET)


# Allocate.


def test_rfc8016_3_1_2_who_asks_gets_a_ticket() -> None:
    alice = Server().client()
    assert len(alice.allocate(WANT_TICKET).value(stun.MOBILITY_TICKET)) == TICKET_SIZE
    assert not Server().client().allocate().has(stun.MOBILITY_TICKET)


def test_rfc8016_3_1_2_ticket_that_is_not_empty_is_400() -> None:
    alice = Server().client()
    assert alice.allocate((stun.MOBILITY_TICKET, b"x")).code == 400
    assert alice.allocate().code == 0


def test_rfc8016_3_1_2_where_it_is_off_that_is_405() -> None:
    alice = Server(mobility=0).client()
    assert alice.allocate(WANT_TICKET).code == 405
    assert alice.allocate().code == 0


def test_rfc8016_3_2_2_a_ticket_counts_no_longer_once_it_is_off() -> None:
    server = Server()
    _, _, ticket = mobile(server)
    server.limits.mobility = False
    assert resume(server.client(source=AWAY), ticket).code == 405


def test_a_retransmitted_allocate_gets_the_same_ticket() -> None:
    alice = Server().client()
    data = alice.signed(stun.ALLOCATE, [REQUESTED_UDP, WANT_TICKET])
    first, second = alice.ask(data), alice.ask(data)
    assert first is not None and second is not None
    assert first.value(stun.MOBILITY_TICKET) == second.value(stun.MOBILITY_TICKET)


# Moving.


def test_rfc8016_3_2_2_the_old_place_counts_until_data_comes_from_the_new_one() -> None:
    server = Server()
    alice, relayed, ticket = mobile(server)
    away = server.client(source=AWAY)
    assert resume(away, ticket).code == 0
    assert alice.channel(0x4000, b"still") is not None
    assert server.from_peer(relayed, PEER, b"x") == (HOME, b"\x40\x00\x00\x01x")
    assert away.permit(PEER) == 0 and alice.permit(PEER) == 0
    sent = away.channel(0x4000, b"now")
    assert sent is not None and (sent.relayed, sent.destination, sent.data) == (relayed, PEER, b"now")
    assert server.from_peer(relayed, PEER, b"x") == (AWAY, b"\x40\x00\x00\x01x")
    assert alice.channel(0x4000, b"no longer") is None and alice.send(PEER, b"no longer") is None
    assert alice.permit(PEER) == 437


def test_rfc8016_3_2_2_an_indication_from_the_new_place_moves_too() -> None:
    for rows in ((), ((stun.DONT_FRAGMENT, b""),)):
        server = Server()
        _, relayed, ticket = mobile(server)
        away = server.client(source=AWAY)
        resume(away, ticket)
        sent = away.send(PEER, b"now", *rows)
        assert sent is not None and sent.relayed == relayed
        assert server.from_peer(relayed, PEER, b"x") == (AWAY, b"\x40\x00\x00\x01x")


def test_a_request_from_the_new_place_does_not_move() -> None:
    server = Server()
    _, relayed, ticket = mobile(server)
    away = server.client(source=AWAY)
    resume(away, ticket)
    assert away.bind(0x4001, OTHER) == 0 and away.refresh(600).code == 0 and away.allocate().code == 437
    assert server.from_peer(relayed, PEER, b"x") == (HOME, b"\x40\x00\x00\x01x")


def test_everything_goes_along() -> None:
    server = Server()
    alice = server.client()
    answer = alice.allocate(WANT_TICKET, WANT_BOTH)
    relayed = answer.addresses(stun.XOR_RELAYED_ADDRESS)
    assert alice.permit(PEER, PEER6) == 0 and alice.bind(0x4000, PEER6) == 0
    away = server.client(source="[2a02::1]:7", listener=1)
    assert resume(away, answer.value(stun.MOBILITY_TICKET), 900).number(stun.LIFETIME) == 900
    assert away.channel(0x4000, b"x") is not None and away.send(PEER, b"x") is not None
    assert server.from_peer(relayed[1], PEER6, b"x") == ("[2a02::1]:7", b"\x40\x00\x00\x01x")
    assert server.data_from_peer(relayed[0], PEER, b"y") == (PEER, b"y")
    owner = server.turn.live_sessions()[0]
    assert (owner.up_packets, owner.down_packets, owner.session) == (2, 2, 1) and len(server.turn.live_sessions()) == 1


def test_where_it_moved_it_is_refreshed_and_ends_as_ever() -> None:
    server = Server()
    _, away, relayed, _ = moved(server)
    assert away.refresh(600).code == 0 and away.permit(OTHER) == 0
    assert away.refresh(0).code == 0
    assert server.turn.live_sessions() == [] and server.turn.arriving == {}
    assert server.from_peer(relayed, PEER, b"x") is None
    assert server.turn.pool.free_slots() == server.limits.max_allocations


def test_a_refresh_of_zero_with_a_ticket_ends_it_from_anywhere() -> None:
    server = Server()
    alice, _, ticket = mobile(server)
    answer = resume(server.client(source=AWAY), ticket, 0)
    assert (answer.code, answer.number(stun.LIFETIME), answer.has(stun.MOBILITY_TICKET)) == (0, 0, False)
    assert alice.permit(PEER) == 437 and server.turn.live_sessions() == [] and server.turn.arriving == {}


def test_it_may_move_on_and_back() -> None:
    server = Server()
    _, _, relayed, ticket = moved(server)
    for source in (FAR, HOME, AWAY):
        client = server.client(source=source)
        answer = resume(client, ticket)
        ticket = answer.value(stun.MOBILITY_TICKET)
        assert client.channel(0x4000, b"x") is not None
        assert server.from_peer(relayed, PEER, b"x") == (source, b"\x40\x00\x00\x01x")
    assert len(server.turn.live_sessions()) == 1 and server.turn.arriving == {}


def test_who_moves_on_before_sending_arrives_at_the_last_place_only() -> None:
    server = Server()
    _, _, ticket = mobile(server)
    away, far = server.client(source=AWAY), server.client(source=FAR)
    ticket = resume(away, ticket).value(stun.MOBILITY_TICKET)
    assert resume(far, ticket).code == 0
    assert away.channel(0x4000, b"x") is None and away.permit(PEER) == 437
    assert far.channel(0x4000, b"x") is not None and len(server.turn.arriving) == 0


def test_what_expires_while_a_client_arrives_is_gone_at_both_places() -> None:
    for tick in (True, False):
        server = Server()
        alice, _, ticket = mobile(server)
        away = server.client(source=AWAY)
        resume(away, ticket)
        server.wait(600, tick)
        assert away.channel(0x4000, b"x") is None and alice.channel(0x4000, b"x") is None
        assert away.permit(PEER) == 437 and alice.permit(PEER) == 437
        assert server.turn.arriving == {} and server.turn.live_sessions() == []


# Tickets.


def test_rfc8016_3_2_2_the_new_ticket_is_another_and_the_old_one_is_worthless() -> None:
    server = Server()
    _, _, ticket = mobile(server)
    away = server.client(source=AWAY)
    new = resume(away, ticket).value(stun.MOBILITY_TICKET)
    assert new != ticket and resume(server.client(source=FAR), ticket).code == 400
    assert away.channel(0x4000, b"x") is not None
    assert resume(server.client(source=FAR), ticket).code == 400
    assert resume(server.client(source=FAR), new).code == 0


def test_rfc8016_3_2_2_a_retransmission_with_the_old_ticket_gets_the_same_answer() -> None:
    server = Server()
    _, _, ticket = mobile(server)
    away = server.client(source=AWAY)
    data = away.signed(stun.REFRESH, [(stun.MOBILITY_TICKET, ticket)])
    first, second = away.ask(data), away.ask(data)
    assert away.channel(0x4000, b"x") is not None
    third = away.ask(data)
    assert first and second and third
    tickets = [answer.value(stun.MOBILITY_TICKET) for answer in (first, second, third)]
    assert tickets[0] == tickets[1] == tickets[2] != ticket
    assert len(server.turn.live_sessions()) == 1 and server.turn.arriving == {}


def test_rfc8016_3_2_2_a_retransmission_that_a_nat_maps_otherwise_arrives_there() -> None:
    server = Server()
    _, _, ticket = mobile(server)
    away, far = server.client(source=AWAY), server.client(source=FAR)
    far.learn()
    away.learn()
    shared = away.transaction()
    again, message = [
        encode(stun.REFRESH, shared, [(stun.MOBILITY_TICKET, ticket)] + each.credential_rows(), each.key(), 8)
        for each in (away, far)
    ]
    first, second = away.ask(again), far.ask(message)
    assert first and second and first.value(stun.MOBILITY_TICKET) == second.value(stun.MOBILITY_TICKET)
    assert away.channel(0x4000, b"x") is None and far.channel(0x4000, b"x") is not None
    third = away.ask(again)
    assert third is not None and third.code == 400


def test_rfc8016_3_2_2_from_the_same_place_is_400() -> None:
    server = Server()
    alice, _, ticket = mobile(server)
    assert resume(alice, ticket).code == 400
    assert resume(alice, ticket, 0).code == 400
    assert alice.refresh(600).code == 0


def test_rfc8016_3_2_2_forged_tickets_are_400() -> None:
    server = Server()
    _, _, ticket = mobile(server)
    away = server.client(source=AWAY)
    for at in range(TICKET_SIZE):
        forged = ticket[:at] + bytes([ticket[at] ^ 1]) + ticket[at + 1 :]
        assert resume(away, forged).code == 400, at
    for size in (0, 1, TICKET_SIZE - 1):
        assert resume(away, ticket[:size]).code == 400, size
    assert resume(away, ticket + b"\0").code == 400
    assert resume(away, Tickets(bytes(64)).mint(0, 1, 1)).code == 400
    assert resume(away, ticket).code == 0


def test_a_ticket_is_judged_before_anything_is_looked_up() -> None:
    server = Server()
    mobile(server)
    away = server.client(source=AWAY)
    server.turn.pool.allocations.clear()
    assert resume(away, bytes(TICKET_SIZE)).code == 400


def test_a_ticket_is_judged_only_where_the_integrity_holds() -> None:
    server = Server()
    _, _, ticket = mobile(server)
    mallory = server.client("bob", AWAY)
    mallory.password = b"guessed"
    assert resume(mallory, ticket).code == 401 and server.turn.arriving == {}
    answer = mallory.ask(encode(stun.REFRESH, mallory.transaction(), [(stun.MOBILITY_TICKET, ticket)]))
    assert answer is not None and answer.code == 401 and server.turn.arriving == {}


def test_rfc8016_3_2_2_ticket_of_an_allocation_that_ended_is_437() -> None:
    server = Server(max_allocations=1)
    alice, _, ticket = mobile(server)
    alice.refresh(0)
    assert resume(server.client(source=AWAY), ticket).code == 437
    alice.allocate(WANT_TICKET)  # in the same slot
    assert resume(server.client(source=AWAY), ticket).code == 437
    server.wait(600, tick=False)
    assert resume(server.client(source=AWAY), ticket).code == 437


def test_rfc8016_3_2_2_ticket_of_another_user_is_441() -> None:
    server = Server()
    alice, _, ticket = mobile(server)
    bob = server.client("bob", AWAY)
    assert resume(bob, ticket).code == 441 and resume(bob, ticket, 0).code == 441
    assert bob.channel(0x4000, b"x") is None and server.turn.arriving == {}
    assert alice.channel(0x4000, b"x") is not None


def test_a_place_with_another_allocation_is_437() -> None:
    server = Server()
    _, _, ticket = mobile(server)
    away = server.client(source=AWAY)
    away.relayed()
    assert resume(away, ticket).code == 437 and server.turn.arriving == {}
    assert away.refresh(600).code == 0


def test_a_place_at_which_another_arrives_is_437() -> None:
    server = Server()
    first, second = mobile(server)[2], mobile(server, FAR)[2]
    away = server.client(source=AWAY)
    assert resume(away, first).code == 0 and resume(away, second).code == 437


def test_the_stale_nonce_dance_works_from_the_new_place() -> None:
    server = Server()
    alice, _, ticket = mobile(server)
    away = server.client(source=AWAY)
    away.nonce, away.offered = alice.nonce, alice.offered
    answer = resume(away, ticket)
    assert answer.code == 438
    away.take_nonce(answer)
    assert resume(away, ticket).code == 0


def test_a_family_that_is_not_there_is_443_and_does_not_move() -> None:
    server = Server()
    _, _, ticket = mobile(server)
    away = server.client(source=AWAY)
    wanted = (stun.REQUESTED_ADDRESS_FAMILY, b"\x02\0\0\0")
    assert away.refresh(600, (stun.MOBILITY_TICKET, ticket), wanted).code == 443 and server.turn.arriving == {}


# Quota and observers.


def test_the_quota_follows_the_allocation() -> None:
    server = Server(user_quota=1)
    _, away, _, _ = moved(server)
    assert server.client(source=HOME).allocate().code == 486
    assert server.client(source=FAR).allocate().code == 486
    away.refresh(0)
    assert server.client(source=FAR).allocate().code == 0


def test_a_flood_of_resumptions_keeps_one_place_only() -> None:
    server = Server(unauthenticated_rate=0)
    _, _, ticket = mobile(server)
    for port in range(2000, 2100):
        answer = resume(server.client(source="5.5.5.5:" + str(port)), ticket)
        ticket = answer.value(stun.MOBILITY_TICKET)
        assert len(server.turn.arriving) == 1


def test_channels_are_withdrawn_from_the_old_place_before_they_are_at_the_new_one() -> None:
    server = Server()
    _, _, ticket = mobile(server)
    away = server.client(source=AWAY)
    resume(away, ticket)
    seen = []
    recorder = server.recorder
    recorder.unbound = lambda channel: seen.append(("unbound", channel.relay.allocation.client))  # type: ignore
    recorder.bound = lambda channel: seen.append(("bound", channel.relay.allocation.client))  # type: ignore
    recorder.moved = lambda owner, former: seen.append((former, owner.client))  # type: ignore
    away.channel(0x4000, b"x")
    assert seen == [("unbound", parse(HOME)), ("bound", parse(AWAY)), (parse(HOME), parse(AWAY))]


# Streams.


def streams(nowhere: bool = True) -> Server:
    """Return a server whose second listener is for streams."""
    server = Server()
    server.turn.listen(server.listeners[1], TCP)
    if nowhere:
        server.turn.listen(server.listeners[1] + 1, NOWHERE)
    return server


def test_rfc8656_3_1_without_a_ticket_an_allocation_ends_with_its_stream() -> None:
    server = streams()
    server.client(listener=1).relayed()
    server.turn.closed(server.listeners[1], parse(HOME))
    assert server.turn.live_sessions() == []


def test_an_allocation_with_a_ticket_waits_for_its_client() -> None:
    server = streams()
    _, relayed, ticket = mobile(server, listener=1)
    server.turn.closed(server.listeners[1], parse(HOME))
    sent = server.turn.peer(memoryview(bytearray(100)), 1, server.relay_at(relayed).index, parse(PEER), server.now)
    assert sent is not None and sent[0] not in server.listeners
    away = server.client(source=AWAY)
    assert resume(away, ticket).code == 0
    assert server.from_peer(relayed, PEER, b"x") == (AWAY, b"\x40\x00\x00\x01x")  # there's no old place to go on


def test_who_gets_the_same_port_after_the_stream_is_nobody() -> None:
    server = streams()
    mobile(server, listener=1)
    server.turn.closed(server.listeners[1], parse(HOME))
    bob = server.client("bob", HOME, listener=1)
    assert bob.channel(0x4000, b"x") is None and bob.permit(PEER) == 437
    assert bob.allocate().code == 0


def test_what_waits_expires() -> None:
    server = streams()
    _, _, ticket = mobile(server, listener=1)
    server.turn.closed(server.listeners[1], parse(HOME))
    assert len(server.turn.live_sessions()) == 1
    server.wait(600)
    assert server.turn.live_sessions() == [] and resume(server.client(source=AWAY), ticket).code == 437


def test_rfc8016_3_2_2_closing_the_old_stream_moves_to_where_the_client_arrived() -> None:
    server = streams()
    _, relayed, ticket = mobile(server, listener=1)
    assert resume(server.client(source=AWAY), ticket).code == 0
    server.turn.closed(server.listeners[1], parse(HOME))
    assert server.from_peer(relayed, PEER, b"x") == (AWAY, b"\x40\x00\x00\x01x")


def test_a_stream_that_closes_while_the_client_arrives_by_it_leaves_the_old_place() -> None:
    server = streams()
    alice, _, ticket = mobile(server)
    assert resume(server.client(source=AWAY, listener=1), ticket).code == 0
    server.turn.closed(server.listeners[1], parse(AWAY))
    assert server.turn.arriving == {} and alice.channel(0x4000, b"x") is not None


def test_two_that_wait_from_the_same_address_are_one() -> None:
    server = streams()
    server.turn.listen(server.listeners[0], TCP)
    for listener in (0, 1):
        mobile(server, listener=listener)
        server.turn.closed(server.listeners[listener], parse(HOME))
    assert len(server.turn.live_sessions()) == 1
    assert server.turn.pool.free_slots() == server.limits.max_allocations - 1


def test_a_listener_that_goes_away_keeps_what_can_move() -> None:
    server = streams()
    _, _, first = mobile(server)
    server.client(source=FAR).relayed()
    _, _, second = mobile(server, listener=1)
    assert resume(server.client(source=AWAY), second).code == 0
    server.turn.unlisten(server.listeners[0])
    assert server.turn.arriving == {} and len(server.turn.live_sessions()) == 2
    assert resume(server.client(source=AWAY, listener=1), first).code == 0


def test_without_a_place_to_wait_an_allocation_ends() -> None:
    server = streams(nowhere=False)
    mobile(server, listener=1)
    server.turn.closed(server.listeners[1], parse(HOME))
    assert server.turn.live_sessions() == []


def test_a_ticket_does_not_tell_how_many_sessions_there_were() -> None:
    tickets = Tickets(bytes(range(64)))
    known = [tickets.mint(0, session, 1) for session in range(64)]
    assert all(len({ticket[at] for ticket in known}) > 16 for at in range(1, TICKET_SIZE))
    assert all(len(ticket) == TICKET_SIZE and ticket.find(b"\0") < 0 for ticket in known)
    assert {ticket[0] for ticket in known} != {1}  # some needed another salt
    assert tickets.read(tickets.mint(8191, 0xFFFFFFFF, 7)) == (8191, 0xFFFFFFFF, 7)
    assert not raises(Exception, tickets.mint, 0, 1 << 40, 1 << 40)
