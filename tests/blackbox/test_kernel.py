"""The daemon's half of the kernel path: the flows that it writes into maps, which a test creates and reads.

    test ── creates, pins, reads ──► maps ◄── opens, writes ── relay (either interpreter)

Nobody attaches a program here: the tests stand in for it, and write what it would have counted.
"""

import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from struct import pack as pack_numbers

import pytest

from edgeturn.kernel import bpf, flows, maps
from edgeturn.kernel.bpf import index
from edgeturn.kernel.flows import SECOND
from edgeturn.kernel.maps import Maps
from edgeturn.protocol.limits import Limits
from tests.blackbox.client import CHANNEL, WANT_IPV6, Client, pack, unpack
from tests.blackbox.conftest import NewClient, NewPeer, StartRelay
from tests.blackbox.relay import HOST, HOST6, Address, Relay, Value, free_port, until

ALLOCATIONS, CHANNELS = 8, 16
LOOK = 30.0  # seconds; the relay looks after its pins every ten, when something wakes it
PERMISSION = 300
Key = tuple[Address, Address, int]


class Kernel:
    """A BPF file system, for the maps of the relay that has a certain control socket."""

    def __init__(self, folder: Path) -> None:
        self.pins = folder / "bpf"
        self.pins.mkdir()
        self.control = str(folder / "kernel.sock")
        mounted = subprocess.run(["mount", "-t", "bpf", "bpf", self.pins], capture_output=True, text=True)
        if mounted.returncode:
            pytest.skip(f"this kernel mounts no BPF file system here: {mounted.stderr.strip()}")
        self.folder = maps.folder(str(self.pins), maps.instance(self.control))
        self._maps: Maps | None = None

    @property
    def maps(self) -> Maps:
        assert self._maps is not None
        return self._maps

    def create(self, allocations: int = ALLOCATIONS, channels: int = CHANNELS) -> None:
        """Create and pin the maps, as `edgeturn kernel attach` does."""
        limits = Limits()
        limits.max_allocations, limits.max_channels = allocations, channels
        self.leave()
        try:
            self._maps = maps.create_all(self.folder, limits)
        except OSError as error:
            if error.args[0] != bpf.EPERM:
                raise
            pytest.skip("this kernel refuses bpf(2): operation not permitted")

    def remove(self) -> None:
        """Remove the pins, as `edgeturn kernel detach` does."""
        maps.remove_all(self.folder)

    def leave(self) -> None:
        if self._maps is not None:
            self._maps.close()
            self._maps = None

    def close(self) -> None:
        self.leave()
        subprocess.run(["umount", self.pins], check=True)

    def settings(self, **more: Value) -> dict[str, Value]:
        """Return the settings of the relay that uses the maps."""
        own: dict[str, Value] = {"control": self.control, "kernel_pins": str(self.pins), "max_allocations": ALLOCATIONS}
        return own | more

    def flows(self) -> dict[Key, flows.Flow]:
        """Return what is in the map."""
        found = {}
        keys = self.maps.flows.keys()
        for key in keys:
            value = self.maps.flows.get(key)
            if value is not None:
                local, remote, channel = flows.read_key(key)
                found[unpack(local), unpack(remote), channel] = flows.read_flow(value)
        return found

    def ways(self) -> dict[Key, tuple[Address, Address, int]]:
        """Return where the flows lead."""
        found = self.flows().items()
        return {key: (unpack(flow.source), unpack(flow.destination), flow.channel) for key, flow in found}

    def expires(self) -> set[int]:
        return {flow.expires for flow in self.flows().values()}

    def count(self, key: Key, packets: int, size: int) -> None:
        """Count as the program would, on each CPU the same."""
        numbers = pack_numbers("QQQ", packets, size, time.monotonic_ns())
        self.maps.counters.set(index(self.flows()[key].counter), numbers + bytes(flows.COUNTER_SIZE - len(numbers)))

    def end_at(self, expires: int) -> None:
        """Let all flows that are there expire at a time."""
        keys = self.maps.flows.keys()
        for key in keys:
            flow = flows.read_flow(self.maps.flows.get(key) or b"")
            flow.expires = expires
            self.maps.flows.set(key, flow.pack())

    def ports(self) -> set[int]:
        """Return the ports whose bits are set."""
        words = [int.from_bytes(self.maps.ports.get(index(at)) or b"", sys.byteorder) for at in range(1024)]
        return {64 * at + bit for at, word in enumerate(words) for bit in range(64) if word >> bit & 1}

    def cell(self, number: int) -> tuple[int, int]:
        """Return rate and rest of a budget."""
        value = self.maps.budgets.get(index(number)) or b""
        return int.from_bytes(value[:8], sys.byteorder), int.from_bytes(value[16:], sys.byteorder)


