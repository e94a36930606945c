"""DTLS and strangers: what they can't do before their cookie is back, and what ends a session or keeps it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.blackbox.certificates import Certificate
from tests.blackbox.conftest import StartRelay
from tests.blackbox.relay import DEADLINE, HOST, ROOT, configuration, defaults, free_port, until
from tests.blackbox.test_dtls import (
    HELLO_VERIFY_REQUEST,
    PLAIN,
    SERVER_HELLO,
    Needs,
    New,
    Open,
    Serve,
    ask,
    begin,
    dtls,
    is_closed,
    library,
    needs,
    new,
    opened,
    serve,
)
from tests.blackbox.test_process import assert_one_sentence, run

__all__ = ["library", "needs", "new", "opened", "serve"]  # fixtures

NEIGHBOUR, FAR = "127.0.0.9", "127.9.9.9"  # of HOST's source prefix, and of another


# Strangers.


def test_rfc6347_4_2_1_nothing_is_kept_of_ten_thousand_hellos(serve: Serve, opened: Open, new: New) -> None:
    relay = serve()
    senders = [opened(relay, f"127.{number}.0.1") for number in range(1, 101)]
    hello = senders[0].step()[0]
    ask(senders[0], hello)
    before = relay.status()["memory_bytes"]
    for number in range(10000):
        sender = senders[number % 100]
        answer = ask(sender, hello[:27] + os.urandom(32) + hello[59:])
        assert answer[13] == HELLO_VERIFY_REQUEST and len(answer) <= len(hello)
    assert dtls(relay, "hellos") == 10001
    assert dtls(relay, "sessions") == dtls(relay, "most_sessions") == 0
    assert relay.status()["memory_bytes"] - before < 1 << 20
    assert new(relay).allocate().code == 0


def test_hellos_are_charged_to_the_strangers_and_handshakes_are_not(needs: Needs, serve: Serve, opened: Open) -> None:
    needs("OUR_COOKIES")
    relay = serve(unauthenticated_rate=1)
    session, other = opened(relay), opened(relay)
    second = session.step(ask(session, session.step()[0]))[0]
    hello = other.step()[0]

    def spend() -> int:
        other.udp.send(hello)
        return relay.dropped("over budget")

    until(spend, "an empty budget")
    assert ask(session, second)[13] == SERVER_HELLO


def test_handshakes_have_a_budget_of_their_own(serve: Serve, opened: Open) -> None:
    relay = serve(unauthenticated_rate=1)
    session = opened(relay)
    second = session.step(ask(session, session.step()[0]))[0]

    def begin_anew() -> int:
        session.udp.send(second[:27] + os.urandom(32) + second[59:])
        return relay.dropped("over budget")

    until(begin_anew, "an empty budget")
    assert 0 < dtls(relay, "accepted") <= 4 * 2  # a second's rate over two windows of the budget


def test_a_cookie_is_of_use_to_its_source_only(serve: Serve, opened: Open) -> None:
    relay = serve()
    session, thief = opened(relay), opened(relay)
    second = session.step(ask(session, session.step()[0]))[0]
    assert ask(thief, second)[13] == HELLO_VERIFY_REQUEST
    assert dtls(relay, "accepted") == 0


def garbage(hello: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield what begins like DTLS and isn't a hello."""
    yield "one byte", hello[:1]
    yield "no whole header", hello[:12]
    yield "a header", hello[:13]
    yield "cut off", hello[:-1]
    yield "too long", hello + b"\0"
    yield "another kind", b"\x3f" + hello[1:]
    yield "application data", b"\x17" + hello[1:]
    yield "TLS", hello[:1] + b"\x03\x01" + hello[3:]
    yield "epoch 1", hello[:4] + b"\x01" + hello[5:]
    yield "a fragment", hello[:21] + b"\x01" + hello[22:]
    yield "a session id that ends nowhere", hello[:59] + b"\xff" + hello[60:]
    yield "another message", hello[:13] + b"\x02" + hello[14:]
    yield "in front of more than is read at once", hello + (b"\x17\xfe\xfd" + bytes(8) + b"\x40\0" + bytes(0x4000)) * 3
    yield "the third message", hello[:18] + b"\x02" + hello[19:]


def test_garbage_is_dropped_without_an_answer(serve: Serve, opened: Open) -> None:
    relay = serve()
    session = opened(relay)
    hello = session.step()[0]
    rows = list(garbage(hello))
    for number, (what, datagram) in enumerate(rows):
        session.udp.send(datagram)
        until(lambda: relay.dropped("dtls") == number + 1, what)  # noqa: B023
    assert ask(session, hello)[13] == HELLO_VERIFY_REQUEST
    assert dtls(relay, "hellos") == 1


def test_garbage_of_its_source_does_not_end_a_session(serve: Serve, new: New) -> None:
    relay = serve()
    alice = new(relay)
    alice.allocate()
    record = alice.sock.wrap(PLAIN)
    for _ in range(50):
        for datagram in (
            os.urandom(200),
            b"\x17\xfe\xfd" + os.urandom(300),
            record[:13] + os.urandom(len(record) - 13),
        ):
            alice.sock.udp.send(datagram)
    alice.sock.udp.send(record[:1] + b"\xfe\xfd\0\0" + record[5:])  # not encrypted
    alice.sock.udp.send(b"\x15\xfe\xfd\0\0\0\0\0\0\0\x09\0\x02\x02\x28")  # an alert, not encrypted
    alice.sock.udp.send(record)
    assert alice.answer(PLAIN).code == 0
    assert alice.refresh(600).code == 0


