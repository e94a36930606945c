"""
Scenes in which a call ends after a while.

Rule 1: what the RFC fixes at 300 and 600 seconds really takes as long here (LONG); nobody moved a clock.
"""

import time
from collections.abc import Callable

from edgeturn.protocol import stun
from tests.blackbox.client import Client, Row, lifetime
from tests.blackbox.relay import Relay
from tools.captures.allocating import Recorders, limited
from tools.captures.ground import Ground

CHANNEL = 0x4000
EVERY = 10.0  # seconds between packets of the long scenes


def insist(client: Client, method: int, *rows: Row) -> int:
    """Ask, and where the nonce is stale ask again with the new one, as clients do; return the code."""
    answer = client.request(method, *rows)
    if answer.code == 438:
        client.nonce = answer.message.attributes[stun.NONCE]
        answer = client.request(method, *rows)
    return answer.code


def _restart(ground: Ground, relay: Relay) -> None:
    relay.process.terminate()
    relay.ended()
    ground.start()


def restarted(ground: Ground) -> Recorders:
    relay = ground.start()
    peer, recorder, client = ground.peer(), ground.record(), ground.client()
    relayed = client.allocate().relayed[0]
    assert client.bind(CHANNEL, peer.address) == 0
    for _ in range(5):
        client.channel(CHANNEL, bytes(100))
        peer.send(relayed, bytes(100))
        client.receive()
    _restart(ground, relay)
    for _ in range(10):
        client.channel(CHANNEL, bytes(100))
        time.sleep(0.02)
    assert insist(client, stun.REFRESH, lifetime(600)) == 437
    return {"": recorder}


def credential_ended(ground: Ground) -> Recorders:
    """Let a credential end during the call; edgeturn itself asks for it anew only after it was restarted."""
    relay = ground.start()
    recorder = ground.record()
    client = ground.client(*limited(time.time() + 2))
    assert client.allocate().code == 0
    time.sleep(2.5)
    _restart(ground, relay)
    assert insist(client, stun.REFRESH, lifetime(600)) == 401
    return {"": recorder}


def rebinding(ground: Ground) -> Recorders:
    """Let the NAT forget the client's port and give it another."""
    ground.start()
    ground.translate("snat to 203.0.113.9:40000-50000 fully-random")
    for name in ("nf_conntrack_udp_timeout", "nf_conntrack_udp_timeout_stream"):
        ground.gate.setting(f"netfilter/{name}", 1)
    seen = {"client": ground.record(), "relay": ground.record("relay")}
    peer, client = ground.peer(), ground.client()
    relayed = client.allocate().relayed[0]
    assert client.permit(peer.address) == 0
    for _ in range(5):
        client.send(peer.address, bytes(100))
        peer.send(relayed, bytes(100))
        client.receive()
    time.sleep(4)
    assert insist(client, stun.REFRESH, lifetime(600)) == 437
    return seen


def other_user(ground: Ground) -> Recorders:
    """Refresh with other credentials than those of the Allocate."""
    ground.start()
    recorder, client = ground.record(), ground.client()
    assert client.allocate().code == 0
    client.user, client.password = "bob", "hunter2"
    assert insist(client, stun.REFRESH, lifetime(600)) == 441
    return {"": recorder}


def _for_long(seconds: float, step: Callable[[float], None]) -> None:
    start = time.monotonic()
    while (elapsed := time.monotonic() - start) < seconds:
        step(elapsed)
        time.sleep(EVERY)


def allocation_ran_out(ground: Ground) -> Recorders:
    ground.start()
    peer, recorder, client = ground.peer(), ground.record(), ground.client()
    relayed = client.allocate().relayed[0]
    permitted = [-1000.0]

    def step(elapsed: float) -> None:
        if elapsed - permitted[0] > 240:
            permitted[0] = elapsed
            insist(client, stun.CREATE_PERMISSION, (stun.XOR_PEER_ADDRESS, peer.address))
        client.send(peer.address, bytes(100))
        peer.send(relayed, bytes(100))

    _for_long(640, step)
    insist(client, stun.CREATE_PERMISSION, (stun.XOR_PEER_ADDRESS, peer.address))
    return {"": recorder}


def permission_lapsed(ground: Ground) -> Recorders:
    ground.start()
    peer, recorder, client = ground.peer(), ground.record(), ground.client()
    relayed = client.allocate().relayed[0]
    assert client.permit(peer.address) == 0

    def step(_: float) -> None:
        client.send(peer.address, bytes(100))
        peer.send(relayed, bytes(100))

    _for_long(350, step)
    return {"": recorder}


def channel_lapsed(ground: Ground) -> Recorders:
    """Renew the allocation and the permission, but never the channel."""
    ground.start()
    peer, recorder, client = ground.peer(), ground.record(), ground.client()
    relayed = client.allocate().relayed[0]
    assert client.bind(CHANNEL, peer.address) == 0
    renewed = [0.0]

    def step(elapsed: float) -> None:
        if elapsed - renewed[0] > 240:
            renewed[0] = elapsed
            assert insist(client, stun.REFRESH, lifetime(600)) == 0
            assert insist(client, stun.CREATE_PERMISSION, (stun.XOR_PEER_ADDRESS, peer.address)) == 0
        client.channel(CHANNEL, bytes(100))
        peer.send(relayed, bytes(100))

    _for_long(650, step)
    return {"": recorder}


SCENES: dict[str, Callable[[Ground], Recorders]] = {
    "restarted": restarted,
    "credential-ended": credential_ended,
    "rebinding": rebinding,
    "other-user": other_user,
}
LONG: dict[str, Callable[[Ground], Recorders]] = {
    "allocation-ran-out": allocation_ran_out,
    "permission-lapsed": permission_lapsed,
    "channel-lapsed": channel_lapsed,
}
