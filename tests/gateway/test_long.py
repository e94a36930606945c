"""
The long form, `make gateway-long`: ten minutes of load, a flood on top of it, and a reboot under calls.

Without EDGETURN_GATEWAY_LONG these tests are not collected: `make test` has the short ones.
"""

import time
from contextlib import ExitStack

from tests.blackbox.client import CHANNEL
from tests.gateway.router import Router
from tests.gateway.test_flood import Flood
from tests.gateway.test_memory import Load
from tests.lab.test_streams import ROWS as STREAMS
from tests.lab.test_uclient import ROWS
from tests.lab.uclient import assert_nothing_lost, uclient

MINUTES = 10
GROWN_AT_MOST = 256  # kB, after the first minute


def test_ten_minutes_of_load_do_not_let_it_grow(router: Router, echo: None) -> None:
    resident: list[int] = []
    rounds = 0
    with ExitStack() as stack:
        load = Load(router, stack, allocations=40)
        for minute in range(1, MINUTES + 1):
            ends = time.monotonic() + 60
            while time.monotonic() < ends:
                load.round()
                rounds += 1
            for row in (ROWS["IPv4, indications"], STREAMS["TLS, channels"]):
                assert_nothing_lost(uclient(router.network.client2, row), row.streams)
            for client in load.clients:
                assert client.refresh(600).code == 0
                assert client.bind(CHANNEL, load.peer.address) == 0
            resident.append(router.memory())
            print(f"minute {minute}: {rounds} rounds of {len(load.clients)} clients, resident {resident[-1]} kB")
    assert resident[-1] - resident[0] < GROWN_AT_MOST, resident


def test_a_minute_of_flood(router: Router) -> None:
    before, relay = router.memory(), router.relay()
    with Flood(router) as flood:
        ends = time.monotonic() + 60
        while time.monotonic() < ends:
            router.machine.run("true", 60)
    router.wait_ready()
    print(f"{flood.sent} unsigned packets in a minute: {before} kB before, {router.memory()} kB after")
    assert router.relay() == relay and router.memory() - before < GROWN_AT_MOST


def test_a_reboot_under_calls(router: Router) -> None:
    with ExitStack() as stack:
        load = Load(router, stack, allocations=4)
        load.round()
        router.machine.reboot()
        router.wait_ready()
        for client in load.clients:
            client.forget()
            load.begin(client)
        load.round()
