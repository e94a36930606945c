"""Certificates at the tool: `init --tls` makes one that clients can be told to trust; `check` judges what is there."""

import json
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from edgeturn.cli import change, check_certificates, self_signed
from edgeturn.cli.failure import Failure
from edgeturn.relay.configuration import Configuration
from tests.blackbox.authority import Authority
from tests.blackbox.authority import self_signed as signed_by_itself
from tests.blackbox.relay import HOST
from tests.cli.conftest import Call, StartRelay

DAY = 86400


def names(certificate: Path) -> tuple[list[str], list[str]]:
    """Return the domain names and addresses in a certificate."""
    read = x509.load_pem_x509_certificate(certificate.read_bytes())
    found = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return found.get_values_for_type(x509.DNSName), [str(ip) for ip in found.get_values_for_type(x509.IPAddress)]


def shakes_hands(certificate: Path, key: Path, name: str) -> bool:
    """Say whether a client that was told to trust a certificate talks TLS to a server of that name."""
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=certificate)
    client.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    server.load_cert_chain(certificate, key)
    here, there = socket.socketpair()

    def serve() -> None:
        try:
            server.wrap_socket(there, server_side=True).close()
        except OSError:
            there.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        client.wrap_socket(here, server_hostname=name).close()
    except ssl.SSLError:
        return False
    finally:
        here.close()
        thread.join()
    return True


def test_init_makes_configuration_and_certificate(tmp_path: Path, call: Call) -> None:
    file = tmp_path / "edgeturn.conf"
    said = call("init", "--yes", "--tls", "--name", "Turn.Example.org", "--name", "192.0.2.1", "-c", str(file))
    certificate, key = tmp_path / "edgeturn.crt", tmp_path / "edgeturn.key"
    assert f"Made {certificate} for turn.example.org, 192.0.2.1" in said and "valid until" in said
    assert "Browsers refuse it" in said and "a relay takes them when it is started next" in said
    assert (key.stat().st_mode & 0o777, certificate.stat().st_mode & 0o777) == (0o600, 0o644)
    settings = Configuration(file.read_text(), str(file))
    assert (settings.text("certificate"), settings.text("key")) == (str(certificate), str(key))
    assert settings.items("tls_names") == ["turn.example.org", "192.0.2.1"]
    assert names(certificate)[0] == ["turn.example.org"] and "192.0.2.1" in names(certificate)[1]


def test_its_certificate_serves_those_who_trust_it(file: Path, call: Call) -> None:
    call("init", "--tls", "--name", "turn.example.org", "-c", str(file))
    made = self_signed.paths(file)
    assert shakes_hands(*made, "turn.example.org") and not shakes_hands(*made, "example.org")
    for address in names(made[0])[1]:
        assert shakes_hands(*made, address), address


def test_init_adds_a_certificate_to_a_file_and_loses_nothing_of_it(file: Path, call: Call) -> None:
    before = file.read_text().replace("config user", "# about alice\nconfig user")
    file.write_text(before)
    said = call("init", "--tls", "--days", "7", "-c", str(file))
    lines = [line for line in file.read_text().split("\n") if "certificate" not in line and "option key" not in line]
    assert "\n".join(lines) == before and "Made" in said
    read = x509.load_pem_x509_certificate((file.parent / "edgeturn.crt").read_bytes())
    assert 7 * DAY <= (read.not_valid_after_utc - read.not_valid_before_utc).total_seconds() <= 8 * DAY


def test_init_makes_no_second_certificate(file: Path, call: Call) -> None:
    call("init", "--tls", "-c", str(file))
    text = file.read_text()
    assert "names a certificate already" in call("init", "--tls", "-c", str(file), code=2)
    file.write_text("config relay 'main'\n")
    assert "edgeturn.crt exists already and is not overwritten" in call("init", "--tls", "-c", str(file), code=2)
    (file.parent / "edgeturn.crt").unlink()
    assert "edgeturn.key exists already" in call("init", "--tls", "-c", str(file), code=2)
    assert file.read_text() == "config relay 'main'\n" != text


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--name", "turn.example.org"), "--name and --days go with --tls"),
        (("--days", "9"), "--name and --days go with --tls"),
        (("--tls", "--name", "a b"), "'a b' is neither a domain name nor an IP address"),
        (("--tls", "--name", "-x.org"), "is neither a domain name"),
        (("--tls", "--name", "1.2.3.4:5349"), "is neither a domain name"),
        (("--tls", "--days", "0"), "0 is not in the range"),
    ],
)
def test_wrong_usage_makes_nothing(tmp_path: Path, call: Call, words: tuple[str, ...], reason: str) -> None:
    assert reason in call("init", "--yes", "-c", str(tmp_path / "edgeturn.conf"), *words, code=2)
    assert not list(tmp_path.iterdir())


