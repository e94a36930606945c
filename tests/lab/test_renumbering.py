"""A household is renumbered: what lived on an address that's gone ends, and nothing else does."""

import signal
import time
from pathlib import Path

import pytest

from edgeturn.protocol import stun
from tests.blackbox.client import CHANNEL, WANT_BOTH, WANT_IPV6, Client, TcpClient
from tests.blackbox.relay import until
from tests.lab.household import (
    GATEWAYS,
    MANY,
    NEW,
    NEW6,
    OLD,
    OLD6,
    ROUTER,
    Household,
    Stream,
    Talk,
    assert_lost_nothing,
)

NOTICED = 1.0  # seconds, from the change to the log line
CLIENTS = 20
FLOOD = 2000  # routes; the kernel keeps some hundred events
REQUESTED_ADDRESS_GONE = "reason=address-gone"


@pytest.fixture
def home(household: Household, interpreter: list[str], tmp_path: Path) -> Household:
    """The household with its first addresses and a relay."""
    household.give(OLD)
    household.give(OLD6)
    household.start(interpreter, tmp_path, **MANY)
    return household


def noticed(home: Household, count: int = 1) -> float:
    """Wait for so many announcements; return how long that took."""
    begun = time.monotonic()
    until(lambda: len(home.changes()) >= count, f"{count} changes in {home.relay.lines[-20:]}")
    return time.monotonic() - begun


def test_renumbering_ends_what_was_on_the_old_address_and_nothing_else(home: Household) -> None:
    four = [Stream(home, OLD) for _ in range(CLIENTS)]
    six = [Stream(home, OLD6, WANT_IPV6) for _ in range(CLIENTS)]
    with Talk(four + six):
        home.take(OLD)
        home.give(NEW)
        until(lambda: [line for line in home.changes() if f"relaying={NEW}," in line], "the new address", NOTICED)
        until(lambda: len(home.relay.sessions()) == CLIENTS, "the old ones have ended")
    assert len(home.relay.log("freed", f"relayed={OLD}:", REQUESTED_ADDRESS_GONE)) == CLIENTS
    assert_lost_nothing(six)
    for stream in four:
        stream.client.forget()
        assert stream.client.refresh(600).code == 437
        assert stream.client.allocate().relayed[0][0] == NEW
    assert [stream.client.refresh(600).code for stream in six] == [0] * CLIENTS


def test_an_address_that_comes_back_was_never_lost(home: Household) -> None:
    stream = Stream(home, OLD)
    stream.talk()
    assert_lost_nothing([stream])
    home.take(OLD)
    assert noticed(home) < NOTICED and f"away={OLD}" in home.changes()[0]
    assert home.client().allocate().code == 508
    stream.client.channel(CHANNEL, b"meanwhile")
    home.give(OLD)
    assert noticed(home, 2) < NOTICED and "away" not in home.changes()[1]
    stream.talk()
    stream.sent = 1
    assert_lost_nothing([stream])
    assert stream.client.refresh(600).code == 0
    assert home.client().allocate().relayed[0][0] == OLD


def test_a_renewal_with_the_same_address_changes_nothing(home: Household) -> None:
    stream = Stream(home, OLD)
    with Talk([stream]):
        for seconds in (3600, 7200):
            words = ["valid_lft", str(seconds), "preferred_lft", str(seconds), "dev", "wan"]
            home.router.ip("address", "replace", f"{OLD}/24", *words)
            home.router.ip("address", "replace", f"{OLD6}/64", *words)
            home.route(OLD)
        home.router.ip(
            "address", "add", "192.168.1.2/24", "dev", "lan"
        )  # what comes after was noticed, so that was too
        until(lambda: home.changes(), "a change")
    assert len(home.changes()) == 1 and "192.168.1.2:3478" in home.changes()[0]
    assert_lost_nothing([stream])


