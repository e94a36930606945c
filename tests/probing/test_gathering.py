"""`edgeturn probe` against real relays on the loopback interface, over every transport, and against what is none."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aioice import Candidate
from aioice.candidate import candidate_priority

from edgeturn.command.ice import Login
from edgeturn.probing import candidate
from edgeturn.probing.client import Client
from edgeturn.probing.server import Server
from edgeturn.protocol import address
from edgeturn.protocol.address import parse_ip
from tests.blackbox.certificates import NAME, Certificate
from tests.blackbox.relay import HOST, HOST6, Relay, Value, free_port, until
from tests.cli.conftest import Call, StartRelay
from tests.lab.programs import program

LOGIN = ("--user", "alice", "--password", "s3cret")
TRANSPORTS = ["udp", "tcp", "tls", "dtls"]
HOST_BASE = parse_ip("192.0.2.9")


@pytest.fixture(scope="module")
def relay(
    interpreter: list[str], certificate: Certificate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Relay]:
    """A relay that serves every transport, on one port."""
    settings: dict[str, Value] = {**certificate.settings(), "dtls": 1, "tls_names": [NAME], "max_allocations": 32}
    with Relay(interpreter, tmp_path_factory.mktemp("relay"), settings) as made:
        yield made


def found(said: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(said)
    return answer


def relays(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in answer["candidates"] if each["type"] == "relay"]


def errors(answer: dict[str, Any]) -> list[tuple[int, str]]:
    return [(each["code"], each["text"]) for each in answer["errors"]]


@contextmanager
def silent() -> Iterator[str]:
    """Listen over UDP and never answer; give the URI."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        yield f"turn:{HOST}:{sock.getsockname()[1]}"


def test_the_own_relay_gives_candidates_of_both_families_over_every_transport(relay: Relay, call: Call) -> None:
    answer = found(call("probe", "-c", str(relay.file), "--json"))
    assert answer["errors"] == [] and answer["unreached"] == []
    got = {(each["relay_transport"], each["address"]) for each in relays(answer)}
    assert got == {(transport, place) for transport in TRANSPORTS for place in (HOST, HOST6)}
    for each in answer["candidates"]:
        read = Candidate.from_sdp(each["candidate"].removeprefix("candidate:"))
        assert (read.type, read.host, read.port, read.priority) == tuple(
            each[name] for name in ("type", "address", "port", "priority")
        )
        assert each["milliseconds"] >= 0
    assert any("relayed IPv4 and IPv6, reached over" in sentence for sentence in answer["verdict"])
    until(lambda: not relay.sessions(), "every allocation is released")


@pytest.mark.parametrize(
    ("query", "transport", "family"),
    [
        ("turn:{four}:{port}", "udp", 4), ("turn:[{six}]:{port}?transport=tcp", "tcp", 6),
        ("turns:{four}:{port}", "tls", 4), ("turns:[{six}]:{port}?transport=udp", "dtls", 6),
    ],
)  # fmt: skip
def test_a_uri_names_transport_and_family(
    relay: Relay, certificate: Certificate, call: Call, query: str, transport: str, family: int
) -> None:
    uri = query.format(four=HOST, six=HOST6, port=relay.port)
    answer = found(call("probe", uri, *LOGIN, "--ca", str(certificate.certificate), "--json"))
    (given,) = relays(answer)
    assert (given["relay_transport"], given["server"]) == (transport, uri)
    assert given["address"] == (HOST if family == 4 else HOST6)


def test_a_relay_of_ipv4_only_gives_that_to_who_comes_by_ipv6(start: StartRelay, call: Call) -> None:
    answer = found(call("probe", f"turn:[{HOST6}]:{start(relay_address=[HOST]).port}", *LOGIN, "--json"))
    assert [each["address"] for each in relays(answer)] == [HOST] and answer["errors"] == []


def test_people_read_lines_of_sdp_with_times_and_servers(relay: Relay, call: Call) -> None:
    uri = f"turn:{HOST}:{relay.port}"
    lines = call("probe", uri, *LOGIN).splitlines()
    at = next(number for number, line in enumerate(lines) if " typ relay raddr " in line)
    assert lines[at].startswith("candidate:") and lines[at + 1].endswith(f" ms  {uri}")
    assert "What a browser makes of it" in lines


@pytest.mark.parametrize("kind", ["host", "prflx", "srflx", "relay"])
@pytest.mark.parametrize("preference", [0, 1, 65535])
def test_rfc8445_5_1_2_1_priority(kind: str, preference: int) -> None:
    type_preference = {"host": 126, "prflx": 110, "srflx": 100, "relay": 0}[kind]
    assert candidate.priority(kind, preference) == 2**24 * type_preference + 2**8 * preference + 256 - 1
    assert candidate.priority(kind, preference) == candidate_priority(1, kind, preference)


