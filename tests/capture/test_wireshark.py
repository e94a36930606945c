"""A capture of a real relay, over every transport and both families, as Wireshark's dissectors read it."""

import itertools
import shutil
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from edgeturn.protocol import stun
from tests.blackbox.certificates import Certificate
from tests.blackbox.client import CHANNEL, Client, Peer, TcpClient, TlsClient
from tests.blackbox.dtls import DtlsClient
from tests.blackbox.relay import HOST, HOST6, PASSWORDS, SECRET, Relay, until
from tests.capture.conftest import Watch
from tests.capture.documents import login
from tests.capture.test_record import captured

FIELDS = ("stun.type", "frame.comment", "frame.interface_name", "_ws.col.Protocol", "ipv6.src", "frame.time_epoch")
TROUBLE = ("_ws.malformed", "tcp.analysis.flags", "_ws.expert.severity")
WARNING = 0x600000
CHECKED = [f"-o{protocol}.check_checksum:TRUE" for protocol in ("ip", "udp", "tcp")]
WORDS = b"words that nobody else reads"
PORTS = (3478, 5349, 443, 80, 53, 8080, 60000)


def tshark(file: Path, *words: str) -> list[str]:
    """Return what tshark prints of a file."""
    if shutil.which("tshark") is None:
        pytest.skip("tshark isn't installed")
    command = ["tshark", "-n", "-r", str(file), *CHECKED, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)
    return done.stdout.splitlines()


def rows(file: Path, *words: str) -> list[list[str]]:
    """Return the FIELDS of the packets of a file, none of which may be malformed or strange."""
    fields = [word for field in (*FIELDS, *TROUBLE) for word in ("-e", field)]
    found = [line.split("\t") for line in tshark(file, *words, "-Tfields", *fields)]
    for row in found:
        severities = [int(each) for each in row[-1].split(",") if each]
        assert not row[-3] and not row[-2] and max(severities) < WARNING, row
    return found


def call(relay: Relay, certificate: Certificate, stack: ExitStack) -> list[bytes]:
    """Call by every transport and family; return the secrets of all."""
    secrets: list[bytes] = []
    trusted = certificate.certificate
    ways: tuple[Callable[[], Client], ...] = (
        lambda: Client(relay.server()),
        lambda: Client(relay.server(HOST6)),
        lambda: TcpClient(relay.server()),
        lambda: TlsClient(relay.server(), trusted),
        lambda: DtlsClient(relay.server(), trusted),
    )
    for way in ways:
        client, peer = way(), Peer(HOST)
        stack.callback(client.close)
        stack.callback(peer.close)
        client.allocate()
        assert client.permit(("10.0.0.1", 9)) == 403
        sent = client.signed(stun.CHANNEL_BIND)
        client.ask(sent)
        assert client.permit(peer.address) == 0
        client.send(peer.address, WORDS)
        assert peer.receive()[0] == WORDS
        client.channel(CHANNEL, WORDS)
        assert client.refresh(0).code == 0
        secrets += [client.nonce, client.key(), stun.Message(sent).attributes[stun.MESSAGE_INTEGRITY]]
    return secrets


def test_a_real_call_by_every_transport(
    every_way: Relay, watch: Watch, certificate: Certificate, stack: ExitStack, tmp_path: Path
) -> None:
    file = tmp_path / "call.pcapng"
    tool = watch(every_way, "capture", str(file))
    secrets = call(every_way, certificate, stack)
    until(lambda: file.read_bytes().count(b"Refresh: ok") == 5, "the last message")
    said = tool.interrupt()[0].decode()
    assert said.startswith("65 messages of 5 clients in ") and "5 refused with 403" in said
    found = rows(file)
    messages = [row for row in found if row[0]]
    assert len(messages) == 65 and {row[3] for row in messages} == {"STUN"}
    assert [sum(row[2] == name for row in messages) for name in ("udp", "tcp", "tls", "dtls")] == [26, 13, 13, 13]
    assert sum(row[1].startswith("CreatePermission: 403, peer 10.0.0.1: private use") for row in messages) == 5
    assert sum("encrypted on the wire" in row[1] for row in messages) == 26
    assert sum(row[4] == HOST6 for row in messages) == 13
    assert all(row[1] for row in found)
    times = [float(row[5]) for row in found]
    assert times == sorted(times)
    content = file.read_bytes()
    for secret in (*secrets, WORDS, SECRET.encode(), *(each.encode() for each in PASSWORDS.values())):
        assert secret not in content
    assert b"Zeros of the same length" in content and b"alice" in content


def test_every_port_is_read_as_stun(tmp_path: Path) -> None:
    documents = []
    for transport, port in itertools.product(("udp", "tcp", "tls", "dtls"), PORTS):
        for client, server in (("192.0.2.7", "198.51.100.1"), ("[2001:db8::7]", "[2001:db8::1]")):
            documents += login(transport=transport, client=f"{client}:{50000 + port % 999}", server=f"{server}:{port}")
    file = tmp_path / "made.pcapng"
    data, record, _ = captured(documents)
    file.write_bytes(data)
    found = rows(file, *" ".join(record.count.decode_as()).split())
    assert len(found) == 4 * 8 * len(PORTS) and {row[3] for row in found} == {"STUN"}
