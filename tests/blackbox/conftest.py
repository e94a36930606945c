"""What the black-box tests are given: relays, clients, peers and maps, all of them ended with the test."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from tests.blackbox import certificates
from tests.blackbox.certificates import Certificate
from tests.blackbox.client import CHANNEL, Client, Peer, TcpClient, TlsClient
from tests.blackbox.dtls import DtlsClient
from tests.blackbox.kernel import Kernel
from tests.blackbox.relay import HOST, ROOT, Address, Relay, Settings, Value

_CALL = """
from edgeturn import seam
try:
    seam.bpf(0, bytearray(72))
except OSError as error:
    print(error.args[0])
"""
_NO_SUCH_CALL = (38, 89)  # ENOSYS; on MIPS the other


class StartRelay(Protocol):
    """Starts a relay with some settings."""

    def __call__(self, **settings: Value) -> Relay: ...


class NewClient(Protocol):
    """Opens a client of a relay, at one of the relay's addresses."""

    def __call__(self, relay: Relay, user: str = "alice", at: str = HOST, host: str | None = None) -> Client: ...


class NewStream(Protocol):
    """Opens a client over TCP, or over TLS."""

    def __call__(
        self, relay: Relay, user: str = "alice", at: str = HOST, tls: bool = False, host: str | None = None
    ) -> TcpClient: ...


class NewPeer(Protocol):
    """Opens a peer at a host."""

    def __call__(self, host: str = HOST) -> Peer: ...


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What is to be closed after the test."""
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def start(
    stack: ExitStack, interpreter: list[str], tmp_path: Path, transport: str, certificate: Certificate
) -> StartRelay:
    started = 0
    secured: Settings = {**certificate.settings(), "dtls": int(transport == "dtls")}

    def start(**settings: Value) -> Relay:
        nonlocal started
        started += 1
        folder = tmp_path / str(started)
        folder.mkdir()
        every: Settings = settings if transport in ("udp", "tcp") else secured | settings
        return stack.enter_context(Relay(interpreter, folder, every))

    return start


@pytest.fixture
def relay(start: StartRelay) -> Relay:
    """A relay with what the tests set by default."""
    return start()


@pytest.fixture
def new_client(stack: ExitStack, transport: str, certificate: Certificate) -> NewClient:
    trusted = certificate.certificate
    open_by: dict[str, Callable[[Address, str, str | None], Client]] = {
        "udp": lambda server, user, host: Client(server, user, host=host),
        "tcp": lambda server, user, host: TcpClient(server, user, host=host),
        "tls": lambda server, user, host: TlsClient(server, trusted, user, host),
        "dtls": lambda server, user, host: DtlsClient(server, trusted, user, host),
    }

    def new_client(relay: Relay, user: str = "alice", at: str = HOST, host: str | None = None) -> Client:
        client = open_by[transport](relay.server(at), user, host)
        stack.callback(client.close)
        return client

    return new_client


@pytest.fixture
def new_stream(stack: ExitStack, certificate: Certificate) -> NewStream:
    def new_stream(
        relay: Relay, user: str = "alice", at: str = HOST, tls: bool = False, host: str | None = None
    ) -> TcpClient:
        server = relay.server(at)
        made = TlsClient(server, certificate.certificate, user, host) if tls else TcpClient(server, user, host=host)
        stack.callback(made.close)
        return made

    return new_stream


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate of which the relay has the key."""
    return certificates.make(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def new_peer(stack: ExitStack) -> NewPeer:
    def new_peer(host: str = HOST) -> Peer:
        peer = Peer(host)
        stack.callback(peer.close)
        return peer

    return new_peer


@pytest.fixture(scope="session")
def has_bpf(interpreter: list[str]) -> bool:
    """Say whether the relay's processor knows bpf(2): that of qemu-user doesn't."""
    environment = os.environ | {"MICROPYPATH": f"{ROOT}:.frozen"}
    told = subprocess.check_output([*interpreter, "-c", _CALL], cwd=ROOT, env=environment, text=True)
    return int(told) not in _NO_SUCH_CALL


@pytest.fixture
def empty(stack: ExitStack, tmp_path: Path, has_bpf: bool) -> Kernel:
    """A kernel without maps."""
    if os.geteuid():
        pytest.skip("this kernel mounts a BPF file system for root only")
    if not has_bpf:
        pytest.skip("qemu-user knows no bpf(2)")
    made = Kernel(tmp_path)
    stack.callback(made.close)
    return made


@pytest.fixture
def kernel(empty: Kernel) -> Kernel:
    """A kernel with the maps of a relay of the usual size."""
    empty.create()
    return empty


class Bind(Protocol):
    """Start a relay that uses the maps; return it, a client, its peer on a channel, the client's relayed address."""

    def __call__(self, maps: Kernel, **settings: Value) -> tuple[Relay, Client, Peer, Address]: ...


@pytest.fixture
def bound(start: StartRelay, new_client: NewClient, new_peer: NewPeer) -> Bind:
    def bind(maps: Kernel, **settings: Value) -> tuple[Relay, Client, Peer, Address]:
        relay = start(**maps.settings(**settings))
        alice, peer = new_client(relay), new_peer()
        relayed = alice.allocate().relayed[0]
        assert alice.bind(CHANNEL, peer.address) == 0
        return relay, alice, peer, relayed

    return bind
