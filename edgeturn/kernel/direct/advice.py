"""What to do so that the kernel carries more: advice, a sentence or two each, with the command that does it.

Rule 1: what keeps most in Python comes first; `run` says the short form of the first that has one.

A row of WAYS_OUT: why a hook was given up, and what can be done; {} is the interface.
"""

from collections import namedtuple

from edgeturn.kernel import flows
from edgeturn.kernel.direct.inspection import Place
from edgeturn.kernel.direct.survey import Survey
from edgeturn.protocol.address import IPV4, IPV6
from edgeturn.relay.configuration import Configuration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Command = Callable[[str], str]  # what to type for a command of the tool, by its words

KINDS = {flows.TC: "tc", flows.XDP: "XDP"}
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
    "refused": "XDP at {}: its driver may want a smaller MTU, or `ethtool -K {} lro off` (package ethtool).",
    "taken": "XDP at {}: `ip link show {}` names the program that is there.",
    "program": "XDP at {}: this kernel is too old for it.",
    "carrier": "XDP at {}: attach again once its cable is in.",
    "unanswered": "XDP at {}: attach again once somebody answers there. Some drivers take programs and never run them.",
}

# What to do, and what `run` says of it: "" where it isn't worth a line there.
Advice = namedtuple("Advice", ("text", "short"))


def advise(
    settings: Configuration,
    command: "Command",
    places: "list[Place]",
    found: Survey,
    told: "dict[str, Any] | None",
) -> "list[Advice]":
    """Return what to do where a relay's hooks are these; told: where the relay that runs stands, None where none."""
    given_up = [_way_out(each, places, settings) for each in places if each.state == flows.GIVEN_UP]
    first = _denied(told) or _forwarding(found, places, command)
    return first + _changes(found, command) + given_up + _idle(found) + _gro(found, command)


def _denied(told: "dict[str, Any] | None") -> "list[Advice]":
    """Return what to do where the relay that runs may not open the maps: then nothing else matters."""
    reason = told["reason"] if told else ""
    denied = reason.endswith("permission denied") or reason.endswith("not permitted")
    if not reason.startswith("can't open the maps") or not denied:
        return []
    return [Advice("The maps belong to root: start the relay as root (option `user` gives root up afterwards).", "")]


def _way_out(given_up: Place, places: "list[Place]", settings: Configuration) -> Advice:
    name, why = flows.HOOK_REASONS[given_up.reason]
    advice = WAYS_OUT[name].replace("{}", given_up.interface)
    by_tc = [each for each in places if (each.number, each.kind) == (given_up.number, flows.TC)]
    if any(each.state == flows.PROVEN for each in by_tc):
        advice += " tc carries there."
    wanted = given_up.kind == flows.TC or settings.text("kernel") == "xdp"
    return Advice(advice, f"{KINDS[given_up.kind]} was given up at {given_up.interface}: {why}" if wanted else "")


def _changes(found: Survey, command: "Command") -> "list[Advice]":
    again = f"`{command('kernel attach')}`"
    advice = []
    if found.removed:
        names = sorted({name for name, _ in found.removed})
        advice.append(f"Somebody took the program away from {_listed(names)}: {again} puts it there again.")
    if found.losing:
        advice.append(f"{_listed(found.losing)}: packets that XDP sends out there are lost by now; {again} ends that.")
    if found.appeared:
        advice.append(f"{_listed(found.appeared)}: not attached, or there only since; {again} does it.")
    rows = [Advice(each, "") for each in advice]
    if found.asleep:
        them = "it" if len(found.asleep) == 1 else "them"
        commands = " and ".join([f"`ip link set {name} up`" for name in found.asleep])
        down = why_nothing(found.asleep)
        text = f"{down} and left out: {commands} switches {them} on; then {again} takes {them} in."
        rows.append(Advice(text, down))
    return rows


def why_nothing(asleep: "list[str]") -> str:
    """Return why a relay has no interface to attach to, as the end of a sentence; asleep: those that are down."""
    if not asleep:
        return "this relay listens and relays on the loopback only"
    return f"{_listed(asleep)} {'is' if len(asleep) == 1 else 'are'} down"


def _idle(found: Survey) -> "list[Advice]":
    rows = []
    for name in sorted(found.idle):
        others = found.idle[name]
        take = "takes" if len(others) == 1 else "take"
        text = f"XDP at {name} sends nothing out: {_listed(others)} {take} no redirects; tc carries there."
        rows.append(Advice(text, ""))
    return rows


def _forwarding(found: Survey, places: "list[Place]", command: "Command") -> "list[Advice]":
    closed = [(family, found.closed[family]) for family in FAMILIES if found.closed.get(family)]
    if not closed:
        return []
    by_tc = {each.interface for each in places if (each.kind, each.state) == (flows.TC, flows.PROVEN)}
    everywhere = all(by_tc <= set(names) for names in found.closed.values())
    where = f"{_where(closed)}: what comes in there and goes out by {'it' if len(closed) == 1 else 'them'}"
    text = (
        f"{where} stays in Python. `{command('kernel attach --enable-forwarding')}` switches it on there; "
        "then this machine also forwards what others send through it, as far as its firewall lets it."
    )
    short = "forwarding is off there: all media stays in Python" if everywhere else f"{where} stays in Python"
    return [Advice(text, short)] + _advertised(found)


def _where(closed: "list[tuple[int, list[str]]]") -> str:
    """Return at which interfaces which forwarding is off; families that are off at the same ones are said at once."""
    rows: list[tuple[str, list[str]]] = []
    for family, names in sorted(closed):
        known = [words for where, words in rows if where == _listed(names)]
        if known:
            known[0].append(FAMILIES[family])
        else:
            rows.append((_listed(names), [FAMILIES[family]]))
    return "; ".join([f"{' and '.join(words)} forwarding is off at {names}" for names, words in rows])


def _advertised(found: Survey) -> "list[Advice]":
    if not found.closed.get(IPV6) or not found.advertised:
        return []
    first = found.advertised[0]
    text = (
        f"Before IPv6 forwarding goes on: the default route at {_listed(found.advertised)} comes from router "
        "advertisements, and a kernel that forwards drops it unless accept_ra is 2 there "
        f"(`sysctl -w net.ipv6.conf.{first}.accept_ra=2`); until then --enable-forwarding leaves IPv6 alone."
    )
    return [Advice(text, "")]


def _gro(found: Survey, command: "Command") -> "list[Advice]":
    if not found.joining:
        return []
    text = (
        f"rx-gro-list is on at {_listed(found.joining)}: datagrams that come close together reach tc as one, "
        "which only Python can take apart. Without it media stays in the kernel, and all other UDP that this machine "
        f"forwards costs it more CPU. `{command('config set kernel_gro off')}`, then `{command('kernel attach')}`, "
        "switches it off, and `detach` on again."
    )
    return [Advice(text, f"rx-gro-list is on at {_listed(found.joining)}: what comes in bursts stays in Python")]


def _listed(names: "list[str]") -> str:
    return ", ".join(names)