def test_local_preferences_tell_bases_and_ways_apart() -> None:
    bases = [parse_ip(f"192.0.2.{number}") for number in range(20)]
    known = [candidate.local_preference(bases, base, way) for base in bases for way in ("udp", "dtls", "tcp", "tls")]
    assert known == sorted(set(known), reverse=True) and known[0] == 65535


@pytest.mark.parametrize(
    ("what", "same", "ip", "server", "way"),
    [
        ("equal", True, HOST_BASE, parse_ip("192.0.2.1"), "udp"),
        ("another base", False, parse_ip("192.0.2.10"), parse_ip("192.0.2.1"), "udp"),
        ("another server", False, HOST_BASE, parse_ip("192.0.2.2"), "udp"),
        ("another way to it", False, HOST_BASE, parse_ip("192.0.2.1"), "tcp"),
    ],
)
def test_rfc8445_5_1_1_3_foundation(what: str, same: bool, ip: bytes, server: bytes, way: str) -> None:
    first = candidate.foundation("relay", HOST_BASE, parse_ip("192.0.2.1"), "udp")
    assert (candidate.foundation("relay", ip, server, way) == first) is same


def test_rfc8421_4_what_speaks_to_the_internet_and_ipv6_are_preferred() -> None:
    near, four, six = (parse_ip(text) for text in ("192.0.2.7", "192.0.2.9", "2001:db8::9"))
    assert candidate.preferred([near, four, six], [four, six]) == [six, four, near]


@pytest.fixture
def coturn(tmp_path: Path) -> Iterator[str]:
    """Run coturn at two addresses of this machine; give its URI."""
    port, folder = free_port(), tmp_path
    argv = [program("turnserver"), "-n", "--no-cli", "-a", "--allow-loopback-peers", "--no-tls", "--no-dtls"]
    argv += ["-L", HOST, "-L", "127.0.0.2", "--relay-ip", HOST, "-u", "alice:s3cret", "-r", "example.org"]
    argv += ["-p", str(port), "--alt-listening-port", str(free_port()), "--log-file", "stdout"]
    argv += ["--pidfile", str(folder / "pid"), "--userdb", str(folder / "db")]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: connects(port), "coturn listens")
    yield f"turn:{HOST}:{port}"
    process.kill()
    process.wait()


