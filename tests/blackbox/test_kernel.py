"""The daemon's half of the kernel path: flows as channels are bound, counts, rates, maps that come and go.

Nobody attaches a program here: the tests stand in for it, and write what it would have counted.
"""

import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from struct import pack as pack_numbers

from edgeturn.kernel import bpf, flows
from edgeturn.kernel.bpf import index
from edgeturn.kernel.flows import SECOND
from edgeturn.relay.passwd import find_user
from tests.blackbox.client import CHANNEL, WANT_IPV6, Client, pack
from tests.blackbox.conftest import Bind, NewClient, NewPeer, StartRelay
from tests.blackbox.kernel import PERMISSION, Kernel, between
from tests.blackbox.relay import HOST, HOST6, Relay, until

LOOK = 20.0  # seconds; the relay looks after its pins every ten, and nothing need wake it


# Flows.


def test_a_bound_channel_is_two_flows_until_it_ends(
    kernel: Kernel, start: StartRelay, new_client: NewClient, new_peer: NewPeer
) -> None:
    relay = start(**kernel.settings())
    alice, peer = new_client(relay), new_peer()
    relayed = alice.allocate().relayed[0]
    before = int(time.monotonic())
    assert alice.bind(CHANNEL, peer.address) == 0
    assert kernel.ways() == between(relay, alice, relayed, peer.address)
    (expires,) = kernel.expires()
    assert before + PERMISSION <= expires <= time.monotonic() + PERMISSION
    assert kernel.ports() == {relay.port, relayed[1]}
    assert relay.status()["kernel"]["channels"] == relay.sessions()[0]["kernel_channels"] == 1
    alice.channel(CHANNEL, b"python still can")
    assert peer.receive() == (b"python still can", relayed)
    assert alice.refresh(0).code == 0
    assert kernel.flows() == {} and kernel.ports() == {relay.port}
    assert relay.status()["kernel"]["channels"] == 0


def test_ipv6_flows(kernel: Kernel, start: StartRelay, new_client: NewClient, new_peer: NewPeer) -> None:
    relay = start(**kernel.settings())
    alice, peer = new_client(relay, at=HOST6), new_peer(HOST6)
    relayed = alice.allocate(WANT_IPV6).relayed[0]
    assert alice.bind(CHANNEL, peer.address) == 0
    server = relay.server(HOST6)
    assert kernel.ways() == {
        (server, alice.address, CHANNEL): (relayed, peer.address, 0),
        (relayed, peer.address, 0): (server, alice.address, CHANNEL),
    }


def test_a_refresh_renews_the_flows(kernel: Kernel, bound: Bind) -> None:
    _, alice, peer, _ = bound(kernel)
    kernel.end_at(1)
    second = int(time.monotonic())
    until(lambda: time.monotonic() >= second + 1, "the next second: what is refreshed within one isn't written again")
    before = int(time.monotonic())
    assert alice.permit(peer.address) == 0
    (expires,) = kernel.expires()
    assert expires >= before + PERMISSION and len(kernel.flows()) == 2


def test_a_reload_that_denies_the_peer_ends_its_flows(
    kernel: Kernel, start: StartRelay, new_client: NewClient, new_peer: NewPeer
) -> None:
    relay = start(**kernel.settings())
    alice, peer, other = new_client(relay), new_peer(), new_peer("127.0.0.2")
    relayed = alice.allocate().relayed[0]
    assert alice.bind(CHANNEL, peer.address) == 0 and alice.bind(CHANNEL + 1, other.address) == 0
    assert len(kernel.flows()) == 4
    relay.configure(deny_peer=["127.0.0.2"])
    relay.command("reload")
    assert kernel.ways() == between(relay, alice, relayed, peer.address)


def test_a_channel_that_finds_no_room_stays_in_python(
    kernel: Kernel, start: StartRelay, new_client: NewClient, new_peer: NewPeer
) -> None:
    relay = start(**kernel.settings())
    keys = [flows.key(pack((HOST, 1)), pack((HOST, port)), 0) for port in range(kernel.maps.flows.entries - 1)]
    for key in keys:
        kernel.maps.flows.set(key, bytes(flows.FLOW_SIZE))
    alice, peer = new_client(relay), new_peer()
    relayed = alice.allocate().relayed[0]
    assert alice.bind(CHANNEL, peer.address) == 0
    assert sorted(kernel.maps.flows.keys()) == sorted(keys)  # not half of it either
    found = relay.status()["kernel"]
    assert (found["channels"], found["failures"]) == (0, 1)
    alice.channel(CHANNEL, b"by Python")
    assert peer.receive() == (b"by Python", relayed)
    for key in keys:
        kernel.maps.flows.delete(key)
    assert alice.permit(peer.address) == 0 and len(kernel.flows()) == 2


# Counting.