@pytest.fixture
def empty(stack: ExitStack, tmp_path: Path) -> Kernel:
    """A kernel without maps."""
    if os.geteuid():
        pytest.skip("this kernel mounts a BPF file system for root only")
    made = Kernel(tmp_path)
    stack.callback(made.close)
    return made


@pytest.fixture
def kernel(empty: Kernel) -> Kernel:
    """A kernel with the maps of a relay of the usual size."""
    empty.create()
    return empty


def between(relay: Relay, client: Client, relayed: Address, peer: Address) -> dict[Key, tuple[Address, Address, int]]:
    """Return where both flows of a client's first channel must lead."""
    return {
        (relay.server(), client.address, CHANNEL): (relayed, peer, 0),
        (relayed, peer, 0): (relay.server(), client.address, CHANNEL),
    }


def is_free(place: Address) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind(place)
        except OSError:
            return False
        return True


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


def test_a_refresh_renews_the_flows(
    kernel: Kernel, start: StartRelay, new_client: NewClient, new_peer: NewPeer
) -> None:
    relay = start(**kernel.settings())
    alice, peer = new_client(relay), new_peer()
    alice.allocate()
    assert alice.bind(CHANNEL, peer.address) == 0
    kernel.end_at(1)
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
    keys = [flows.key(pack((HOST, 1)), pack((HOST, port)), 0) for port in range(2 * ALLOCATIONS * CHANNELS - 1)]
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


def test_a_session_is_idle_since_its_last_packet(
    kernel: Kernel, start: StartRelay, new_client: NewClient, new_peer: NewPeer
) -> None:
    relay = start(**kernel.settings())
    alice, peer = new_client(relay), new_peer()
    relayed = alice.allocate().relayed[0]
    assert alice.bind(CHANNEL, peer.address) == 0
    until(lambda: relay.sessions()[0]["idle_seconds"] >= 2, "idle time")
    kernel.count((relayed, peer.address, 0), 1, 1)
    assert relay.sessions()[0]["idle_seconds"] <= 1
    until(lambda: relay.sessions()[0]["idle_seconds"] >= 2, "idle time")
    alice.channel(CHANNEL, b"x")
    peer.receive()
    assert relay.sessions()[0]["idle_seconds"] <= 1


# Rates.


def test_rates_bind_in_the_kernel_and_in_python_together(
    kernel: Kernel, start: StartRelay, new_client: NewClient, new_peer: NewPeer
) -> None:
    relay = start(**kernel.settings(bandwidth=3000, user_bandwidth=4000, total_bandwidth=5000))
    alice, peer = new_client(relay), new_peer()
    relayed = alice.allocate().relayed[0]
    assert alice.bind(CHANNEL, peer.address) == 0
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


def test_a_reload_of_rates_is_in_the_kernel_at_once(
    kernel: Kernel, start: StartRelay, new_client: NewClient, new_peer: NewPeer
) -> None:
    relay = start(**kernel.settings())
    alice, peer = new_client(relay), new_peer()
    alice.allocate()
    assert alice.bind(CHANNEL, peer.address) == 0
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
    assert relay.log("info kernel-path state=absent") and len(relay.log("kernel-path")) == 1
    assert relay.status()["kernel"]["state"] == relay.command("kernel")["state"] == "absent"


def test_switched_off_nothing_is_opened(kernel: Kernel, start: StartRelay, new_client: NewClient) -> None:
    relay = start(**kernel.settings(kernel="off"))
    alice = new_client(relay)
    alice.allocate()
    assert alice.bind(CHANNEL, (HOST, 9)) == 0
    assert kernel.flows() == {} and relay.command("kernel")["state"] == "off" and not relay.log("kernel-path")


def test_the_command_takes_up_maps_and_gives_them_up(
    empty: Kernel, start: StartRelay, new_client: NewClient, new_peer: NewPeer
) -> None:
    relay = start(**empty.settings())
    alice, peer = new_client(relay), new_peer()
    relayed = alice.allocate().relayed[0]
    assert alice.bind(CHANNEL, peer.address) == 0
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