def test_a_handshake_takes_no_more_than_one_needs(serve: Serve, opened: Open) -> None:
    relay = serve()
    huge = opened(relay)
    begin(huge)
    key = b"\x10\0\xff\xff\0\x02\0\0\0\0\0\x01\0"  # a ClientKeyExchange that says it has 65535 bytes
    huge.udp.send(b"\x16\xfe\xfd\0\0\0\0\0\0\0\x09" + len(key).to_bytes(2, "big") + key)
    assert relay.logged("closed", "transport=dtls", "too much for a handshake")
    many = opened(relay)
    begin(many)
    for number in range(40):
        many.udp.send(b"\x16\xfe\xfd\0\x01\0\0\0\0\0" + bytes([number]) + b"\0\x28" + os.urandom(40))
    until(lambda: dtls(relay, "sessions") == 0, "the end of both")
    assert len(relay.log("closed", "too much for a handshake")) == 2


# Bounds.


def test_a_handshake_ends_in_time(serve: Serve, opened: Open) -> None:
    relay = serve(handshake_timeout=1)
    begin(opened(relay))
    assert dtls(relay, "handshakes") == 1
    assert relay.logged("closed", "transport=dtls", "no handshake in time")
    assert dtls(relay, "sessions") == 0


def test_without_an_allocation_a_session_ends_in_time(serve: Serve, new: New) -> None:
    relay = serve(unauthenticated_timeout=1)
    alice, bob = new(relay), new(relay)
    alice.allocate()
    assert is_closed(relay, bob)
    assert relay.logged("closed", "transport=dtls", "unauthenticated")
    assert alice.refresh(0).code == 0
    assert is_closed(relay, alice)


def test_an_idle_session_ends(serve: Serve, new: New) -> None:
    relay = serve(idle_timeout=1)
    alice = new(relay)
    alice.allocate()
    assert is_closed(relay, alice)
    assert relay.logged("closed", "transport=dtls", "idle") and relay.sessions() == []


def test_a_full_pool_prefers_who_has_an_allocation(serve: Serve, new: New, opened: Open) -> None:
    relay = serve(max_dtls_sessions=2)
    alice = new(relay)
    alice.allocate()
    stranger = new(relay, host=FAR)
    bob = new(relay, host=NEIGHBOUR)
    assert is_closed(relay, stranger)
    assert bob.allocate().code == 0
    late = opened(relay)
    late.udp.send(late.step(ask(late, late.step()[0]))[0])
    until(lambda: dtls(relay, "refused"), "a refusal")
    assert alice.refresh(600).code == bob.refresh(600).code == 0


def test_a_prefix_has_half_of_the_places(serve: Serve, new: New) -> None:
    relay = serve(max_dtls_sessions=4)
    oldest = new(relay, host=FAR)
    first, _second, _third = new(relay), new(relay, host=NEIGHBOUR), new(relay)
    assert is_closed(relay, first)
    assert oldest.binding().code == 0
    assert dtls(relay, "sessions") == 3


def test_the_oldest_handshake_gives_way(serve: Serve, opened: Open) -> None:
    relay = serve(max_handshakes=2)
    far, near = opened(relay, FAR), opened(relay)
    begin(far)
    begin(near)
    begin(opened(relay, NEIGHBOUR))
    assert dtls(relay, "handshakes") == 2
    assert relay.logged("closed", f"client={HOST}:", "gave way")  # its prefix had half of them
    assert not relay.log("closed", f"client={FAR}:")


# Starting.


def test_dtls_needs_a_certificate(start: StartRelay) -> None:
    answer = start().control({"command": "reload", "configuration": "config relay\n\toption dtls '1'\n"})
    assert not answer["ok"] and "option 'dtls' needs option 'certificate'" in answer["error"]


@pytest.mark.parametrize(("file", "wrong"), [("certificate", ""), ("key", ""), ("certificate", "x"), ("key", "x")])
def test_files_that_can_not_serve_are_one_sentence(
    interpreter: list[str], tmp_path: Path, certificate: Certificate, file: str, wrong: str
) -> None:
    bad = tmp_path / "bad.pem"
    if wrong:
        bad.write_text(wrong)
    settings = defaults(tmp_path, free_port()) | {"dtls": 1, **certificate.settings(), file: str(bad)}
    said = assert_one_sentence(run(interpreter, tmp_path, configuration(settings)), 1)
    assert str(bad) in said


def test_without_the_library_the_option_says_what_to_install(tmp_path: Path, certificate: Certificate) -> None:
    file = tmp_path / "edgeturn.conf"
    file.write_text(configuration(defaults(tmp_path, free_port()) | {"dtls": 1, **certificate.settings()}))
    hidden = (
        "import sys; sys.modules['OpenSSL'] = None; from edgeturn.relay.main import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", hidden, "-c", str(file)], cwd=ROOT, timeout=DEADLINE, capture_output=True, text=True
    )
    said = assert_one_sentence(done, 1)
    assert "option 'dtls' needs the Python package pyopenssl" in said and "pip install pyopenssl" in said


def test_without_the_option_the_library_is_not_loaded(start: StartRelay, certificate: Certificate) -> None:
    relay = start(**certificate.settings())
    assert "OpenSSL" not in Path(f"/proc/{relay.process.pid}/maps").read_text()
    assert relay.status()["dtls"] is None


def test_an_interpreter_serves_dtls_or_says_what_it_lacks(
    interpreter: list[str], library: dict[str, str], start: StartRelay, tmp_path: Path, certificate: Certificate
) -> None:
    if "all" not in library:
        assert start(dtls=1, **certificate.settings()).status()["dtls"]["max_sessions"] == 64
        return
    settings = defaults(tmp_path, free_port()) | {"dtls": 1, **certificate.settings()}
    said = assert_one_sentence(run(interpreter, tmp_path, configuration(settings)), 1)
    assert said == f"edgeturn: option 'dtls' {library['all']}\n"