def test_what_the_kernel_carried_is_counted(
    kernel: Kernel, start: StartRelay, new_client: NewClient, new_peer: NewPeer
) -> None:
    relay = start(**kernel.settings())
    cpus = bpf.possible_cpus()
    alice, peer = new_client(relay), new_peer()
    relayed = alice.allocate().relayed[0]
    assert alice.bind(CHANNEL, peer.address) == 0
    alice.channel(CHANNEL, b"12345")
    peer.receive()
    kernel.count((relay.server(), alice.address, CHANNEL), 10, 1000)
    kernel.count((relayed, peer.address, 0), 100, 20000)
    counts = {
        "up_packets": 1 + 10 * cpus,
        "up_bytes": 5 + 1000 * cpus,
        "down_packets": 100 * cpus,
        "down_bytes": 20000 * cpus,
        "kernel_packets": 110 * cpus,
        "kernel_bytes": 21000 * cpus,
    }
    for _ in range(2):
        (session,) = relay.sessions()
        assert {name: session[name] for name in counts} == counts
        assert relay.status()["traffic"] == counts
    assert alice.refresh(0).code == 0
    line = relay.logged("freed session=1")
    assert f"up={counts['up_packets']}/{counts['up_bytes']} down={counts['down_packets']}/" in line
    assert f"kernel={counts['kernel_packets']}/{counts['kernel_bytes']} packets/bytes" in line
    assert relay.status()["traffic"] == counts


def test_a_session_is_idle_since_its_last_packet(kernel: Kernel, bound: Bind) -> None:
    relay, alice, peer, relayed = bound(kernel)
    until(lambda: relay.sessions()[0]["idle_seconds"] >= 2, "idle time")
    kernel.count((relayed, peer.address, 0), 1, 1)
    assert relay.sessions()[0]["idle_seconds"] <= 1
    until(lambda: relay.sessions()[0]["idle_seconds"] >= 2, "idle time")
    alice.channel(CHANNEL, b"x")
    peer.receive()
    assert relay.sessions()[0]["idle_seconds"] <= 1


# Rates.


def test_rates_bind_in_the_kernel_and_in_python_together(kernel: Kernel, bound: Bind) -> None:
    relay, alice, peer, relayed = bound(kernel, bandwidth=3000, user_bandwidth=4000, total_bandwidth=5000)
    own, account, total = kernel.flows()[relay.server(), alice.address, CHANNEL].budgets
    assert kernel.flows()[relayed, peer.address, 0].budgets == (own + 1, account + 1, total + 1)
    assert [kernel.cell(each)[0] for each in (own, account, total)] == [3000, 4000, 5000]
    alice.channel(CHANNEL, bytes(100))
    peer.receive()
    assert 0 < kernel.cell(own)[1] < 3000 and kernel.cell(total)[1] < 5000
    far = (int(time.monotonic()) + 1000) * SECOND
    kernel.maps.budgets.set(index(account), pack_numbers("QQQ", 4000, far, 0))  # the kernel has used it up
    for _ in range(40):
        alice.channel(CHANNEL, bytes(100))
    assert until(lambda: relay.dropped("bandwidth"), "a drop")
    kernel.maps.budgets.set(index(account), pack_numbers("QQQ", 4000, 0, 0))

    def again() -> bool:
        alice.channel(CHANNEL, b"again")
        return b"again" in peer.queued()

    until(again, "a packet in the next second")


def test_a_reload_of_rates_is_in_the_kernel_at_once(kernel: Kernel, bound: Bind) -> None:
    relay, alice, _, _ = bound(kernel)
    key = (relay.server(), alice.address, CHANNEL)
    assert kernel.flows()[key].budgets == (0, 0, 0)
    relay.configure(bandwidth=3000)
    relay.command("reload")
    own = kernel.flows()[key].budgets[0]
    assert own and kernel.cell(own)[0] == 3000 and kernel.flows()[key].budgets[1:] == (0, 0)
    relay.configure(bandwidth=2000, total_bandwidth=9000)
    relay.command("reload")
    assert kernel.cell(own)[0] == 2000 and kernel.flows()[key].budgets == (own, 0, 1)
    relay.configure(bandwidth=0, total_bandwidth=0)
    relay.command("reload")
    assert kernel.flows()[key].budgets == (0, 0, 0)


# Opening and closing.


def test_without_maps_everything_stays_in_python_and_one_line_says_so(empty: Kernel, start: StartRelay) -> None:
    relay = start(**empty.settings())
    assert relay.logged("info kernel-path state=absent") and len(relay.log("kernel-path")) == 1
    assert relay.status()["kernel"]["state"] == relay.command("kernel")["state"] == "absent"


def test_switched_off_nothing_is_opened(kernel: Kernel, start: StartRelay, new_client: NewClient) -> None:
    relay = start(**kernel.settings(kernel="off"))
    alice = new_client(relay)
    alice.allocate()
    assert alice.bind(CHANNEL, (HOST, 9)) == 0
    assert kernel.flows() == {} and relay.command("kernel")["state"] == "off" and not relay.log("kernel-path")


