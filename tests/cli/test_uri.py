"""The URIs of servers (RFC 7064, RFC 7065), and what DNS says of them (RFC 5928): rows, and our own name server."""

import socket
import threading
from collections.abc import Iterator

import dns.flags
import dns.message
import dns.resolver
import dns.rrset
import pytest

from edgeturn.cli.failure import Failure, Wrong
from edgeturn.command import ice
from edgeturn.probing import resolve, uri
from edgeturn.protocol import address
from edgeturn.protocol.listener import DTLS, TCP, TLS, UDP
from edgeturn.relay import options

ROWS = (
    ("stun:192.0.2.1", ("stun", "192.0.2.1", 0, ""), (3478, UDP)),
    ("stuns:example.org", ("stuns", "example.org", 0, ""), (5349, TLS)),
    ("turn:example.org:3479", ("turn", "example.org", 3479, ""), (3478, UDP)),
    ("turn:example.org?transport=udp", ("turn", "example.org", 0, UDP), (3478, UDP)),
    ("turn:[2001:db8::1]:443?transport=tcp", ("turn", "2001:db8::1", 443, TCP), (3478, UDP)),
    ("TURNS:example.org?transport=tcp", ("turns", "example.org", 0, TLS), (5349, TLS)),
    ("turns:[::1]?transport=UDP", ("turns", "::1", 0, DTLS), (5349, TLS)),
)
WRONG = (
    ("http://example.org", "is no URI such as"),
    ("turn", "is no URI such as"),
    ("turn:", "has no host and port"),
    ("turn:example.org:0", "has no host and port"),
    ("turn:example.org:70000", "has no host and port"),
    ("turn:[::1", "has no host and port"),
    ("turn:[::1]x", "has no host and port"),
    ("turn:user@example.org", "has no host and port"),
    ("turn:example.org?transport=sctp", "behind turn: stands ?transport=udp or ?transport=tcp"),
    ("turn:example.org?tcp", "asks for 'tcp'"),
    ("stun:example.org?transport=tcp", "behind stun: stands nothing"),
)
ZONE = {
    ("named.test.", "NAPTR"): '10 10 "S" "RELAY:turn.tls" "" _turns._tcp.named.test.',
    ("_turns._tcp.named.test.", "SRV"): "1 1 5350 far.test.",
    ("_turn._udp.named.test.", "SRV"): "1 1 3480 far.test.",
    ("_turn._tcp.served.test.", "SRV"): "1 1 3481 far.test.",
    ("_stun._udp.served.test.", "SRV"): "1 1 3482 .",
}
ADDRESSES = {"far.test": "192.0.2.7", "served.test": "192.0.2.8", "named.test": "192.0.2.9"}


@pytest.mark.parametrize(("text", "parts", "defaults"), ROWS)
def test_rfc7065_3_1_uris_are_read(text: str, parts: tuple[object, ...], defaults: tuple[int, str]) -> None:
    found = uri.parse(text)
    assert (found.scheme, found.host, found.port, found.transport) == parts
    assert (found.default_port, found.default_transport) == defaults
    assert found.relays == text.lower().startswith("turn")


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_what_is_no_uri_is_said(text: str, said: str) -> None:
    with pytest.raises(Wrong, match=said.replace("?", r"\?")):
        uri.parse(text)


@pytest.mark.parametrize("transport", [UDP, TCP, TLS, DTLS])
def test_what_is_written_is_read_again(transport: str) -> None:
    assert uri.parse(ice.form(True, "[::1]", 3478, transport)) == uri.Uri(
        "turns" if transport in (TLS, DTLS) else "turn", "::1", 3478, transport
    )


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A name server on loopback that knows ZONE, and a machine that knows ADDRESSES."""

    def known(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        if host not in ADDRESSES:
            raise socket.gaierror("unknown")
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", (ADDRESSES[host], port))]

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        server = threading.Thread(target=serve, args=(sock,))
        server.start()
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], sock.getsockname()[1]
        monkeypatch.setattr(dns.resolver, "default_resolver", resolver)
        monkeypatch.setattr(socket, "getaddrinfo", known)
        yield
        sock.sendto(b"end", sock.getsockname())
        server.join()


def serve(sock: socket.socket) -> None:
    while (received := sock.recvfrom(2048))[0] != b"end":
        asked = dns.message.from_wire(received[0])
        question = asked.question[0]
        answer = dns.message.make_response(asked)
        answer.flags |= dns.flags.RA
        text = ZONE.get((str(question.name), question.rdtype.name))
        if text:
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", question.rdtype.name, text))
        sock.sendto(answer.to_wire(), received[1])


@pytest.mark.parametrize(
    ("text", "place", "transport", "name"),
    [
        ("turns:named.test", "192.0.2.7:5350", TLS, "named.test"),  # NAPTR, then SRV
        ("turn:named.test", "192.0.2.7:3480", UDP, "named.test"),  # its NAPTR is for TLS only, but there's an SRV
        ("turn:served.test?transport=tcp", "192.0.2.7:3481", TCP, "served.test"),
        ("turn:served.test", "192.0.2.8:3478", UDP, "served.test"),  # no SRV of UDP: the address itself
        ("stun:served.test", "192.0.2.8:3478", UDP, "served.test"),  # the SRV says that there's none
        ("turn:named.test:3490", "192.0.2.9:3490", UDP, "named.test"),  # a port leaves nothing to DNS
    ],
)
@pytest.mark.usefixtures("zone")
def test_rfc5928_3_dns_says_what_the_uri_leaves_open(text: str, place: str, transport: str, name: str) -> None:
    assert resolve.resolve(uri.parse(text)) == [resolve.Found(address.parse(place), transport, name)]


@pytest.mark.usefixtures("zone")
def test_an_unknown_name_is_said() -> None:
    with pytest.raises(Failure, match=r"the name 'nowhere\.test' can't be looked up"):
        resolve.resolve(uri.parse("turn:nowhere.test"))


def test_an_address_is_asked_of_nobody() -> None:
    found = resolve.resolve(uri.parse("turn:[::1]"))
    assert found == [resolve.Found(address.parse("[::1]:3478"), UDP, "::1")]


def test_without_dnspython_the_addresses_are_asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve, "dns", None)
    assert resolve.resolve(uri.parse("stun:localhost"))[0].place in (
        address.parse("127.0.0.1:3478"),
        address.parse("[::1]:3478"),
    )


@pytest.mark.parametrize(
    ("name", "written", "short"),
    [
        ("stun_server", "stun:stun.example.org:3479", "stun.example.org:3479"),
        ("stun_server", "STUN:[2001:db8::1]", "[2001:db8::1]"),
        ("alternate_server", "turn:192.0.2.9", "192.0.2.9"),
        ("alternate_server", "turn:192.0.2.9:3480?transport=udp", "192.0.2.9:3480"),
    ],
)
def test_options_that_name_a_server_take_its_uri(name: str, written: str, short: str) -> None:
    option = options.find("relay", name)
    assert option is not None and option.kind(written) == option.kind(short)
    for wrong in ("http:192.0.2.9", "turns:192.0.2.9", "turn:192.0.2.9?transport=tcp"):
        with pytest.raises(ValueError, match="must be"):
            option.kind(wrong)
