"""
Calls through the emulated router, by clients that other people wrote; the machine's kernel carries their media.

The machine is an emulated MIPS 24Kc: its user space is some hundred times slower than this machine's.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.gateway.router import Router
from tests.lab.network import wait_until
from tests.lab.relay import PASSWORD, USER
from tests.lab.test_aioice import MESSAGES, RELAYED, converse, relayed, start
from tests.lab.test_chromium import (
    OVER_WITHIN,
    SECONDS,
    assert_media_flowed,
    assert_messages_arrived,
    assert_relayed,
    browser,
    report,
)
from tests.lab.test_streams import ROWS as STREAMS
from tests.lab.test_uclient import ROWS
from tests.lab.uclient import assert_nothing_lost, uclient

IN_KERNEL = ["IPv4, channels", "IPv6, channels", "IPv4 client, IPv6 peer", "client to client, IPv4, channels"]
IN_PYTHON = {
    "IPv4, indications": ROWS["IPv4, indications"],
    "TCP": STREAMS["TCP, channels"],
    "TLS": STREAMS["TLS, channels"],
}
EARLY = 300  # packets that user space may carry of a call, before the browser has bound its channels


def test_the_jit_is_on(router: Router) -> None:
    assert router.told("cat /proc/sys/net/core/bpf_jit_enable").strip() == "1"
    assert {each["state"] for each in router.answer("kernel status")["hooks"]} == {"proven"}


def test_uclient_by_channels_is_in_the_kernel(router: Router, echo: None) -> None:
    before = router.traffic()
    with ThreadPoolExecutor(len(IN_KERNEL)) as pool:
        told = list(pool.map(lambda name: uclient(router.network.client1, ROWS[name]), IN_KERNEL))
    after = router.traffic()
    for name, each in zip(IN_KERNEL, told, strict=True):
        assert_nothing_lost(each, ROWS[name].streams)
    messages = sum(each.sent for each in told)
    assert after["kernel_packets"] - before["kernel_packets"] == 2 * messages, (before, after)


@pytest.mark.parametrize("name", IN_PYTHON)
def test_uclient_in_user_space(router: Router, echo: None, name: str) -> None:
    before = router.traffic()
    assert_nothing_lost(uclient(router.network.client1, IN_PYTHON[name]), IN_PYTHON[name].streams)
    after = router.traffic()
    assert after["up_packets"] > before["up_packets"] and after["kernel_packets"] == before["kernel_packets"]


@pytest.mark.parametrize("family", [4, 6])
def test_aioice(router: Router, family: int) -> None:
    before = router.traffic()
    login = relayed(family, (USER, PASSWORD))
    alice = start(router.network.client1, "alice", "--controlling", *login)
    bob = start(router.network.client2, "bob", *login)
    assert converse(alice, bob) == (RELAYED, RELAYED)
    wait_until(lambda: not router.sessions(), "the allocations are released", 10, every=0.5)
    assert router.traffic()["kernel_packets"] - before["kernel_packets"] >= 4 * MESSAGES


def test_chromium(router: Router, tmp_path: Path) -> None:
    before = router.traffic()
    with browser(router.network, [4], tmp_path) as process:
        wait_until(
            lambda: process.poll() is not None or (tmp_path / "call.json").read_text().endswith("\n"),
            "the call is over", OVER_WITHIN, every=0.2,
        )  # fmt: skip
        found = report(tmp_path)
    after = router.traffic()
    start_of, end = found["start"], found["end"]
    for name, other in (("alice", "bob"), ("bob", "alice")):
        assert_relayed(end[name])
        assert_media_flowed(start_of[name], end[name])
        assert_messages_arrived(end[name], end[other])
    counted = {name: after[name] - before[name] for name in after}
    in_python = counted["up_packets"] + counted["down_packets"] - counted["kernel_packets"]
    print(f"a call of {SECONDS} s: {counted['kernel_packets']} packets in the kernel, {in_python} in user space")
    assert counted["kernel_packets"] > 100 * SECONDS and in_python < EARLY, counted