def test_a_prefix_is_deprecated_and_then_gone(home: Household) -> None:
    old = Stream(home, OLD6, WANT_IPV6)
    home.router.ip("address", "add", f"{NEW6}/64", "dev", "wan", "nodad")
    home.router.ip("-6", "route", "replace", "default", "via", GATEWAYS[NEW6], "dev", "wan")
    home.router.ip("address", "change", f"{OLD6}/64", "dev", "wan", "valid_lft", "600", "preferred_lft", "0")
    until(lambda: [line for line in home.changes() if f",{NEW6} " in line], "the new prefix", NOTICED)
    new = Stream(home, NEW6, WANT_IPV6)
    with Talk([old, new]):
        home.relay.turn()
    assert_lost_nothing([old, new])
    with Talk([new]):
        home.take(OLD6)
        until(lambda: home.relay.log("freed", f"[{OLD6}]", REQUESTED_ADDRESS_GONE), "its end", NOTICED)
        home.relay.turn()
    old.client.forget()
    assert old.client.refresh(600).code == 437
    assert old.client.allocate(WANT_IPV6).relayed[0][0] == NEW6
    assert_lost_nothing([new])


def test_of_a_dual_allocation_the_half_ends_whose_address_is_gone(home: Household) -> None:
    client, peer = home.client(), home.peer(OLD6)
    relayed = client.allocate(WANT_BOTH).relayed
    assert [each[0] for each in relayed] == [OLD, OLD6] and client.bind(CHANNEL, peer.address) == 0
    home.take(OLD)
    home.give(NEW)
    until(lambda: home.relay.log("freed", f"relayed={OLD}:", REQUESTED_ADDRESS_GONE), "its end", NOTICED)
    client.channel(CHANNEL, b"up")
    assert peer.receive() == (b"up", relayed[1])
    assert client.refresh(600).code == 0
    assert client.request(stun.REFRESH, (stun.REQUESTED_ADDRESS_FAMILY, b"\x01\0\0\0")).code == 443


def test_a_relay_starts_before_there_is_an_address(
    household: Household, interpreter: list[str], tmp_path: Path
) -> None:
    relay = household.start(interpreter, tmp_path, **MANY)
    assert "127.0.0.1" in relay.logged("warning", "no route to the internet yet")
    assert household.client().allocate(WANT_IPV6).code == 440
    household.give(OLD)
    until(lambda: [line for line in household.changes() if f"relaying={OLD} " in line], "an address", NOTICED)
    stream = Stream(household, OLD)
    assert household.client().allocate(WANT_IPV6).code == 440
    household.give(OLD6)
    until(lambda: [line for line in household.changes() if f"relaying={OLD},{OLD6} " in line], "both", NOTICED)
    six = Stream(household, OLD6, WANT_IPV6)
    with Talk([stream, six]):
        relay.turn()
    assert_lost_nothing([stream, six])
    assert relay.status()["relay_addresses"] == [OLD, OLD6]


def test_the_grace_of_an_address_that_is_away_ends(
    household: Household, interpreter: list[str], tmp_path: Path
) -> None:
    household.give(OLD)
    relay = household.start(interpreter, tmp_path, **MANY, address_grace=1)
    stream = Stream(household, OLD)
    household.take(OLD)
    until(lambda: relay.log("freed", REQUESTED_ADDRESS_GONE), "the end of the grace", 4)
    assert stream.client.refresh(600).code == 437 and stream.client.allocate().code == 508
    until(lambda: f"{OLD}:3478" not in relay.status()["listening"], "the listener is closed")
    household.give(OLD)
    until(lambda: [line for line in household.changes()[1:] if f"relaying={OLD} " in line], "it is back", NOTICED)
    assert stream.client.allocate().relayed[0][0] == OLD


def test_an_even_port_is_to_be_had_on_the_new_address(home: Household) -> None:
    home.take(OLD)
    home.give(NEW)
    until(lambda: [line for line in home.changes() if f"relaying={NEW}," in line], "the new address", NOTICED)
    reserving = home.client().allocate((stun.EVEN_PORT, b"\x80"))
    assert reserving.relayed[0][0] == NEW and reserving.relayed[0][1] % 2 == 0
    token = reserving.message.attributes[stun.RESERVATION_TOKEN]
    assert home.client().allocate((stun.RESERVATION_TOKEN, token)).relayed[0] == (NEW, reserving.relayed[0][1] + 1)


