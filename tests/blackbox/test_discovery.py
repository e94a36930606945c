"""NAT behaviour discovery (RFC 5780, RFC 3489) by four sockets, and what the configuration says of them."""

from contextlib import ExitStack, closing

import pytest

from edgeturn.kernel.firewall.ways import listening_ports
from edgeturn.protocol import stun
from edgeturn.relay.configuration import Configuration
from tests.blackbox.client import Row, Socket, encode, unpack
from tests.blackbox.conftest import StartRelay
from tests.blackbox.relay import HOST, Address, Relay, free_port

SECOND = "127.0.0.2"
FLAGS = {"nothing": 0, "port": 2, "address": 4, "both": 6}


class Asker(Socket):
    """Asks one address and hears from any."""

    def ask(self, place: Address, *rows: Row) -> tuple[Address, stun.Message]:
        """Return where the answer comes from, and the answer."""
        self.sock.sendto(encode(stun.BINDING, list(rows)), place)
        data, source = self.sock.recvfrom(65535)
        return (source[0], source[1]), stun.Message(data)


@pytest.fixture
def asker(stack: ExitStack) -> Asker:
    return stack.enter_context(closing(Asker()))


def change(what: str) -> Row:
    return stun.CHANGE_REQUEST, FLAGS[what].to_bytes(4, "big")


def told(message: stun.Message, kind: int) -> Address:
    return unpack(message.attributes[kind][2:])


def serving(start: StartRelay, **settings: str | int | list[str]) -> tuple[Relay, int]:
    """Return a relay with discovery, and its second port."""
    second = free_port()
    return start(nat_discovery=1, alternate_port=second, **settings), second


def test_rfc5780_6_1_answers_come_from_where_they_say(start: StartRelay, asker: Asker) -> None:
    relay, second = serving(start, alternate_address=[SECOND])
    places = {
        "nothing": (HOST, relay.port),
        "port": (HOST, second),
        "address": (SECOND, relay.port),
        "both": (SECOND, second),
    }
    for what, place in places.items():
        source, answer = asker.ask(relay.server(), change(what))
        assert source == place == told(answer, stun.RESPONSE_ORIGIN), what
        assert told(answer, stun.OTHER_ADDRESS) == (SECOND, second)
        assert told(answer, stun.MAPPED_ADDRESS) == asker.address
        assert asker.ask(place)[0] == place
    assert asker.ask((SECOND, second), change("both"))[0] == relay.server()


def test_a_second_address_that_is_listened_on_needs_no_option(start: StartRelay, asker: Asker) -> None:
    port = free_port()
    relay, second = serving(start, listen=[f"{HOST}:{port}", f"{SECOND}:{port}"])
    assert asker.ask((HOST, port), change("both"))[0] == (SECOND, second)
    assert relay.log("edgeturn ready", f"{SECOND}:{second}")


def test_rfc5780_6_1_with_one_address_change_request_is_420(start: StartRelay, asker: Asker) -> None:
    relay, _ = serving(start)
    source, answer = asker.ask(relay.server(), change("port"))
    assert source == relay.server() and answer.attributes[stun.ERROR_CODE][2:4] == b"\4\x14"
    answer = asker.ask(relay.server())[1]
    assert told(answer, stun.RESPONSE_ORIGIN) == relay.server() and stun.OTHER_ADDRESS not in answer.attributes


def test_without_the_option_nothing_is_told(relay: Relay, asker: Asker) -> None:
    answer = asker.ask(relay.server())[1]
    assert set(answer.attributes) == {stun.XOR_MAPPED_ADDRESS}
    assert asker.ask(relay.server(), change("nothing"))[1].attributes[stun.ERROR_CODE][2:4] == b"\4\x14"


def test_behind_a_one_to_one_nat_the_announced_address_is_told(start: StartRelay, asker: Asker) -> None:
    relay, second = serving(
        start, relay_address=[HOST], alternate_address=[SECOND], external_address=[f"{HOST}=203.0.113.1"]
    )
    source, answer = asker.ask(relay.server(), change("port"))
    assert source == (HOST, second) and told(answer, stun.RESPONSE_ORIGIN) == ("203.0.113.1", second)


def test_rfc5780_7_5_response_port(start: StartRelay, asker: Asker, stack: ExitStack) -> None:
    relay, _ = serving(start, alternate_address=[SECOND])
    other = stack.enter_context(closing(Asker()))
    request = encode(stun.BINDING, [(stun.RESPONSE_PORT, other.address[1].to_bytes(2, "big") + bytes(2))])
    asker.sock.sendto(request, relay.server())
    assert told(stun.Message(other.sock.recv(65535)), stun.MAPPED_ADDRESS) == asker.address


def test_rfc3489_classic_clients_too(start: StartRelay, asker: Asker) -> None:
    relay, second = serving(start, alternate_address=[SECOND])
    asker.sock.sendto(stun.encode(stun.BINDING, bytes(range(16)), [(stun.CHANGE_REQUEST, b"\0\0\0\6")]), relay.server())
    data, source = asker.sock.recvfrom(65535)
    answer = stun.Message(data)
    assert source == (SECOND, second) == told(answer, stun.SOURCE_ADDRESS) == told(answer, stun.CHANGED_ADDRESS)


def test_a_reload_switches_it_on_and_off(relay: Relay, asker: Asker) -> None:
    second = free_port()
    relay.configure(nat_discovery=1, alternate_port=second, alternate_address=[SECOND])
    assert relay.command("reload")["needs_restart"] == []
    assert asker.ask(relay.server(), change("both"))[0] == (SECOND, second)
    relay.configure(nat_discovery=0)
    relay.command("reload")
    assert stun.ERROR_CODE in asker.ask(relay.server(), change("both"))[1].attributes


def test_the_firewall_opens_the_second_port_where_it_is_listened_on() -> None:
    two = "list listen '192.0.2.1'\n\tlist listen '192.0.2.2'"
    for listen, ports in ((two, [3478, 3479]), ("", [3478])):
        settings = Configuration(f"config relay\n\toption nat_discovery '1'\n\t{listen}\n", "edgeturn.conf")
        assert listening_ports(settings) == ports


def test_the_port_that_clients_ask_is_no_alternate(relay: Relay) -> None:
    relay.configure(nat_discovery=1, alternate_port=relay.port)
    answer = relay.control({"command": "reload"})
    assert not answer["ok"] and "alternate_port" in answer["error"]
