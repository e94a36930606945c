"""`external_address auto` where gateway and STUN server are broken or hostile, and where files are out."""

import pytest

from tests.blackbox.relay import until
from tests.blackbox.test_external import OTHER, PORTS, RELAY, SERVER, WITHIN, Front, front

__all__ = ["front"]


def test_a_gateway_that_always_begins_anew_is_not_asked_without_end(front: Front) -> None:
    gateway = front.gateway()
    gateway.epoch_step = 1000000  # seconds, from one answer to the next
    relay = front.start()
    front.mapped()
    asked, end = len(gateway.asked), relay.status()["uptime_seconds"] + 5
    until(lambda: relay.status()["uptime_seconds"] >= end, "five seconds")
    assert len(gateway.asked) - asked < 10 * PORTS
    assert front.client().allocate().code == 0


@pytest.mark.parametrize("outside", ["127.0.0.1", "224.0.0.1", "2a01::1"])
def test_what_can_not_be_an_external_address_is_not_announced(front: Front, outside: str) -> None:
    gateway = front.gateway()
    gateway.outside = outside
    gateway.speaks = ("pcp",)
    front.stun(OTHER)
    front.start(stun_server=[SERVER])
    assert front.found(OTHER)["by"] == "stun"
    assert front.client().allocate().relayed[0][0] == OTHER


def test_a_stun_server_that_sees_what_can_not_be_is_not_believed(front: Front) -> None:
    front.stun("127.0.0.1")
    front.start(stun_server=[SERVER], port_mapping="off")
    assert front.found(RELAY)["nat"] == "unknown"


def test_without_files_nobody_is_asked_and_the_relay_goes_on(front: Front) -> None:
    relay = front.start(stun_server=[SERVER, f"{SERVER}:3479"], port_mapping="off")  # both are silent
    with relay.without_files():
        until(lambda: relay.log("external relay="), "a judgement", WITHIN)  # by then the second was to be asked
    assert front.external()["nat"] == "unknown"
