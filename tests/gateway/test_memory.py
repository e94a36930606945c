"""
What the relay needs of 64 MB: idle, with 64 allocations in use, and while everything else is taken.

The rest of the memory is taken by a file in a memory file system, for that can't be reclaimed: there is no swap. The
machine's own kernel is Debian's and takes twice what OpenWrt's does, so what is left is less than on a router.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.blackbox.client import CHANNEL, Client, Peer
from tests.blackbox.relay import DEADLINE
from tests.gateway.router import Router
from tests.lab.network import PEER, PEERS, wait_until

ALLOCATIONS = 64
ROUNDS = 20
PATIENCE, ASKS_AGAIN_AFTER = 20.0, 0.5
LEFT = 3 * 1024  # kB that the file leaves
NEAR, STEP = 4 * 1024, 256  # kB; from so much above that on, the file grows by so much at a time
IDLE_AT_MOST = 1024  # kB, with the pools of 64 allocations
GROWN_AT_MOST = 256  # kB, by 64 allocations in use
RESIDENT_AT_MOST = 1536  # kB, with 64 allocations, whatever happened
GIVES_BACK_WITHIN = 60.0  # seconds, what only the start needed; an idle machine needs 10


class Load:
    """Clients with a channel each, and the peer to which they all talk."""

    def __init__(self, router: Router, stack: ExitStack, allocations: int = ALLOCATIONS) -> None:
        self.peer: Peer = router.peer(PEERS.address(4, PEER))
        stack.callback(self.peer.close)
        self.clients = [self._client(router, stack) for _ in range(allocations)]

    def _client(self, router: Router, stack: ExitStack) -> Client:
        client = router.client()
        stack.callback(client.close)
        self.begin(client)
        return client

    def begin(self, client: Client) -> None:
        """Let a client allocate and bind its channel; it asks for its nonce again where it has to wait for one."""
        wait_until(lambda: learns(client), "a nonce", PATIENCE)
        assert client.allocate().code == 0
        assert client.bind(CHANNEL, self.peer.address) == 0

    def round(self) -> None:
        """Let each client say something, by its channel and by an indication, and be answered."""
        for number, client in enumerate(self.clients):
            for by in (self._by_channel, self._by_indication):
                data = b"%d" % number
                by(client, data)
                heard, source = self.peer.receive()
                assert heard == data
                self.peer.send(source, b"and you")
                assert client.receive().data == b"and you"

    def _by_channel(self, client: Client, data: bytes) -> None:
        client.channel(CHANNEL, data)

    def _by_indication(self, client: Client, data: bytes) -> None:
        client.send(self.peer.address, data)


def learns(client: Client) -> bool:
    """Ask for a nonce; strangers, as all are who begin, are answered so many a second and no more."""
    client.sock.settimeout(ASKS_AGAIN_AFTER)
    try:
        return client.learn().code == 401
    except TimeoutError:
        return False
    finally:
        client.sock.settimeout(DEADLINE)


@contextmanager
def taken(router: Router) -> Iterator[int]:
    """Take the machine's memory but for a little, the last of it by steps; yield how much that is, in kB."""
    router.told("mkdir -p /mnt && mount -t tmpfs -o size=64m tmpfs /mnt")
    hogged = 0
    try:
        while (above := router.free() - LEFT) > 0:
            size = max(STEP, above - NEAR) // 64
            router.told(f"dd if=/dev/zero bs=64k count={size} >>/mnt/full 2>/dev/null", 60)
            hogged += size * 64
        yield hogged
    finally:
        router.told("umount /mnt")


def test_64_allocations_in_use_while_the_rest_of_the_memory_is_taken(router: Router) -> None:
    router.told("service edgeturn restart")
    router.wait_ready()
    wait_until(lambda: router.memory() <= IDLE_AT_MOST, f"no more than {IDLE_AT_MOST} kB", GIVES_BACK_WITHIN, every=0.5)
    idle = router.memory()
    with ExitStack() as stack:
        load = Load(router, stack)
        with_allocations = router.memory()
        for _ in range(ROUNDS):
            load.round()
        used, free = router.memory(), router.free()
        with taken(router) as hogged:
            load.round()
            assert load.clients[0].refresh(600).code == 0
            assert load.clients[0].refresh(0).code == 0
            load.begin(load.clients[0])
            load.round()
            tight, left = router.memory(), router.free()
    print(
        f"relay resident: {idle} kB before, {with_allocations} kB with {ALLOCATIONS} allocations, "
        f"{used} kB after {4 * ROUNDS * ALLOCATIONS} packets, {tight} kB with {hogged} kB taken of {free} kB; "
        f"{left} kB are left"
    )
    assert used - idle < GROWN_AT_MOST, (idle, used)
    assert max(used, tight) < RESIDENT_AT_MOST
    assert left < 1.5 * LEFT