def test_the_command_writes_flows_anew(
    kernel: Kernel, start: StartRelay, new_client: NewClient, new_peer: NewPeer
) -> None:
    relay = start(**kernel.settings())
    alice, peer = new_client(relay), new_peer()
    relayed = alice.allocate().relayed[0]
    assert alice.bind(CHANNEL, peer.address) == 0
    kernel.maps.flows.delete(flows.key(pack(relayed), pack(peer.address), 0))
    assert relay.command("kernel")["channels"] == 1
    assert kernel.ways() == between(relay, alice, relayed, peer.address)


def test_other_maps_at_the_same_place_are_noticed(
    kernel: Kernel, start: StartRelay, new_client: NewClient, new_peer: NewPeer
) -> None:
    relay = start(**kernel.settings())
    alice, peer = new_client(relay), new_peer()
    relayed = alice.allocate().relayed[0]
    assert alice.bind(CHANNEL, peer.address) == 0
    kernel.remove()
    kernel.create()
    assert kernel.flows() == {}
    until(lambda: relay.status() and kernel.flows(), "flows in the new maps", LOOK)
    assert kernel.ways() == between(relay, alice, relayed, peer.address) and kernel.ports() == {relay.port, relayed[1]}


def test_maps_that_are_gone_are_noticed(kernel: Kernel, start: StartRelay) -> None:
    relay = start(**kernel.settings())
    kernel.remove()
    until(lambda: relay.status()["kernel"]["state"] == "absent", "a look at the pins", LOOK)
    assert relay.log("info kernel-path state=absent")


def test_maps_of_another_size_are_not_used(
    empty: Kernel, start: StartRelay, new_client: NewClient, new_peer: NewPeer
) -> None:
    empty.create(allocations=4)
    empty.maps.flows.set(flows.key(pack((HOST, 1)), pack((HOST, 2)), 0), bytes(flows.FLOW_SIZE))
    relay = start(**empty.settings())
    assert relay.log("warning kernel-path state=failed", "`edgeturn kernel attach`")
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


# Restart.


class Before:
    """A relay that was killed, and a channel that it left in the kernel."""

    def __init__(self, kernel: Kernel, start: StartRelay, client: Client, peer: Address, port: int) -> None:
        self.kernel, self.start, self.port = kernel, start, port
        self.client, self.peer = client, peer
        self.relayed = client.allocate().relayed[0]
        assert client.bind(CHANNEL, peer) == 0
        self.ways = kernel.ways()

    def restart(self, **settings: Value) -> Relay:
        places: dict[str, Value] = {"listen": [f"{HOST}:{self.port}"]}
        return self.start(**self.kernel.settings(**places | settings))


@pytest.fixture
def before(kernel: Kernel, start: StartRelay, new_peer: NewPeer, stack: ExitStack) -> Before:
    port = free_port()
    relay = start(**kernel.settings(listen=[f"{HOST}:{port}"]))
    client = Client((HOST, port))
    stack.callback(client.close)
    found = Before(kernel, start, client, new_peer().address, port)
    relay.process.kill()
    relay.ended()
    assert found.ways and kernel.ways() == found.ways
    return found


def test_a_killed_relays_channels_go_on_and_their_ports_are_nobodys(before: Before, new_client: NewClient) -> None:
    kernel = before.kernel
    relay = before.restart()
    assert kernel.ways() == before.ways and relay.status()["kernel"]["orphans"] == 1
    assert not is_free(before.relayed) and before.relayed[1] in kernel.ports()
    relay.port = before.port
    for _ in range(ALLOCATIONS):
        other = new_client(relay)
        assert other.allocate().relayed[0] != before.relayed
        assert other.bind(CHANNEL, (HOST, 9)) == 0
    assert before.ways.items() <= kernel.ways().items()
    counters = [flow.counter for flow in kernel.flows().values()]
    assert len(counters) == len(set(counters)) == 2 * ALLOCATIONS + 2


def test_peers_of_an_orphan_hear_of_no_closed_port(before: Before, new_peer: NewPeer) -> None:
    before.restart()
    peer = new_peer()
    peer.sock.connect(before.relayed)
    peer.sock.send(b"not carried by a flow")
    peer.sock.settimeout(0.3)
    with pytest.raises(TimeoutError):  # and not ConnectionRefusedError
        peer.sock.recv(100)


def test_orphans_end_in_time(before: Before) -> None:
    kernel = before.kernel
    kernel.end_at(int(time.monotonic()) + 3)
    relay = before.restart()
    assert relay.status()["kernel"]["orphans"] == 1 and not is_free(before.relayed)
    until(lambda: kernel.flows() == {}, "the end of the orphans")
    until(lambda: is_free(before.relayed), "a free port")
    assert relay.status()["kernel"]["orphans"] == 0 and kernel.ports() == {before.port}


