"""Scenes in which no relayed address is to be had."""

import base64
import hmac
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from edgeturn.protocol import stun
from tests.blackbox import certificates
from tests.blackbox.client import WANT_IPV6, Row, TlsClient
from tests.blackbox.relay import PASSWORDS, SECRET, until
from tools.captures.ground import CLIENT, RELAY, SERVER, Ground, Recorder

Recorders = dict[str, Recorder]

# What nothing but a real client's own schedule of retransmissions shows.
GATHER = """
import asyncio, sys, aioice
async def main():
    agent = aioice.Connection(ice_controlling=True, use_ipv6=False, turn_server=("{host}", {port}),
        turn_username="{user}", turn_password="{password}", turn_transport="{transport}")
    try:
        await asyncio.wait_for(agent.gather_candidates(), 12)
    except Exception as error:
        print(repr(error))
    await agent.close()
asyncio.run(main())
"""


def gather(ground: Ground, port: int = 3478, transport: str = "udp") -> None:
    """Gather candidates by aioice at the client."""
    code = GATHER.format(host=RELAY, port=port, user="alice", password=PASSWORDS["alice"], transport=transport)
    with suppress(subprocess.TimeoutExpired):
        ground.nodes["client"].run([sys.executable, "-c", code], timeout=20)


def limited(ends: float, secret: str = SECRET) -> tuple[str, str]:
    """Return a time-limited credential."""
    user = f"{int(ends)}:alice"
    return user, base64.b64encode(hmac.digest(secret.encode(), user.encode(), "sha1")).decode()


def wrong_password(ground: Ground) -> Recorders:
    ground.start()
    recorder = ground.record()
    assert ground.client("alice", "not the password").allocate().code == 401
    return {"": recorder}


def wrong_secret(ground: Ground) -> Recorders:
    ground.start()
    recorder = ground.record()
    assert ground.client(*limited(time.time() + 3600, "another secret")).allocate().code == 401
    return {"": recorder}


def expired(ground: Ground) -> Recorders:
    ground.start()
    recorder = ground.record()
    assert ground.client(*limited(time.time() - 5400)).allocate().code == 401
    return {"": recorder}


def other_realm(ground: Ground) -> Recorders:
    """Let a client sign for a realm that isn't the relay's, as one does whose realm is set by hand."""
    ground.start(realm="turn.example.net")
    recorder = ground.record()
    client = ground.client()
    client.learn()
    assert client.allocate().code == 401  # it signs for example.org
    return {"": recorder}


def stale(ground: Ground) -> Recorders:
    """Let a client sign with the same nonce again and again, whatever it's told."""
    ground.start()
    recorder = ground.record()
    client = ground.client()
    client.nonce = b"a-nonce-of-yesterday"
    for _ in range(6):
        assert client.allocate().code == 438
    return {"": recorder}


def quota(ground: Ground) -> Recorders:
    ground.start(user_quota=2)
    recorder = ground.record()
    codes = [ground.client().allocate().code for _ in range(3)]
    assert codes == [0, 0, 486], codes
    return {"": recorder}


def full(ground: Ground) -> Recorders:
    ground.start(max_allocations=1)
    assert ground.client("bob", host="second").allocate().code == 0
    recorder = ground.record()
    assert ground.client().allocate().code == 508
    return {"": recorder}


def silent(ground: Ground) -> Recorders:
    ground.start()
    ground.rules("udp dport 3478 drop")
    recorder = ground.record()
    gather(ground)
    return {"": recorder}


def silent_but_tcp(ground: Ground) -> Recorders:
    ground.start()
    ground.rules("udp dport 3478 drop")
    recorder = ground.record()
    gather(ground)
    gather(ground, transport="tcp")
    return {"": recorder}


def wrong_port(ground: Ground) -> Recorders:
    ground.start()
    recorder = ground.record()
    gather(ground, port=3480)
    return {"": recorder}


def tcp_refused(ground: Ground) -> Recorders:
    ground.start()
    recorder = ground.record()
    gather(ground, port=3480, transport="tcp")
    return {"": recorder}


def over_tls(ground: Ground) -> Recorders:
    """Let a client be refused inside TLS, where nobody on the way sees it."""
    made = certificates.make(ground.folder, hosts=[RELAY])
    ground.start(listen_tls=[f"{RELAY}:5349"], **made.settings())
    recorder = ground.record()
    with ground.nodes["client"].entered():
        client = TlsClient((RELAY, 5349), made.certificate, "alice", host=CLIENT)
        client.password = "not the password"
    assert client.allocate().code == 401
    client.close()
    return {"": recorder}


