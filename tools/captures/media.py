"""Scenes in which a call connects and nothing, or not everything, is seen or heard."""

import time
from collections.abc import Callable
from contextlib import suppress

from tests.blackbox.client import Client, Peer
from tools.captures.allocating import Recorders
from tools.captures.ground import Ground
from tools.captures.pairing import call

CHANNEL = 0x4000
_CUT = 192


def _bound(ground: Ground, at: str = "client") -> tuple[Client, Peer, tuple[str, int], Recorders]:
    ground.start()
    peer, client = ground.peer(), ground.client()
    recorders = {"": ground.record(at)}
    place = client.allocate().relayed[0]
    assert client.bind(CHANNEL, peer.address) == 0
    return client, peer, place, recorders


def out_only(ground: Ground) -> Recorders:
    client, _, _, recorders = _bound(ground)
    for number in range(60):
        client.channel(CHANNEL, number.to_bytes(4, "big") * 40)
        time.sleep(0.1)
    return recorders


def in_only(ground: Ground) -> Recorders:
    _, peer, place, recorders = _bound(ground)
    for number in range(60):
        peer.send(place, number.to_bytes(4, "big") * 40)
        time.sleep(0.1)
    return recorders


def too_big(ground: Ground) -> Recorders:
    """Put a link with a small MTU between client and relay, which says so."""
    client, peer, place, recorders = _bound(ground)
    ground.gate.ip("link", "set", "relay", "mtu", "1000")
    for number in range(10):
        with suppress(OSError):  # the kernel knows after the first that was too big
            client.channel(CHANNEL, number.to_bytes(4, "big") * (20 if number % 2 else 300))
        peer.send(place, number.to_bytes(4, "big") * 20)
        time.sleep(0.05)
    return recorders


def swallowed(ground: Ground) -> Recorders:
    """Let large packets vanish without a word, as behind a tunnel whose ICMP is filtered."""
    ground.start()
    ground.rules("meta l4proto udp meta length > 900 drop")
    recorders = {"client": ground.record(most=_CUT), "peer": ground.record("peer", most=_CUT)}
    assert not call(ground, "--messages", "100")
    return recorders


def pieces_lost(ground: Ground) -> Recorders:
    """Let only the first piece of a fragmented packet through."""
    client, peer, place, recorders = _bound(ground, "relay")
    # Fragments are dropped before they are put together: conntrack isn't used here.
    ground.gate.nft(
        "table ip pieces {\n chain first {\n type filter hook prerouting priority -500; policy accept;\n"
        " ip frag-off & 0x1fff != 0 drop\n }\n}\n"
    )
    for number in range(12):
        peer.send(place, number.to_bytes(4, "big") * (20 if number % 2 else 600))
        client.channel(CHANNEL, number.to_bytes(4, "big") * 20)
        time.sleep(0.05)
    return recorders


SCENES: dict[str, Callable[[Ground], Recorders]] = {
    "out-only": out_only,
    "in-only": in_only,
    "too-big": too_big,
    "swallowed": swallowed,
    "pieces-lost": pieces_lost,
}
