"""
The lab's relay with its media in the kernel, as a person gets it: by the daemon and `edgeturn kernel attach`.

The router must forward for the kernel's route look-up, and `attach --enable-forwarding` lets it. What is forwarded the
ordinary way is dropped by a firewall here, so that what arrives was relayed, still.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.kernel.lab.kernel import bpffs
from tests.kernel.lab.topology import NO_FORWARDING, Node
from tests.lab.conftest import StartRelay
from tests.lab.network import Network, wait_until
from tests.lab.programs import ROOT
from tests.lab.relay import STARTS_WITHIN, Options, Relay, configuration, defaults

FORWARDING = ("ipv4/conf/{}/forwarding", "ipv6/conf/{}/forwarding")
INTERFACES = ("client1", "client2", "peer")
COMMAND_ENDS_WITHIN = 60.0


def router(network: Network) -> Node:
    """Return the router as a namespace that can be stepped into."""
    return Node(network.router.name)


@contextmanager
def pins(folder: Path) -> Iterator[str]:
    """Return the folder in which the kernel keeps maps, for as long as the block lasts."""
    with bpffs(folder) as made:
        yield str(made / "edgeturn")


@contextmanager
def prepared(network: Network) -> Iterator[None]:
    """Drop what is forwarded, and let the far ends of the cables take what XDP redirects."""
    router(network).nft(NO_FORWARDING)
    for host in (network.client1, network.client2, network.peer):
        Node(host.namespace.name).feature("uplink", "rx-gro", True)
    try:
        yield
    finally:
        router(network).nft("delete table inet ordinary_forwarding")


def kernel(network: Network, relay: Relay, *arguments: str) -> str:
    """Run `edgeturn kernel` for a relay; return what it printed."""
    file = str(relay.folder / "edgeturn.conf")
    argv = [sys.executable, "-m", "edgeturn", "kernel", *arguments, "-c", file]
    done = network.router.run(["env", f"PYTHONPATH={ROOT}", *argv], COMMAND_ENDS_WITHIN)
    assert done.returncode == 0, done.stdout
    return done.stdout


def attach(network: Network, relay: Relay) -> None:
    """Attach where the configuration says, and see that everything is proven and the relay knows."""
    told = json.loads(kernel(network, relay, "attach", "--enable-forwarding", "--json"))
    assert {each["state"] for each in told["hooks"]} == {"proven"}, told
    assert {each["interface"] for each in told["hooks"]} == set(INTERFACES), told
    assert told["relay"]["state"] == "on", told


def detach(network: Network, relay: Relay) -> None:
    """Take everything away, and see that nothing is left."""
    kernel(network, relay, "detach")
    assert "xdp" not in network.router.ip("link", "show")
    for interface in INTERFACES:
        assert "clsact" not in router(network).tc("qdisc", "show", "dev", interface)
        for setting in FORWARDING:
            assert router(network).read_setting(setting.format(interface)) == "0", setting


@contextmanager
def relay_in_kernel(
    network: Network, start_relay: StartRelay, hook: str, folder: str, options: Options
) -> Iterator[Relay]:
    """Run a relay whose media goes by a hook, for as long as the block lasts."""
    with start_relay(kernel=hook, kernel_pins=folder, **options) as relay:
        attach(network, relay)
        yield relay
        detach(network, relay)


def traffic(relay: Relay) -> dict[str, Any]:
    """Return what the relay carried since its start, in all and in the kernel."""
    found: dict[str, Any] = relay.ask("status")["traffic"]
    return found


def launch(interpreter: Sequence[str], network: Network, folder: Path, options: Options | None = None) -> Relay:
    """Start a relay and wait until it's ready; with options, its configuration is written first."""
    file = folder / "edgeturn.conf"
    if options is not None:
        file.write_text(configuration(defaults(folder) | options))
    with (folder / "log").open("w") as log:
        argv = [*interpreter, "-m", "edgeturn.relay", "-c", str(file)]
        relay = Relay(network.router.popen(argv, stdout=log, cwd=str(ROOT)), folder)
    wait_until(relay.is_ready, "a line `edgeturn ready` in the log", STARTS_WITHIN)
    return relay
