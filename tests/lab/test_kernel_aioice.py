"""
aioice relay to relay, with both agents' media in the kernel: channel to channel, without user space.

What Python carries is what comes before a channel is bound on both sides: a check or two.
"""

import pytest

from tests.lab.conftest import StartRelay
from tests.lab.kernel_path import pins, prepared, relay_in_kernel, traffic
from tests.lab.network import Network, wait_until
from tests.lab.relay import PASSWORD, USER, Relay, credentials
from tests.lab.test_aioice import MESSAGES, RELAYED, converse, relayed, start

EARLY = 10  # packets


def call(network: Network, relay: Relay, alice_by: int, bob_by: int) -> None:
    """Let two agents talk, and see by whom they were carried."""
    before = traffic(relay)
    alice = start(network.client1, "alice", "--controlling", *relayed(alice_by, (USER, PASSWORD)))
    bob = start(network.client2, "bob", *relayed(bob_by, credentials("bob")))
    assert converse(alice, bob) == (RELAYED, RELAYED)
    wait_until(lambda: not relay.sessions(), "the allocations are released", 30)
    after = traffic(relay)
    counted = {name: after[name] - before[name] for name in after}
    assert counted["kernel_packets"] >= 4 * MESSAGES, "each message is one packet up and one down, both ways"
    assert counted["up_packets"] + counted["down_packets"] - counted["kernel_packets"] <= EARLY


@pytest.mark.parametrize("hook", ["tc", "xdp"])
def test_relay_to_relay(
    start_relay: StartRelay, network: Network, tmp_path_factory: pytest.TempPathFactory, hook: str
) -> None:
    folder = tmp_path_factory.mktemp("bpf") / "fs"
    with (
        prepared(network),
        pins(folder) as made,
        relay_in_kernel(network, start_relay, hook, made, {"allow_peer": []}) as relay,
    ):
        for alice_by, bob_by in ((4, 4), (6, 6), (4, 6)):
            call(network, relay, alice_by, bob_by)