def test_the_command_takes_up_maps_and_gives_them_up(empty: Kernel, bound: Bind) -> None:
    relay, alice, peer, relayed = bound(empty)
    empty.create()
    answer = relay.command("kernel")
    assert (answer["state"], answer["channels"]) == ("on", 1)
    assert empty.ways() == between(relay, alice, relayed, peer.address)
    empty.count((relayed, peer.address, 0), 7, 70)
    empty.remove()
    answer = relay.command("kernel")
    assert (answer["state"], answer["channels"]) == ("absent", 0) and empty.flows() == {}
    assert relay.sessions()[0]["kernel_packets"] == 7 * bpf.possible_cpus()
    alice.channel(CHANNEL, b"by Python")
    assert peer.receive() == (b"by Python", relayed)


def test_the_command_writes_flows_anew(kernel: Kernel, bound: Bind) -> None:
    relay, alice, peer, relayed = bound(kernel)
    kernel.maps.flows.delete(flows.key(pack(relayed), pack(peer.address), 0))
    assert relay.command("kernel")["channels"] == 1
    assert kernel.ways() == between(relay, alice, relayed, peer.address)


def test_other_maps_at_the_same_place_are_noticed(kernel: Kernel, bound: Bind) -> None:
    relay, alice, peer, relayed = bound(kernel)
    kernel.remove()
    kernel.create()
    assert kernel.flows() == {}
    until(kernel.flows, "flows in the new maps", LOOK)
    assert kernel.ways() == between(relay, alice, relayed, peer.address) and kernel.ports() == {relay.port, relayed[1]}


def test_maps_that_are_gone_are_noticed(kernel: Kernel, start: StartRelay) -> None:
    relay = start(**kernel.settings())
    kernel.remove()
    until(lambda: relay.log("info kernel-path state=absent"), "a look at the pins", LOOK)
    assert relay.status()["kernel"]["state"] == "absent"


def test_maps_of_another_size_are_not_used(
    empty: Kernel, start: StartRelay, new_client: NewClient, new_peer: NewPeer
) -> None:
    empty.create(allocations=4)
    empty.maps.flows.set(flows.key(pack((HOST, 1)), pack((HOST, 2)), 0), bytes(flows.FLOW_SIZE))
    relay = start(**empty.settings())
    assert relay.logged("warning kernel-path state=failed", "`edgeturn kernel attach`")
    alice, peer = new_client(relay), new_peer()
    alice.allocate()
    assert alice.bind(CHANNEL, peer.address) == 0
    assert empty.flows() == {}  # also what was there: nobody would look after it
    empty.create()
    assert relay.command("kernel")["state"] == "on" and len(empty.flows()) == 2


def test_another_user_goes_on_writing(
    kernel: Kernel, start: StartRelay, new_client: NewClient, new_peer: NewPeer
) -> None:
    relay = start(**kernel.settings(user="nobody"))
    assert relay.status()["kernel"]["state"] == "on"
    alice, peer = new_client(relay), new_peer()
    alice.allocate()
    assert alice.bind(CHANNEL, peer.address) == 0 and len(kernel.flows()) == 2
    assert alice.refresh(0).code == 0 and kernel.flows() == {}


def test_another_user_takes_up_maps_that_are_its_own(kernel: Kernel, bound: Bind) -> None:
    for folder in (kernel.pins, *kernel.pins.parents):
        if "pytest-" in str(folder):  # made for this user only
            folder.chmod(0o711)
    relay, _, _, _ = bound(kernel, user="nobody")
    kernel.remove()
    kernel.create()
    os.chmod(kernel.folder, 0o711)
    answer = relay.command("kernel")
    assert answer["state"] == "failed" and "permission denied" in answer["reason"].lower()
    ids = find_user("nobody")
    assert ids is not None
    for name in os.listdir(kernel.folder):
        os.chown(os.path.join(kernel.folder, name), *ids)
    assert relay.command("kernel")["state"] == "on" and len(kernel.flows()) == 2


def test_the_daemon_loads_no_pyroute2(kernel: Kernel, tmp_path: Path, stack: ExitStack) -> None:
    folder = tmp_path / "imports"
    folder.mkdir()
    relay = stack.enter_context(Relay([sys.executable, "-X", "importtime"], folder, kernel.settings()))
    client = Client(relay.server())
    stack.callback(client.close)
    client.allocate()
    assert client.bind(CHANNEL, (HOST, 9)) == 0 and relay.status()["kernel"]["channels"] == 1
    loaded = {line.rpartition("|")[2].strip() for line in relay.log("import time:")}
    assert "edgeturn.kernel.carrier" in loaded
    assert not {name for name in loaded if name.partition(".")[0] in ("pyroute2", "click")}


def test_without_maps_no_ctypes_and_no_carrier_is_loaded(empty: Kernel, tmp_path: Path, stack: ExitStack) -> None:
    folder = tmp_path / "imports"
    folder.mkdir()
    relay = stack.enter_context(Relay([sys.executable, "-X", "importtime"], folder, empty.settings()))
    relay.command("kernel")
    loaded = {line.rpartition("|")[2].strip() for line in relay.log("import time:")}
    assert "edgeturn.relay.kernel" in loaded and not loaded & {"edgeturn.kernel.carrier", "ctypes"}