def tcp_silent(ground: Ground) -> Recorders:
    ground.start()
    ground.rules("tcp dport 3478 drop")
    recorder = ground.record()
    gather(ground, transport="tcp")
    return {"": recorder}


def no_credentials(ground: Ground) -> Recorders:
    """Let a client ask without a user, and give up at the challenge."""
    ground.start()
    recorder = ground.record()
    ground.client().learn()
    return {"": recorder}


def inspected(ground: Ground) -> Recorders:
    """Reset connections at the first bytes of STUN, as an inspecting firewall does."""
    ground.start()
    ground.rules("tcp dport 3478 meta length > 60 reject with tcp reset\nudp dport 3478 drop")
    recorder = ground.record()
    gather(ground)
    gather(ground, transport="tcp")
    return {"": recorder}


def inspected_tls(ground: Ground) -> Recorders:
    """Reset connections at the ClientHello."""
    ground.start()
    ground.rules("tcp dport 3478 meta length > 60 reject with tcp reset")
    recorder = ground.record()
    code = "import ssl, socket; ssl.create_default_context().wrap_socket("
    code += f"socket.create_connection({SERVER!r}), server_hostname='relay.example.org')"
    ground.nodes["client"].run([sys.executable, "-c", code], timeout=10)
    return {"": recorder}


def mismatch(ground: Ground) -> Recorders:
    """Allocate again from a port that has an allocation, as a program does that was started anew."""
    ground.start()
    recorder = ground.record()
    client = ground.client()
    assert client.allocate().code == 0
    assert client.allocate().code == 437
    return {"": recorder}


def redirected(ground: Ground) -> Recorders:
    ground.start(max_allocations=1, alternate_server=["turn:192.0.2.2:3478"])
    assert ground.client("bob", host="second").allocate().code == 0
    recorder = ground.record()
    assert ground.client().allocate().code == 300
    return {"": recorder}


def _refused(code: int, *rows: Row, udp: bool = True) -> Callable[[Ground], Recorders]:
    """Return the scene in which an Allocate asks for what the relay doesn't do."""

    def play(ground: Ground) -> Recorders:
        ground.start()
        recorder = ground.record()
        client = ground.client()
        answer = client.allocate(*rows) if udp else client.request(stun.ALLOCATE, *rows)
        assert answer.code == code, answer.code
        return {"": recorder}

    return play


def clock(ground: Ground) -> Recorders:
    """Let a client use a credential that ended a minute ago by the relay's clock: here both have the same."""
    ground.start()
    recorder = ground.record()
    assert ground.client(*limited(time.time() - 60)).allocate().code == 401
    return {"": recorder}


def works(ground: Ground) -> Recorders:
    """Let everything go well, so that nothing is found."""
    ground.start()
    peer, recorder = ground.peer(), ground.record()
    client = ground.client()
    relayed = client.allocate().relayed[0]
    assert client.bind(0x4000, peer.address) == 0
    for _ in range(20):
        client.channel(0x4000, bytes(200))
        peer.send(relayed, bytes(200))
        client.receive()
    until(lambda: len(peer.queued()), "what was sent")
    assert client.refresh(0).code == 0
    return {"": recorder}


SCENES: dict[str, Callable[[Ground], Recorders]] = {
    "works": works,
    "wrong-password": wrong_password,
    "wrong-secret": wrong_secret,
    "expired": expired,
    "clock": clock,
    "other-realm": other_realm,
    "stale": stale,
    "quota": quota,
    "full": full,
    "silent": silent,
    "silent-but-tcp": silent_but_tcp,
    "wrong-port": wrong_port,
    "tcp-refused": tcp_refused,
    "over-tls": over_tls,
    "tcp-silent": tcp_silent,
    "no-credentials": no_credentials,
    "inspected": inspected,
    "inspected-tls": inspected_tls,
    "mismatch": mismatch,
    "redirected": redirected,
    "unknown-attribute": _refused(420, (0x7F01, b"what?!")),
    "other-transport": _refused(442, (stun.REQUESTED_TRANSPORT, b"\x06\0\0\0"), udp=False),
    "other-family": _refused(440, WANT_IPV6),
}
