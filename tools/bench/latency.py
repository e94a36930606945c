"""Added latency: round trips of one small packet under way, above plain IP forwarding through the same machine."""

from __future__ import annotations

from functools import partial

from tools.bench.bench import Bench, progress
from tools.bench.figures import Goal, Samples, Section, differences, judge, spread
from tools.bench.load import plan
from tools.bench.running import PEER_ADDRESS, Running
from tools.bench.systems import BARE, COTURN, CPYTHON, KERNEL_TC, KERNEL_XDP, MICRO, PEER_PORT

SIZE, RATE = 200, 500
SECONDS, QUICK_SECONDS = 1.5, 0.5
FORWARDING = "plain IP forwarding"
GOALS = dict.fromkeys((KERNEL_TC.label, KERNEL_XDP.label), Goal(10))

Table = dict[tuple[str, str], Samples]


def forwarded(bench: Bench, seconds: float) -> dict[str, float]:
    with bench.lab.socket("peer", PEER_PORT) as peer, bench.lab.socket("client") as client:
        client.connect(PEER_ADDRESS)
        lines = (f"send {client.fileno()} -", f"recv {client.fileno()} 0", f"echo {peer.fileno()}")
        return bench.load.run("ping", seconds, SIZE, RATE, plan=plan(lines))


def relayed(bench: Bench, running: Running, seconds: float) -> dict[str, float]:
    with running.lab.socket("peer", PEER_PORT) as peer, running.flows(1, SIZE) as flows:
        flow, descriptor = flows[0], flows[0].client.fileno()
        lines = (f"send {descriptor} {flow.channel.hex() or '-'}", f"recv {descriptor} {flow.back}")
        return bench.load.run("ping", seconds, SIZE, RATE, plan=plan((*lines, f"echo {peer.fileno()}")))


def keep(table: Table, name: str, answer: dict[str, float]) -> None:
    for quantile in ("p50", "p99"):
        table.setdefault((name, quantile), []).append(answer[quantile] / 1000)
    table.setdefault((name, "lost"), []).append(answer["lost"] + answer["wrong"])


def collect(bench: Bench, systems: list[Running]) -> Table:
    table: Table = {}
    seconds = QUICK_SECONDS if bench.quick else SECONDS
    for repetition in range(bench.repetitions):
        progress(f"latency, repetition {repetition + 1} of {bench.repetitions}")
        keep(table, FORWARDING, forwarded(bench, seconds))
        for running in systems:
            with bench.tolerating(running.system):
                keep(table, running.system.label, relayed(bench, running, seconds))
    return table


def measure(bench: Bench) -> list[Section]:
    table = collect(bench, bench.running(COTURN, BARE, CPYTHON, MICRO, KERNEL_TC, KERNEL_XDP))
    section = Section(
        "Added latency",
        f"us, round trip client to peer and back (twice through the relay), {SIZE} B, {RATE}/s closed loop",
        ("relay", "p50", "p99", "p50 added"),
    )
    for name in dict.fromkeys(name for name, _ in table):
        p50, p99 = table[name, "p50"], table[name, "p99"]
        section.samples.update({f"{name} p50": p50, f"{name} p99": p99})
        added = differences(p50, table[FORWARDING, "p50"])
        show = partial(spread, form=".0f")
        shown = "" if name == FORWARDING else judge(section, f"{name} added us", added, GOALS.get(name), show)
        section.rows.append((name, spread(p50, ".0f"), spread(p99, ".0f"), shown))
        if lost := sum(table[name, "lost"]):
            section.notes.append(f"{name}: {lost:.0f} round trips lost")
    return [section]
