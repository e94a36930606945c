"""`edgeturn check` against real relays, whole and faulty ones, and servers that are none."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from edgeturn.cli import check_advice
from edgeturn.protocol import stun
from tests.blackbox.relay import HOST, free_port
from tests.cli.conftest import Call, StartRelay


def steps(said: str) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Return the results by server's family, relayed family and step."""
    rows: list[dict[str, Any]] = json.loads(said)["steps"]
    return {("IPv6" if row["server"][0] == "[" else "IPv4", row["relayed"], row["step"]): row for row in rows}


def faults(said: str) -> list[tuple[str, str]]:
    return [(row["step"], row["detail"]) for row in steps(said).values() if row["state"] == "failed"]


@contextmanager
def server(answer: Callable[[stun.Message], bytes]) -> Iterator[str]:
    """Serve something else than a relay; give its URI."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))

        def serve() -> None:
            while True:
                data, source = sock.recvfrom(2048)
                if data == b"end":
                    return
                if reply := answer(stun.Message(data)):
                    sock.sendto(reply, source)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"turn:{HOST}:{sock.getsockname()[1]}"
        sock.sendto(b"end", sock.getsockname())
        thread.join()


def test_a_whole_relay_passes_everything(start: StartRelay, call: Call) -> None:
    relay = start()
    said = call("check", "-c", str(relay.file), "--json")
    found = steps(said)
    assert json.loads(said)["passed"] and {row["state"] for row in found.values()} == {"passed"}
    for client in ("IPv4", "IPv6"):
        for relayed in ("IPv4", "IPv6"):
            for step in ("Allocate", "permission", "Send", "channel", "relay to relay", "release"):
                assert (client, relayed, step) in found
    assert not relay.sessions()


def test_it_is_read_by_people(start: StartRelay, call: Call) -> None:
    said = call("check", "-c", str(start().file))
    assert "✓ Binding               the relay sees you as 127.0.0.1:" in said
    assert "It works: " in said and "0 failed" in said


def test_denied_local_peers_are_replaced_by_a_second_allocation(start: StartRelay, call: Call) -> None:
    found = steps(call("check", "-c", str(start(allow_peer=[]).file), "--json"))
    row = found["IPv4", "IPv4", "local peer"]
    assert row["state"] == "skipped" and "policy denies 127.0.0.1 as a peer (403)" in row["detail"]
    assert {row["state"] for key, row in found.items() if key[2] != "local peer"} == {"passed"}


def test_a_family_that_is_not_relayed_is_skipped(start: StartRelay, call: Call) -> None:
    found = steps(call("check", "-c", str(start(relay_address=[HOST]).file), "--json"))
    assert found["IPv4", "IPv6", "Allocate"]["state"] == "skipped"
    assert "no IPv6 address" in found["IPv4", "IPv6", "Allocate"]["detail"]


def test_a_static_user_logs_in_by_uri(start: StartRelay, call: Call) -> None:
    relay = start()
    call("check", f"turn:{HOST}:{relay.port}?transport=udp", "--user", "alice", "--password", "s3cret")
    call("check", f"turn:[::1]:{relay.port}", "--secret", str(relay.settings["secret"][0]))  # type: ignore[index]


def test_a_stun_uri_asks_for_no_login(start: StartRelay, call: Call) -> None:
    assert "It works: 1 passed" in call("check", f"stun:{HOST}:{start().port}")


def test_a_wrong_password_says_what_to_compare(start: StartRelay, call: Call) -> None:
    said = call("check", f"turn:{HOST}:{start().port}", "--user", "alice", "--password", "no", code=3)
    assert "✗ IPv4 Allocate" in said and "doesn't accept username and password" in said and "compare secrets" in said


def test_nothing_listens(call: Call) -> None:
    said = call("check", f"turn:{HOST}:{free_port()}", "--user", "a", "--password", "b", code=3)
    assert "✗ Binding               no answer" in said and "nothing answers at this address and port" in said
    assert "see whether the relay runs and listens there" in said and "`edgeturn" not in said
    assert "open the port for UDP in the firewall" in said and "skipped: an earlier step failed" in said


def test_commands_are_advised_only_for_a_relay_of_ones_own(start: StartRelay, call: Call) -> None:
    relay = start()
    wrong = ("--user", "alice", "--password", "no")
    assert f"`edgeturn reload -c {relay.file}` where" in call("check", *wrong, "-c", str(relay.file), code=3)
    assert "`edgeturn" not in call("check", f"turn:{HOST}:{relay.port}", *wrong, code=3)
    for file in (None, relay.file):
        for step, happened, _, _ in check_advice.ROWS:
            said = check_advice.Advice(file).find(step, happened)[1]
            assert "{" not in said and (file or "`edgeturn" not in said), said


def test_a_denied_relay_address_is_told(start: StartRelay, call: Call) -> None:
    said = call("check", "-c", str(start(deny_peer=[HOST]).file), "--json", code=3)
    assert ("permission", "403") in faults(said)


def test_a_small_quota_skips_what_needs_two(start: StartRelay, call: Call) -> None:
    found = steps(call("check", "-c", str(start(user_quota=1).file), "--json"))
    assert "quota" in found["IPv4", "IPv4", "relay to relay"]["detail"]
    assert found["IPv4", "IPv4", "channel"]["state"] == "passed"


def test_a_full_relay_is_told(start: StartRelay, call: Call) -> None:
    relay = start(max_allocations=1)
    said = call("check", "-c", str(relay.file), "--json", code=3)
    assert ("relay to relay", "508") in faults(said)


def test_an_open_relay_is_a_fault(call: Call) -> None:
    def grant(message: stun.Message) -> bytes:
        address = stun.encode_xor_address(b"\x10\x00\x7f\0\0\1", message.transaction)
        both = [(stun.XOR_RELAYED_ADDRESS, address), (stun.XOR_MAPPED_ADDRESS, address)]
        return stun.encode(message.method | stun.SUCCESS, message.transaction, both)

    with server(grant) as uri:
        said = call("check", uri, "--user", "a", "--password", "b", code=3)
    assert "✗ challenge" in said and "gives allocations to anybody" in said


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("turn:example.org?transport=sctp",), "asks for 'transport=sctp'"),
        (("http://example.org",), "is no URI such as turn:turn.example.org:3478"),
        (("turn:[::1",), "has no host and port"),
        (("turn:example.org:70000",), "has no host and port"),
        (("turn:127.0.0.1",), "needs a login: --user and --password, or --secret"),
        (("turn:127.0.0.1", "--user", "a"), "--user and --password go together"),
    ],
)
def test_wrong_usage(call: Call, words: tuple[str, ...], reason: str) -> None:
    assert reason in call("check", *words, code=2)


def test_an_unknown_name_is_no_fault_of_a_relay(call: Call) -> None:
    assert "can't be looked up" in call("check", "stun:no-such-host.invalid", code=1)