def test_what_has_expired_is_not_taken_over(before: Before) -> None:
    before.kernel.end_at(int(time.monotonic()))
    relay = before.restart()
    assert relay.status()["kernel"]["orphans"] == 0 and before.kernel.flows() == {} and is_free(before.relayed)


def test_a_client_that_comes_back_ends_its_orphans(before: Before) -> None:
    relay = before.restart()
    before.client.nonce = b""
    relayed = before.client.allocate().relayed[0]
    assert before.kernel.flows() == {} and relay.status()["kernel"]["orphans"] == 0
    until(lambda: is_free(before.relayed), "a free port")
    relay.port = before.port
    assert before.client.bind(CHANNEL, before.peer) == 0
    assert before.kernel.ways() == between(relay, before.client, relayed, before.peer)


def test_orphans_of_another_listener_or_to_a_denied_peer_are_deleted(before: Before) -> None:
    relay = before.restart(deny_peer=["127.0.0.0/8"])
    assert relay.status()["kernel"]["orphans"] == 0 and before.kernel.flows() == {}


def test_a_listener_that_is_gone_ends_its_orphans(before: Before) -> None:
    relay = before.restart(listen=[f"{HOST}:{free_port()}"])
    assert relay.status()["kernel"]["orphans"] == 0 and before.kernel.flows() == {}


def test_a_reload_ends_orphans_that_it_denies(before: Before) -> None:
    relay = before.restart()
    relay.configure(deny_peer=["127.0.0.0/8"])
    relay.command("reload")
    assert before.kernel.flows() == {} and relay.status()["kernel"]["orphans"] == 0


def test_orphans_whose_port_was_taken_meanwhile_are_deleted(before: Before) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(before.relayed)
        relay = before.restart()
        assert relay.status()["kernel"]["orphans"] == 0 and before.kernel.flows() == {}


def test_too_few_files_for_orphans_keep_no_relay_from_starting(
    kernel: Kernel, start: StartRelay, new_client: NewClient, interpreter: list[str], tmp_path: Path, stack: ExitStack
) -> None:
    relay = start(**kernel.settings())
    files = len(os.listdir(f"/proc/{relay.process.pid}/fd"))
    for _ in range(ALLOCATIONS):
        alice = new_client(relay)
        alice.allocate()
        assert alice.bind(CHANNEL, (HOST, 9)) == 0
    relay.process.kill()
    relay.ended()
    folder = tmp_path / "limited"
    folder.mkdir()
    limited = ["prlimit", f"--nofile={files + ALLOCATIONS // 2}", *interpreter]
    settings = kernel.settings(listen=relay.settings["listen"])
    again = stack.enter_context(Relay(limited, folder, settings))
    assert again.status()["kernel"] | {"folder": ""} == {
        "state": "on",
        "reason": "",
        "folder": "",
        "channels": 0,
        "orphans": 0,
        "failures": 0,
    }
    assert kernel.flows() == {}


def test_a_second_relay_does_not_touch_the_flows_of_the_first(
    kernel: Kernel, start: StartRelay, new_client: NewClient, interpreter: list[str], tmp_path: Path
) -> None:
    relay = start(**kernel.settings())
    alice = new_client(relay)
    alice.allocate()
    assert alice.bind(CHANNEL, (HOST, 9)) == 0
    folder = tmp_path / "second"
    folder.mkdir()
    with pytest.raises(AssertionError, match="another relay uses"), Relay(interpreter, folder, kernel.settings()):
        pass
    assert len(kernel.flows()) == 2


def test_an_ordinary_end_leaves_the_flows_and_says_so(
    kernel: Kernel, start: StartRelay, new_client: NewClient, new_peer: NewPeer
) -> None:
    relay = start(**kernel.settings())
    alice, peer = new_client(relay), new_peer()
    relayed = alice.allocate().relayed[0]
    assert alice.bind(CHANNEL, peer.address) == 0
    relay.process.terminate()
    assert relay.ended() == 0
    assert kernel.ways() == between(relay, alice, relayed, peer.address)
    (line,) = relay.log("info stopped")
    assert "kernel-channels=1 for-seconds=" in line and "`edgeturn kernel detach`" in line
    assert int(line.partition("for-seconds=")[2].partition(" ")[0]) in range(PERMISSION - 30, PERMISSION + 1)


def test_an_end_without_channels_promises_none(kernel: Kernel, start: StartRelay) -> None:
    relay = start(**kernel.settings())
    relay.process.terminate()
    assert relay.ended() == 0 and relay.log("info stopped") == ["info stopped"]
