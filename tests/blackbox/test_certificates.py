"""A relay's certificate: judged at start, followed while it runs, and never a reason to drop anybody."""

import os
import ssl
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from tests.blackbox.authority import ED25519, RSA, Authority, Issued, put, self_signed
from tests.blackbox.client import CHANNEL, TlsClient
from tests.blackbox.conftest import NewPeer, StartRelay
from tests.blackbox.relay import HOST, Relay, Value, until

NAME = "turn.example.org"
Files = tuple[Path, Path]


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


class Serve(Protocol):
    """Starts a relay with a certificate at the usual place."""

    def __call__(self, issued: Issued, **settings: Value) -> Relay: ...


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Where the relay's certificate and key are."""
    return tmp_path / "turn.crt", tmp_path / "turn.key"


@pytest.fixture
def serve(start: StartRelay, files: Files) -> Serve:
    def serve(issued: Issued, **settings: Value) -> Relay:
        issued.write(files[0].parent)
        return start(certificate=str(files[0]), key=str(files[1]), **settings)

    return serve


def state(relay: Relay) -> dict[str, Any]:
    """Return what `status` says of the certificate."""
    found: dict[str, Any] = relay.status()["certificate"]
    return found


def shown(relay: Relay) -> bytes:
    """Return the certificate that the relay shows to a newcomer, as DER."""
    text = ssl.get_server_certificate(relay.server(), timeout=10)
    return ssl.PEM_cert_to_DER_cert(text)


def shows(relay: Relay, issued: Issued) -> bool:
    return shown(relay) == issued.certificate.public_bytes(Encoding.DER)


# At the start: files that can't serve.

Spoil = Callable[[Files, Authority], object]


def without(at: int) -> Spoil:
    return lambda files, _: files[at].unlink()


def holding(at: int, text: bytes) -> Spoil:
    return lambda files, _: put(files[at], text)


def cut(at: int) -> Spoil:
    return lambda files, _: put(files[at], files[at].read_bytes()[:-40])


def in_der(files: Files, authority: Authority) -> None:
    put(files[0], authority.issue(NAME).certificate.public_bytes(Encoding.DER))


def exchanged(files: Files, _: Authority) -> None:
    first, second = files[0].read_bytes(), files[1].read_bytes()
    put(files[0], second)
    put(files[1], first)