def test_a_new_address_of_the_lan_is_listened_on(home: Household) -> None:
    home.router.ip("address", "add", "192.168.1.77/24", "dev", "lan")
    assert noticed(home) < NOTICED
    for kind in (Client, TcpClient):
        with home.lan.entered():
            client = kind(("192.168.1.77", 3478), host="192.168.1.11")
        assert client.allocate().relayed[0][0] == OLD
        client.close()


def test_a_client_over_tcp_allocates_anew_on_its_connection(home: Household) -> None:
    with home.lan.entered():
        client = TcpClient((ROUTER, 3478), host="192.168.1.11")
    peer = home.peer(NEW)
    assert client.allocate().relayed[0][0] == OLD
    home.take(OLD)
    home.give(NEW)
    until(lambda: home.relay.log("freed", f"relayed={OLD}:", REQUESTED_ADDRESS_GONE), "its end", NOTICED)
    assert client.refresh(600).code == 437
    relayed = client.allocate().relayed[0]
    assert relayed[0] == NEW and client.bind(CHANNEL, peer.address) == 0
    client.channel(CHANNEL, b"up")
    assert peer.receive() == (b"up", relayed)
    client.close()


def test_more_events_than_the_kernel_keeps(home: Household) -> None:
    """The kernel says that some were lost, and not which: here all that it kept were routes that are none of ours."""
    home.relay.process.send_signal(signal.SIGSTOP)
    every = [f"10.{row >> 8}.{row & 255}.1/32 via 192.168.1.11 dev lan" for row in range(FLOOD)]
    rows = [f"route {verb} {route}" for verb in ("add", "delete") for route in every]
    batch = home.relay.folder / "batch"
    batch.write_text("\n".join(rows))
    home.router.ip("-batch", str(batch))
    home.take(OLD)
    home.give(NEW)
    home.relay.process.send_signal(signal.SIGCONT)
    until(lambda: [line for line in home.changes() if f"relaying={NEW}," in line], "the new address", NOTICED)
    assert home.client().allocate().relayed[0][0] == NEW


def test_another_user_follows_too(household: Household, interpreter: list[str], tmp_path: Path) -> None:
    """Hearing of addresses needs no privilege; a port below 1024 does, and the log says so."""
    household.give(OLD)
    tmp_path.chmod(0o755)
    relay = household.start(interpreter, tmp_path, user="nobody", listen=["0.0.0.0:3478", "0.0.0.0:443"], **MANY)
    household.take(OLD)
    household.give(NEW)
    until(lambda: [line for line in household.changes() if f"relaying={NEW} " in line], "the new address", NOTICED)
    assert household.client().allocate().relayed[0][0] == NEW
    assert f"{NEW}:3478" in relay.status()["listening"]
    assert "ip_unprivileged_port_start" in relay.logged("warning", f"can't listen on {NEW}:443")
    household.router.setting("ipv4/ip_unprivileged_port_start", 443)
    until(lambda: f"{NEW}:443" in relay.status()["listening"], "it was tried again")


def test_a_temporary_address_is_not_relayed_from(household: Household, interpreter: list[str], tmp_path: Path) -> None:
    """RFC 8981: the kernel prefers it as a source, and gives it up after a day."""
    household.router.setting("ipv6/conf/wan/use_tempaddr", 2)
    household.router.ip("address", "add", f"{OLD6}/64", "dev", "wan", "nodad", "mngtmpaddr")
    household.router.ip("-6", "route", "add", "default", "via", GATEWAYS[OLD6], "dev", "wan")
    if "temporary" not in household.router.ip("-6", "address", "show", "dev", "wan"):
        pytest.skip("this kernel makes no temporary addresses")
    until(lambda: "tentative" not in household.router.ip("-6", "address", "show", "dev", "wan"), "no longer tentative")
    route = household.router.ip("-6", "route", "get", "2606:4700::1111")
    assert f"src {OLD6} " not in route
    assert household.start(interpreter, tmp_path).status()["relay_addresses"][-1] == OLD6