def test_without_the_library_it_says_how_to_get_a_certificate(
    tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.x509", None)
    said = call("init", "--yes", "--tls", "-c", str(tmp_path / "edgeturn.conf"), code=1)
    assert "pip install cryptography" in said and "openssl req -x509" in said and not list(tmp_path.iterdir())


def test_what_cannot_be_named_is_not_left_behind(file: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    before = file.read_text()

    def fail(*_: object) -> None:
        raise Failure("the configuration can't be written")

    monkeypatch.setattr(change, "apply", fail)
    call("init", "--tls", "-c", str(file), code=1)
    assert file.read_text() == before and list(file.parent.iterdir()) == [file]


def test_openwrt_reads_all_of_its_folder_as_configurations() -> None:
    assert [str(path) for path in self_signed.paths(Path("/etc/config/edgeturn"))] == [
        "/etc/edgeturn/edgeturn.crt",
        "/etc/edgeturn/edgeturn.key",
    ]


# What `check` says of the files.

Judge = Callable[..., list[tuple[str, str]]]


@pytest.fixture
def judge(file: Path) -> Judge:
    """Judge turn.crt and turn.key beside a configuration with more lines; return states and sentences."""

    def judge(*more: str) -> list[tuple[str, str]]:
        folder = file.parent
        lines = ("config relay", f"option certificate {folder}/turn.crt", f"option key {folder}/turn.key", *more)
        return [(row.state, row.detail) for row in check_certificates.of_files(Configuration("\n".join(lines), "x"))]

    return judge


def test_a_whole_certificate_passes(file: Path, judge: Judge) -> None:
    Authority().issue("turn.example.org").write(file.parent)
    ((state, said),) = judge("list tls_names turn.example.org")
    assert state == "passed" and said.startswith("turn.example.org, issued by Test CA, until 20")


def test_each_remark_is_a_row_of_its_own(file: Path, judge: Judge) -> None:
    _, key = signed_by_itself("a.example.org", days=(-9, -1)).write(file.parent)
    key.chmod(0o644)
    found = judge("list tls_names b.example.org")
    assert [state for state, _ in found] == ["failed", "failed", "warned", "warned"]
    for (_, said), words in zip(
        found, ("has expired on", "isn't for b.example.org", "self-signed", "chmod o= "), strict=True
    ):
        assert words in said


def test_files_that_cannot_serve_fail(file: Path, judge: Judge) -> None:
    ((state, said),) = judge()
    assert (state, said) == ("failed", f"{file.parent}/turn.crt: can't be read: no such file or directory")


def test_check_shows_the_judgement(file: Path, call: Call, tmp_path: Path) -> None:
    call("init", "--tls", "-c", str(file))
    call("config", "set", "control", str(tmp_path / "none"), "-c", str(file))
    said = call("check", "-c", str(file), code=3)  # no relay runs
    assert "Certificate\n  ! certificate" in said and "is self-signed: browsers refuse it" in said
    rows: list[dict[str, Any]] = json.loads(call("check", "-c", str(file), "--json", code=3))["steps"]
    assert [row["state"] for row in rows if row["step"] == "certificate"] == ["warned"]
    (file.parent / "edgeturn.key").unlink()
    said = call("check", "-c", str(file), code=3)
    assert "✗ certificate" in said and "next:  put them right; a relay that runs goes on with those it had" in said


def test_what_a_server_shows_is_judged_alike() -> None:
    issued = Authority().issue("turn.example.org", days=(-80, 10))
    shown = [each.public_bytes(Encoding.DER) for each in (issued.certificate, *issued.chain)]
    rows = check_certificates.of_handshake(f"{HOST}:5349", shown, "turn.example.org")
    assert [(row.state, row.server) for row in rows] == [("warned", f"{HOST}:5349")]
    rows = check_certificates.of_handshake(f"{HOST}:5349", shown[:1], "example.org")
    assert ["expires on" in rows[0].detail, "isn't for" in rows[1].detail, "lacks" in rows[2].detail] == [True] * 3
    (row,) = check_certificates.of_handshake(f"{HOST}:5349", [shown[0][:99]], "")
    assert row.state == "failed" and "its certificate can't be read" in row.detail


def test_check_judges_what_a_server_shows(start: StartRelay, call: Call, tmp_path: Path) -> None:
    issued = Authority().issue(HOST, days=(-80, 10))
    certificate, key = issued.write(tmp_path)
    relay = start(certificate=str(certificate), key=str(key))
    words = (f"turns:{HOST}:{relay.port}", "--user", "alice", "--password", "s3cret", "--json")
    found: list[dict[str, Any]] = json.loads(call("check", *words, code=3))["steps"]  # nobody knows the authority
    (row,) = [each for each in found if each["step"] == "certificate"]
    assert row["state"] == "warned" and row["detail"].startswith(f"{HOST}:{relay.port}: expires on ")
    assert [each["state"] for each in found if each["step"] == "connection"] == ["failed"]
    assert "expires on" not in call("check", *words, "--insecure")


def test_status_shows_it(start: StartRelay, call: Call, tmp_path: Path) -> None:
    certificate, key = signed_by_itself("turn.example.org", days=(-1, 89.9)).write(tmp_path)
    said = call("status", "-c", str(start(certificate=str(certificate), key=str(key)).file))
    assert "certificate     turn.example.org, issued by turn.example.org, expires in 89 d" in said
    assert f"\n                {certificate}: is self-signed" in said
