"""ALTERNATE-SERVER (RFC 8489 §10): a relay that is full or drains sends clients to another one that serves them."""

import pytest

from edgeturn.protocol import stun
from tests.blackbox.certificates import Certificate
from tests.blackbox.client import REQUESTED_UDP, Client, unpack
from tests.blackbox.conftest import NewClient, NewStream, StartRelay
from tests.blackbox.relay import HOST, HOST6, Relay


def redirected(client: Client) -> tuple[str, int]:
    """Return where an Allocate is sent to."""
    answer = client.request(stun.ALLOCATE, REQUESTED_UDP)
    assert answer.code == 300
    assert answer.message.integrity_holds(stun.MESSAGE_INTEGRITY, client.key())
    return unpack(answer.message.attributes[stun.ALTERNATE_SERVER][2:])


@pytest.mark.parametrize("host", [HOST, HOST6])
def test_a_full_relay_sends_clients_to_one_that_has_room(start: StartRelay, new_client: NewClient, host: str) -> None:
    other = start()
    relay = start(
        max_allocations=1, alternate_server=[f"{HOST}:{other.port}", f"[{HOST6}]:{other.port}"], relay_address=[HOST]
    )
    new_client(relay).allocate()
    place = redirected(new_client(relay, at=host))
    assert place == (host, other.port)
    client = Client(place)
    assert client.allocate().code == 0
    client.close()


def test_a_draining_relay_redirects_what_comes_and_keeps_what_is(start: StartRelay, new_client: NewClient) -> None:
    relay = start(alternate_server=["192.0.2.7"])
    alice = new_client(relay)
    alice.allocate()
    relay.command("drain")
    assert redirected(new_client(relay)) == ("192.0.2.7", 3478)
    assert alice.refresh(600).code == 0
    assert relay.logged("refused Allocate", "code=300", "draining")


def test_a_reload_changes_the_alternates(start: StartRelay, new_client: NewClient) -> None:
    relay = start(max_allocations=1, relay_address=[HOST])
    new_client(relay).allocate()
    waiting = new_client(relay)
    assert waiting.allocate().code == 508
    relay.configure(alternate_server=["192.0.2.7:443"])
    assert relay.command("reload")["applied"] == ["alternate_server"]
    assert redirected(waiting) == ("192.0.2.7", 443)


@pytest.mark.parametrize("tls", [False, True], ids=["TCP", "TLS"])
def test_the_name_in_the_certificate_of_the_alternates_is_told_over_tls(
    start: StartRelay, new_stream: NewStream, certificate: Certificate, tls: bool
) -> None:
    relay = start(**certificate.settings(), alternate_server=["192.0.2.7"], alternate_domain="turn.example.net")
    new_stream(relay).allocate()
    relay.command("drain")
    answer = new_stream(relay, tls=tls).request(stun.ALLOCATE, REQUESTED_UDP)
    assert (answer.code, answer.message.attributes.get(stun.ALTERNATE_DOMAIN)) == (
        300,
        b"turn.example.net" if tls else None,
    )


@pytest.mark.parametrize("alternate", ["127.0.0.1:{port}", "192.0.2.1:{port}", "0.0.0.0"])
def test_a_relay_that_names_itself_is_refused(relay: Relay, alternate: str) -> None:
    relay.configure(alternate_server=[alternate.format(port=relay.port)], external_address=["127.0.0.1=192.0.2.1"])
    answer = relay.control({"command": "reload"})
    assert not answer["ok"] and "alternate_server" in answer["error"]
