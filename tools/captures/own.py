"""Scenes as edgeturn itself writes them down: `edgeturn capture` on the relay, with its reasons as comments."""

import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from edgeturn.protocol import stun
from tests.blackbox.client import encode
from tests.blackbox.relay import ROOT, Value, until
from tools.captures.allocating import limited
from tools.captures.ground import Ground


def _refusals(ground: Ground) -> None:
    """Let a client be refused for three reasons."""
    ground.client(*limited(time.time() + 3600, "another secret")).allocate()
    client, peer = ground.client(), ground.peer()
    client.allocate()
    client.permit(peer.address)
    for _ in range(4):
        client.send(peer.address, bytes(40))
    client.ask(encode(stun.BINDING, []))


def _written(ground: Ground, path: Path, act: Callable[[Ground], None], **settings: Value) -> None:
    """Have the relay write what it sees while something happens."""
    path.unlink(missing_ok=True)
    relay = ground.start(**settings)
    argv = [sys.executable, "-m", "edgeturn", "capture", str(path), "--seconds", "100", "-c", str(relay.file)]
    writer = ground.nodes["relay"].popen(argv, cwd=str(ROOT))
    until(lambda: path.exists() and path.stat().st_size > 0, "the file")
    empty, second = path.stat().st_size, ground.client(host="second")
    until(lambda: second.binding() and path.stat().st_size > empty, "the first message in it")
    act(ground)
    time.sleep(0.5)
    writer.send_signal(signal.SIGINT)
    print(writer.communicate(timeout=10)[0])


def refusals(ground: Ground, path: Path) -> None:
    """Write what the relay tells of refusals."""
    _written(ground, path, _refusals, deny_peer=["198.51.100.0/24"])


def _forgetful(ground: Ground) -> None:
    client, peer = ground.client(), ground.peer()
    place = client.allocate().relayed[0]
    client.permit(peer.address)
    for number in range(66):
        if number % 6 == 0:
            client.send(peer.address, bytes(40))
            peer.send(place, bytes(40))
        time.sleep(1)


def ran_out(ground: Ground, path: Path) -> None:
    """Write what the relay tells of an allocation that nobody renews, with the shortest lifetime there is."""
    _written(ground, path, _forgetful, default_lifetime=60)


SCENES: dict[str, Callable[[Ground, Path], None]] = {"own-refusals": refusals, "own-ran-out": ran_out}
