"""What to do so that the kernel carries more: advice, a sentence or two each, with the command that does it.

A row of WAYS_OUT: why a hook was given up, and what can be done; {} is the interface.
"""

import importlib.util
from pathlib import Path

from edgeturn.cli import place
from edgeturn.kernel import flows
from edgeturn.kernel.attaching.inspection import Place
from edgeturn.protocol.address import IPV4, IPV6
from edgeturn.relay.configuration import Configuration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.kernel.attaching.survey import Survey

NEEDS_PYROUTE2 = (
    "pyroute2 is missing: `pip install pyroute2`, or the package python3-pyroute2 of Debian or OpenWrt brings it"
)
FAMILIES = {IPV4: "IPv4", IPV6: "IPv6"}

WAYS_OUT = {
    "kernel": "Install what brings cls_bpf and clsact: on OpenWrt the packages kmod-sched-core and kmod-sched-bpf, "
    "elsewhere a kernel with CONFIG_NET_CLS_BPF and CONFIG_NET_SCH_INGRESS.",
    "places": "Filters of others have the priorities 49152 to 49159 at the ingress of {}: "
    "`tc filter show dev {} ingress` shows whose; give one of them another.",
    "hidden": "A filter that comes first at {} keeps packets from ours, as the ingress shaping of SQM does: "
    "`tc filter show dev {} ingress` shows it. Its media stays in Python.",
    "silent": "The kernel took the filter at {} and doesn't run it; its media stays in Python.",
    "native": "XDP at {}: option kernel 'tc' keeps it from being tried.",
    "refused": "XDP at {}: its driver may want a smaller MTU, or `ethtool -K {} lro off`.",
    "taken": "XDP at {}: `ip link show {}` names the program that is there.",
    "program": "XDP at {}: this kernel is too old for it.",
    "carrier": "XDP at {}: attach again once its cable is in.",
    "unanswered": "XDP at {}: attach again once somebody answers there. Some drivers take programs and never run them.",
}


def has_pyroute2() -> bool:
    """Say whether pyroute2 is there, without the time that loading it takes."""
    return importlib.util.find_spec("pyroute2") is not None


def advise(settings: Configuration, file: Path, places: list[Place]) -> list[str]:
    """Return what to do where a relay's hooks are these."""
    given_up = [_way_out(each, places) for each in places if each.state == flows.GIVEN_UP]
    if not has_pyroute2():
        return [*given_up, f"{NEEDS_PYROUTE2}; without it nothing is attached, and no interface looked at."]
    from edgeturn.kernel.attaching.survey import survey

    found = survey(settings, places)
    return [*given_up, *_changes(found, file), *_forwarding(found, file), *_gro(found, file)]


def _way_out(given_up: Place, places: list[Place]) -> str:
    advice = WAYS_OUT[flows.HOOK_REASONS[given_up.reason][0]].replace("{}", given_up.interface)
    by_tc = [each for each in places if (each.number, each.kind) == (given_up.number, flows.TC)]
    return advice + " tc carries there." * any(each.state == flows.PROVEN for each in by_tc)


def _changes(found: "Survey", file: Path) -> list[str]:
    again = f"`{place.command('kernel attach', file)}`"
    advice = []
    if found.removed:
        advice.append(f"Somebody took the program away from {_listed(found.removed)}: {again} puts it there again.")
    if found.losing:
        advice.append(f"{_listed(found.losing)}: packets that XDP sends out there are lost by now; {again} ends that.")
    if found.appeared:
        advice.append(f"{_listed(found.appeared)}: not attached, or there only since; {again} does it.")
    return advice


def _forwarding(found: "Survey", file: Path) -> list[str]:
    advice = [_closed(family, names, file) for family, names in found.closed.items() if names]
    if advice and found.closed.get(IPV6) and found.advertised:
        first = found.advertised[0]
        advice.append(
            f"Before IPv6 forwarding goes on: the default route at {_listed(found.advertised)} comes from router "
            "advertisements, and a kernel that forwards drops it unless accept_ra is 2 there "
            f"(`sysctl -w net.ipv6.conf.{first}.accept_ra=2`); until then --enable-forwarding leaves IPv6 alone."
        )
    return advice


def _closed(family: int, names: list[str], file: Path) -> str:
    word = FAMILIES[family]
    return (
        f"{word} forwarding is off at {_listed(names)}: what comes in there and goes out by {word} stays in Python. "
        f"`{place.command('kernel attach --enable-forwarding', file)}` switches it on there; then this machine also "
        "forwards what others send through it, as far as its firewall lets it."
    )


def _gro(found: "Survey", file: Path) -> list[str]:
    if not found.joining:
        return []
    advice = (
        f"rx-gro-list is on at {_listed(found.joining)}: datagrams that come close together reach tc as one, "
        "which only Python can take apart. Without it media stays in the kernel, and all other UDP that this machine "
        f"forwards costs it more CPU. `{place.command('config set kernel_gro off', file)}`, then "
        f"`{place.command('kernel attach', file)}`, switches it off, and `detach` on again."
    )
    return [advice]


def _listed(names: list[str]) -> str:
    return ", ".join(names)
