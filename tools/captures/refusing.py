"""Scenes in which a server answers by a code: edgeturn's refusals, a coturn's, and those that neither gives."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edgeturn.protocol import stun
from tests.blackbox.relay import PASSWORDS, REALM, ROOT, SECRET
from tests.blackbox.tcp_relay import Control, TcpPeer
from tests.lab.network import wait_until
from tools.captures.allocating import Recorders
from tools.captures.ground import CLIENT, PEER, RELAY, SERVER, Ground

_LOGINS = (REALM, SECRET, "alice", PASSWORDS["alice"])
_OTHER_FAMILY = ("2001:db8::7", 5000)
_CHANNEL_TOO_LOW = 0x3000


def bad_request(ground: Ground) -> Recorders:
    """Ask for an allocation without saying of which transport."""
    ground.start()
    recorder = ground.record()
    assert ground.client().request(stun.ALLOCATE).code == 400
    return {"": recorder}


def bad_channel(ground: Ground) -> Recorders:
    """Bind a number that is no channel's."""
    ground.start()
    recorder, client = ground.record(), ground.client()
    assert client.allocate().code == 0
    assert client.bind(_CHANNEL_TOO_LOW, (PEER, 5000)) == 400
    return {"": recorder}


def peer_of_other_family(ground: Ground) -> Recorders:
    ground.start()
    recorder, client = ground.record(), ground.client()
    assert client.allocate().code == 0
    assert client.permit(_OTHER_FAMILY) == 443
    return {"": recorder}


def _connecting(ground: Ground) -> tuple[Control, Recorders]:
    ground.start(tcp_relay=1)
    recorder = ground.record()
    with ground.nodes["client"].entered():
        client = Control(SERVER, host=CLIENT)
    client.allocate_tcp()
    return client, {"": recorder}


def connection_exists(ground: Ground) -> Recorders:
    client, recorders = _connecting(ground)
    with ground.nodes["peer"].entered():
        peer = TcpPeer(PEER)
    codes = [client.ask_for(peer.address).code for _ in range(2)]
    assert codes == [0, 446], codes
    client.close()
    peer.close()
    return recorders


def peer_not_reached(ground: Ground) -> Recorders:
    client, recorders = _connecting(ground)
    assert client.ask_for((PEER, 9)).code == 447
    client.close()
    return recorders


@contextmanager
def _serving(ground: Ground, *argv: str) -> Iterator[None]:
    node = ground.nodes["relay"]
    server = node.popen(argv, stdout=subprocess.DEVNULL, cwd=str(ROOT))
    try:
        wait_until(lambda: node.listens(3478), "the server listens", 20)
        yield
    finally:
        server.kill()
        server.wait()


def _answered(code: int) -> Callable[[Ground], Recorders]:
    """Return the scene in which a server answers by a code that edgeturn gives nobody here."""

    def play(ground: Ground) -> Recorders:
        with _serving(ground, sys.executable, "-m", "tools.dumps.refuser", RELAY, "3478", str(code), *_LOGINS):
            recorder, client = ground.record(), ground.client()
            assert client.allocate().code == code
            return {"": recorder}

    return play


def _coturn(user: str, password: str, *more: str) -> Callable[[Ground], Recorders]:
    """Return the scene in which coturn's own client is refused by coturn."""
    server = ("turnserver", "-n", "--no-cli", "-L", RELAY, "-E", RELAY, "-r", "example.org", "--lt-cred-mech",
              "-u", "alice:s3cret", "--no-tls", "--no-dtls", "-m", "1", "--pidfile", "", "--log-file", "stdout",
              *more)  # fmt: skip

    def play(ground: Ground) -> Recorders:
        with _serving(ground, *server):
            recorder = ground.record()
            client = ("turnutils_uclient", "-y", "-n", "2", "-m", "2", "-u", user, "-w", password, RELAY)
            ground.nodes["client"].run(["timeout", "6", *client], timeout=20)
            return {"": recorder}

    return play


SCENES: dict[str, Callable[[Ground], Recorders]] = {
    "bad-request": bad_request,
    "bad-channel": bad_channel,
    "peer-of-other-family": peer_of_other_family,
    "connection-exists": connection_exists,
    "peer-not-reached": peer_not_reached,
    "forbidden": _answered(403),
    "server-error": _answered(500),
    "unusual-code": _answered(499),
    "coturn-wrong-password": _coturn("alice", "wrong"),
    "coturn-quota": _coturn("alice", "s3cret", "--user-quota", "1"),
    "coturn-works": _coturn("alice", "s3cret"),
}