def connects(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex((HOST, port)) == 0


def test_another_server_is_probed_as_well(coturn: str, call: Call) -> None:
    uris = [coturn, coturn + "?transport=tcp"]
    answer = found(call("probe", *uris, *LOGIN, "--json"))
    assert [each["server"] for each in sorted(relays(answer), key=lambda each: -each["priority"])] == uris
    assert [(each["mapping"], each["filtering"]) for each in answer["nat"]] == [("none", "endpoint-independent")]
    answer = found(call("probe", coturn, "--user", "alice", "--password", "wrong", "--json", code=3))
    assert errors(answer) == [(401, "Unauthorized")]  # its own words


def test_a_stun_server_gives_no_relay(relay: Relay, call: Call) -> None:
    answer = found(call("probe", f"stun:{HOST}:{relay.port}", "--json"))
    assert not relays(answer) and answer["unreached"] == []
    assert any(sentence.startswith("No TURN server is named") for sentence in answer["verdict"])


def test_a_wrong_password_is_what_a_browser_calls_401(relay: Relay, call: Call) -> None:
    uri = f"turn:{HOST}:{relay.port}"
    answer = found(call("probe", uri, "--user", "alice", "--password", "wrong", "--json", code=3))
    assert errors(answer) == [(401, "Unauthenticated")] and answer["unreached"] == [uri]
    said = call("probe", uri, "--user", "alice", "--password", "wrong", code=3)
    assert "over UDP): 401, Unauthenticated" in said and "compare secrets, users and realm" in said


def test_a_credential_that_is_over_is_told(relay: Relay, call: Call) -> None:
    user = f"{int(time.time()) - 600}:alice"
    said = call("probe", f"turn:{HOST}:{relay.port}", "--user", user, "--password", "x", code=3)
    assert "ended 10 minutes ago" in " ".join(said.split())


def test_udp_that_is_blocked_is_701_once_and_leaves_the_relay_by_tcp(relay: Relay, call: Call) -> None:
    with silent() as uri:
        answer = found(call("probe", uri, f"turn:{HOST}:{relay.port}?transport=tcp", *LOGIN, "--json", code=3))
    assert errors(answer) == [(701, "no answer")] and answer["unreached"] == [uri] and answer["nat"] == []
    assert [each["relay_transport"] for each in relays(answer)] == ["tcp"]
    assert any(sentence.startswith("UDP is blocked on the way") for sentence in answer["verdict"])


def test_nothing_that_answers_is_told(call: Call) -> None:
    answer = found(call("probe", f"turn:{HOST}:{free_port()}?transport=tcp", *LOGIN, "--json", code=3))
    assert errors(answer) == [(701, "can't connect: connection refused")]
    assert any(sentence.startswith("No server answers") for sentence in answer["verdict"])
    assert any("it never connects" in sentence for sentence in answer["verdict"])


def test_a_certificate_that_nobody_trusts_is_701(relay: Relay, call: Call) -> None:
    uri = f"turns:{HOST}:{relay.port}"
    (error,) = errors(found(call("probe", uri, *LOGIN, "--json", code=3)))
    assert error[0] == 701 and error[1].startswith("its certificate isn't trusted")
    assert not errors(found(call("probe", uri, *LOGIN, "--insecure", "--json")))


def test_a_name_that_nobody_knows_is_701(call: Call) -> None:
    nobody = "n" * 64  # that is no name, so that no DNS server is asked
    said = " ".join(call("probe", f"stun:{nobody}", code=3).split())
    assert f"701, the name '{nobody}' can't be looked up" in said and "means: this machine's DNS" in said


def test_a_quota_that_is_used_up_is_486(start: StartRelay, call: Call) -> None:
    relay = start(user_quota=1)
    uris = [f"turn:{HOST}:{relay.port}", f"turn:{HOST}:{relay.port}?transport=tcp"]
    with occupied(relay):
        answer = found(call("probe", *uris, *LOGIN, "--json", code=3))
    assert errors(answer) == [(486, "Allocation Quota Reached")] * 2


def test_rfc8489_10_a_server_that_is_full_sends_to_another(relay: Relay, start: StartRelay, call: Call) -> None:
    full = start(max_allocations=1, alternate_server=[f"turn:{HOST}:{relay.port}"])
    uri = f"turn:{HOST}:{full.port}"
    with occupied(full):
        answer = found(call("probe", uri, *LOGIN, "--json"))
    assert answer["errors"] == [] and [each["server"] for each in relays(answer)] == [uri]


@contextmanager
def occupied(relay: Relay) -> Iterator[None]:
    """Keep an allocation of alice's."""
    client = Client(Server(address.parse(f"{HOST}:{relay.port}")), Login("alice", "s3cret"))
    client.allocate(address.IPV4)
    yield
    client.close()


@pytest.mark.parametrize(
    "shape",
    [
        lambda uri: {"iceServers": [{"urls": [uri], "username": "alice", "credential": "s3cret"}]},
        lambda uri: [{"urls": uri, "username": "alice", "credential": "s3cret"}],
        lambda uri: {"username": "alice", "password": "s3cret", "ttl": 86400, "uris": [uri]},  # Matrix, draft-uberti
        lambda uri: {"ice_servers": [{"url": uri, "urls": uri, "username": "alice", "credential": "s3cret"}]},
        lambda uri: {"v": {"iceServers": {"urls": [uri], "username": "alice", "credential": "s3cret"}}, "s": "ok"},
    ],
    ids=["RTCPeerConnection", "list", "turnServer", "url beside urls", "nested"],
)
def test_a_document_names_servers_and_login(relay: Relay, call: Call, tmp_path: Path, shape: Any) -> None:
    uri = f"turn:{HOST}:{relay.port}"
    text = json.dumps(shape(uri))
    file = tmp_path / "ice.json"
    file.write_text(text)
    for answer in (call("probe", str(file), "--json"), call("probe", "-", "--json", given=text)):
        assert found(answer)["servers"] == [uri] and len(relays(found(answer))) == 1


@pytest.mark.parametrize(
    ("words", "given", "said"),
    [
        (("turn:192.0.2.1",), "", "turn:192.0.2.1 needs a login: --user and --password, or --secret."),
        (("http://192.0.2.1",), "", "is no URI such as"),
        (("stun:\x1b[2J",), "", "a URI has letters in it that can't be shown"),
        (("-",), "nothing of the kind", "- is no JSON; an iceServers document is"),
        (("-",), '{"iceServers": []}', '- names no server: there is no "urls" in it.'),
        (("-",), '{"iceServers": [{"urls": "turn:192.0.2.1"}]}', "turn:192.0.2.1 needs a login"),
        (("stun:192.0.2.1",) * 33, "", "33 servers are too many; name 32 at most."),
        (("stun:192.0.2.1", "--relay-echo"), "", "packets go through a TURN server only"),
        (("turn:192.0.2.1", "--relay-echo", "--rate", "201"), "", "201 is not in the range"),
    ],
)
def test_what_is_typed_wrongly_is_told(call: Call, words: tuple[str, ...], given: str, said: str) -> None:
    assert said in call("probe", *words, code=2, given=given)