def encrypted(files: Files, authority: Authority) -> None:
    key = authority.issue(NAME).key
    put(files[1], key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word")))


def of_another(files: Files, authority: Authority) -> None:
    put(files[1], authority.issue(NAME).key_text())


def of_another_kind(files: Files, authority: Authority) -> None:
    put(files[1], authority.issue(NAME, kind=RSA).key_text())


def upside_down(files: Files, authority: Authority) -> None:
    issued = authority.issue(NAME)
    put(files[0], issued.text(authority.issuing, issued.certificate))
    put(files[1], issued.key_text())


def two_keys(files: Files, authority: Authority) -> None:
    put(files[1], files[1].read_bytes() + authority.issue(NAME).key_text())


def a_pipe(files: Files, _: Authority) -> None:
    files[0].unlink()
    os.mkfifo(files[0])


UNUSABLE: tuple[tuple[Spoil, int, str], ...] = (
    (without(0), 0, "can't be read: no such file"),
    (without(1), 1, "can't be read: no such file"),
    (holding(0, b""), 0, "is empty"),
    (holding(1, b""), 1, "is empty"),
    (holding(0, b"hello\n"), 0, "holds no certificate, but nothing in PEM form"),
    (holding(1, b"hello\n"), 1, "holds no private key, but nothing in PEM form"),
    (holding(0, b"x" * 70000), 0, "is larger than 64 kB, so it's neither certificate nor key"),
    (cut(0), 0, "can't be read: a block in it has no end; it may be half written"),
    (cut(1), 1, "can't be read: a block in it has no end; it may be half written"),
    (in_der, 0, "is in DER form; `openssl x509`"),
    (
        exchanged,
        0,
        "holds no certificate, but a private key; see whether the options certificate and key are exchanged",
    ),
    (encrypted, 1, "needs a passphrase; `openssl pkey -in "),
    (of_another, 1, "the private key doesn't belong to the certificate in "),
    (of_another_kind, 1, "the private key doesn't belong to the certificate in "),
    (upside_down, 0, "the certificate of the key is number 2 of it; it must stand first, its issuers behind it"),
    (two_keys, 1, "holds 2 private keys; leave the one that belongs to the certificate"),
    (a_pipe, 0, "is no file; correct the path"),
)


@pytest.mark.parametrize(("spoil", "which", "sentence"), UNUSABLE)
def test_what_cannot_serve_is_one_sentence_at_the_start(
    interpreter: list[str], files: Files, authority: Authority, spoil: Spoil, which: int, sentence: str
) -> None:
    authority.issue(NAME).write(files[0].parent)
    spoil(files, authority)
    relay = Relay(interpreter, files[0].parent, {"certificate": str(files[0]), "key": str(files[1])})
    assert relay.ended() == 1
    assert relay.lines[-1].startswith(f"edgeturn: {files[which]}: {sentence}"), relay.lines


# At the start: what serves, and what is said of it.


def test_a_whole_certificate_is_said_in_one_line(serve: Serve, authority: Authority, files: Files) -> None:
    relay = serve(authority.issue(NAME, "192.0.2.1", days=(-1, 89.9)), tls_names=[NAME])
    line = relay.logged("certificate file=")
    assert line == f"info certificate file={files[0]} names={NAME},192.0.2.1 issuer='Test CA' days-left=89"
    assert not relay.log("certificate reason=")
    found = state(relay)
    assert (found["names"], found["issuer"], found["problems"]) == ([NAME, "192.0.2.1"], "Test CA", [])
    assert (found["file"], found["key"]) == (str(files[0]), str(files[1]))
    assert 89 * 86400 < found["expires_seconds"] < 90 * 86400


def test_what_clients_refuse_is_said_and_served(serve: Serve, files: Files) -> None:
    issued = self_signed("other.example.org", days=(-30, -2))
    relay = serve(issued, tls_names=[NAME, "other.example.org"])
    for level, words in (
        ("error", "has expired on"),
        ("error", f"isn't for {NAME}, which clients are told, but for other.example.org"),
        ("warning", "is self-signed: browsers refuse it"),
    ):
        assert relay.logged("certificate reason=", words).startswith(f"{level} certificate reason='{files[0]}: ")
    assert len(state(relay)["problems"]) == 3 and shows(relay, issued)


@pytest.mark.parametrize(("days", "words"), [((-80, 13.5), "expires on"), ((2, 9), "isn't valid before")])
def test_the_time_is_judged(serve: Serve, authority: Authority, days: tuple[float, float], words: str) -> None:
    relay = serve(authority.issue(NAME, days=days))
    assert [words in problem for problem in state(relay)["problems"]] == [True]
    assert relay.logged("certificate reason=", words)


def test_a_key_that_everybody_may_read_is_said(start: StartRelay, authority: Authority, files: Files) -> None:
    authority.issue(NAME).write(files[0].parent)
    files[1].chmod(0o644)
    relay = start(certificate=str(files[0]), key=str(files[1]))
    assert relay.logged("certificate reason=").endswith(
        f"{files[1]}: everybody on this machine may read it (mode 0644); `chmod o= {files[1]}`'"
    )
    assert "chmod o= " in state(relay)["problems"][0]
    files[1].chmod(0o600)
    until(lambda: not state(relay)["problems"], "it is no problem any more")


@pytest.mark.parametrize("kind", [RSA, "ec"])
def test_both_kinds_of_keys_serve(serve: Serve, authority: Authority, kind: str) -> None:
    issued = authority.issue(NAME, HOST, kind=kind)
    assert shows(serve(issued), issued)


def test_a_key_that_cannot_be_compared_is_the_librarys_to_judge(
    interpreter: list[str], files: Files, authority: Authority
) -> None:
    """Ed25519: its file doesn't tell the public half."""
    first, second = authority.issue(NAME, kind=ED25519), authority.issue(NAME, kind=ED25519)
    put(files[0], first.text())
    put(files[1], second.key_text())
    relay = Relay(interpreter, files[0].parent, {"certificate": str(files[0]), "key": str(files[1])})
    assert relay.ended() == 1 and str(files[0]) in relay.lines[-1], relay.lines


# While it runs.


def test_a_renewed_one_is_taken_and_nobody_is_dropped(
    serve: Serve, authority: Authority, files: Files, new_peer: NewPeer, stack: ExitStack
) -> None:
    first, second = authority.issue(NAME, HOST), authority.issue(NAME, HOST)
    relay, trusted = serve(first), authority.trust(files[0].parent)
    client, peer = TlsClient(relay.server(), trusted), new_peer()
    stack.callback(client.close)
    relayed = client.allocate().relayed[0]
    assert client.bind(CHANNEL, peer.address) == 0 and shows(relay, first)
    second.write(files[0].parent)
    until(lambda: len(relay.log("certificate file=")) == 2, "the second is taken")
    assert shows(relay, second)
    client.channel(CHANNEL, b"up")
    peer.send(relayed, b"down")
    assert peer.receive() == (b"up", relayed) and client.receive().data == b"down"
    assert client.refresh(600).code == 0 and not relay.log("certificate-kept")


def test_links_are_followed_as_certbot_makes_them(start: StartRelay, authority: Authority, files: Files) -> None:
    live, archive = files[0].parent / "live", files[0].parent / "archive"
    live.mkdir()
    issued = [authority.issue(NAME), authority.issue(NAME)]
    for number, each in enumerate(issued):
        (archive / str(number)).mkdir(parents=True)
        each.write(archive / str(number))

    def point(number: int) -> None:
        for name in ("turn.key", "turn.crt"):
            new = live / "new"
            new.symlink_to(archive / str(number) / name)
            new.rename(live / name)

    point(0)
    relay = start(certificate=str(live / "turn.crt"), key=str(live / "turn.key"))
    assert shows(relay, issued[0])
    point(1)
    until(lambda: shows(relay, issued[1]), "the second is shown")


def test_a_pair_that_does_not_fit_is_kept_out_until_it_does(serve: Serve, authority: Authority, files: Files) -> None:
    first, second = authority.issue(NAME), authority.issue(NAME)
    relay = serve(first)
    put(files[1], second.key_text())
    line = relay.logged("certificate-kept")
    assert line.startswith(f"error certificate-kept reason='{files[1]}: the private key doesn't belong")
    assert "doesn't belong" in state(relay)["problems"][0] and shows(relay, first)
    put(files[0], second.text())
    until(lambda: not state(relay)["problems"], "the trouble is over")
    assert shows(relay, second) and len(relay.log("certificate-kept")) == 1


def test_what_was_before_may_come_back(serve: Serve, authority: Authority, files: Files) -> None:
    first = authority.issue(NAME)
    relay = serve(first)
    files[1].unlink()
    assert "can't be read: no such file" in relay.logged("certificate-kept")
    put(files[1], first.key_text())
    relay.logged("is again the one in use")
    assert not state(relay)["problems"] and shows(relay, first)


def test_an_expired_one_serves_as_a_renewed_one_too(serve: Serve, authority: Authority, files: Files) -> None:
    relay, expired = serve(authority.issue(NAME)), authority.issue(NAME, days=(-90, -1))
    expired.write(files[0].parent)
    assert "has expired on" in relay.logged("certificate reason=") and shows(relay, expired)


def test_a_reload_looks_again_and_takes_names(serve: Serve, authority: Authority) -> None:
    relay = serve(authority.issue(NAME))
    assert not state(relay)["problems"]
    relay.configure(tls_names=["other.example.org"])
    assert relay.command("reload")["applied"] == ["tls_names"]
    assert "isn't for other.example.org" in state(relay)["problems"][0]


def test_a_user_that_may_not_read_the_key_is_told_what_that_means(
    start: StartRelay, authority: Authority, stack: ExitStack
) -> None:
    if os.geteuid():
        pytest.skip("only root can become another user")
    folder = Path(stack.enter_context(TemporaryDirectory()))  # pytest's own is closed to all others
    folder.chmod(0o755)
    first, second = authority.issue(NAME), authority.issue(NAME)
    certificate, key = first.write(folder)
    relay = start(certificate=str(certificate), key=str(key), user="nobody")
    said = relay.logged("certificate reason=", str(key), "user nobody may not read it")
    assert "a restart takes a renewed one, a reload can't" in said
    relay.command("reload", configuration=relay.file.read_text())
    second.write(folder)
    line = relay.logged("certificate-kept")
    assert "can't be read: permission denied; let user number" in line and shows(relay, first)
    certificate.chmod(0o644)
    key.chmod(0o644)
    until(lambda: shows(relay, second), "the second is shown")
    assert len(relay.log("certificate-kept")) == 1


def test_without_a_certificate_there_is_no_word_of_it(relay: Relay) -> None:
    assert relay.status()["certificate"] is None and not relay.log("certificate")
