"""Mobility (RFC 8016): a session goes on when its client's address changes."""

import pytest

from edgeturn.protocol import stun
from tests.blackbox.certificates import Certificate
from tests.blackbox.client import CHANNEL, Client, Data, lifetime
from tests.blackbox.conftest import NewClient, NewPeer, NewStream, StartRelay
from tests.blackbox.kernel import Kernel, between
from tests.blackbox.relay import HOST, HOST6, Relay, until

WANT_TICKET = (stun.MOBILITY_TICKET, b"")


def resume(client: Client, ticket: bytes) -> bytes:
    """Resume a session; return the new ticket."""
    answer = client.request(stun.REFRESH, lifetime(600), (stun.MOBILITY_TICKET, ticket))
    assert answer.code == 0
    return answer.message.attributes[stun.MOBILITY_TICKET]


@pytest.mark.parametrize(("at", "host"), [(HOST, HOST), (HOST, "127.0.0.9"), (HOST6, HOST6)])
def test_a_session_goes_on_from_another_port_another_address_and_another_family(
    relay: Relay, new_client: NewClient, new_peer: NewPeer, at: str, host: str
) -> None:
    alice, away, peer = new_client(relay), new_client(relay, at=at, host=host), new_peer()
    granted = alice.allocate(WANT_TICKET)
    relayed = granted.relayed[0]
    assert alice.bind(CHANNEL, peer.address) == 0
    resume(away, granted.message.attributes[stun.MOBILITY_TICKET])
    peer.send(relayed, b"to the old place")
    assert alice.receive() == Data(b"to the old place", channel=CHANNEL)
    away.channel(CHANNEL, b"here I am")
    assert peer.receive() == (b"here I am", relayed)
    peer.send(relayed, b"to the new one")
    assert away.receive() == Data(b"to the new one", channel=CHANNEL)
    assert alice.permit(peer.address) == 437 and away.permit(peer.address) == 0
    (session,) = relay.sessions()
    assert session["client"].endswith(f":{away.address[1]}") and session["user"] == "alice"
    assert relay.logged("info moved", "session=1", "from=").endswith(f":{alice.address[1]}")
    assert not [line for line in relay.lines if granted.message.attributes[stun.MOBILITY_TICKET].hex() in line]


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
def test_a_session_goes_on_over_a_stream_and_outlives_it(
    start: StartRelay,
    new_client: NewClient,
    new_stream: NewStream,
    new_peer: NewPeer,
    certificate: Certificate,
    tls: bool,
) -> None:
    relay, peer = start(**certificate.settings()), new_peer()
    alice, stream = new_client(relay), new_stream(relay, tls=tls)
    granted = alice.allocate(WANT_TICKET)
    relayed = granted.relayed[0]
    assert alice.bind(CHANNEL, peer.address) == 0
    ticket = resume(stream, granted.message.attributes[stun.MOBILITY_TICKET])
    stream.channel(CHANNEL, b"by stream")
    assert peer.receive() == (b"by stream", relayed)
    peer.send(relayed, b"back")
    assert stream.receive() == Data(b"back", channel=CHANNEL)
    stream.close()
    until(lambda: relay.sessions()[0]["transport"] == "nowhere", "the relay sees that the stream has ended")
    peer.send(relayed, b"for nobody")
    later = new_client(relay)
    resume(later, ticket)
    until(lambda: relay.sessions()[0]["down_packets"] == 2, "what came meanwhile is dropped")
    peer.send(relayed, b"at once")  # there's no old place that has to go on
    assert later.receive() == Data(b"at once", channel=CHANNEL)


@pytest.mark.datagrams
@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
def test_a_stream_by_which_a_client_arrives_is_no_strangers(
    start: StartRelay, new_client: NewClient, new_stream: NewStream, certificate: Certificate, tls: bool
) -> None:
    relay = start(**certificate.settings(), max_connections=1)
    stream = new_stream(relay, tls=tls)
    resume(stream, new_client(relay).allocate(WANT_TICKET).message.attributes[stun.MOBILITY_TICKET])
    with pytest.raises((EOFError, OSError)):
        new_stream(relay, tls=tls).binding()
    assert stream.refresh(600).code == 0


def test_without_the_option_nobody_gets_a_ticket(start: StartRelay, new_client: NewClient) -> None:
    relay = start(mobility=0)
    assert new_client(relay).allocate(WANT_TICKET).code == 405


def test_a_reload_turns_it_off_and_on(relay: Relay, new_client: NewClient) -> None:
    alice, away = new_client(relay), new_client(relay)
    ticket = alice.allocate(WANT_TICKET).message.attributes[stun.MOBILITY_TICKET]
    relay.configure(mobility=0)
    relay.command("reload")
    assert away.request(stun.REFRESH, (stun.MOBILITY_TICKET, ticket)).code == 405
    relay.configure(mobility=1)
    relay.command("reload")
    assert away.request(stun.REFRESH, (stun.MOBILITY_TICKET, ticket)).code == 0


def test_a_ticket_of_an_earlier_process_is_worthless(start: StartRelay, new_client: NewClient) -> None:
    ticket = new_client(start()).allocate(WANT_TICKET).message.attributes[stun.MOBILITY_TICKET]
    assert new_client(start()).request(stun.REFRESH, (stun.MOBILITY_TICKET, ticket)).code == 400


@pytest.mark.datagrams  # the kernel carries nothing else
def test_the_flows_of_the_kernel_follow(
    kernel: Kernel, start: StartRelay, new_client: NewClient, new_peer: NewPeer
) -> None:
    relay = start(**kernel.settings())
    alice, away, peer = new_client(relay), new_client(relay), new_peer()
    granted = alice.allocate(WANT_TICKET)
    relayed = granted.relayed[0]
    assert alice.bind(CHANNEL, peer.address) == 0
    kernel.count((relay.server(), alice.address, CHANNEL), 10, 1000)
    carried = relay.sessions()[0]["kernel_packets"]
    resume(away, granted.message.attributes[stun.MOBILITY_TICKET])
    assert kernel.ways() == between(relay, alice, relayed, peer.address)
    away.channel(CHANNEL, b"here I am")
    assert peer.receive() == (b"here I am", relayed)
    assert kernel.ways() == between(relay, away, relayed, peer.address)
    (session,) = relay.sessions()
    assert (session["kernel_packets"], session["kernel_channels"]) == (carried, 1) and carried > 0
