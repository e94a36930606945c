"""The relay is killed under calls that the kernel carries: they don't notice, and procd's stand-in starts it again."""

from contextlib import ExitStack

from tests.blackbox.relay import DEADLINE
from tests.gateway.router import Router
from tests.lab.network import wait_until
from tests.lab.test_kernel_restart import Caller, Streams

COMES_BACK_WITHIN = 30.0


def test_killed_under_calls(router: Router) -> None:
    with ExitStack() as stack:
        hosts = (router.network.client1, router.network.client2)
        callers = [Caller(router.network, host, number, 4, stack) for number, host in enumerate(hosts)]
        killed = router.relay()
        with Streams([stream for caller in callers for stream in caller.streams()]) as streams:
            router.told(f"kill -9 {killed}")
            streams.go_on()
            wait_until(lambda: router.is_ready() and router.relay() != killed, "it is back", COMES_BACK_WITHIN, 0.5)
            streams.go_on()
        for caller in callers:
            caller.client.sock.settimeout(DEADLINE)
            caller.client.nonce = b""
            assert caller.client.allocate().code == 0, "a call that begins anew is served"
