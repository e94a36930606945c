"""`python -m tools.bench`: measure and print every figure of the README, in about a quarter of an hour."""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from tools.bench import (
    amplification,
    bindings,
    connection_memory,
    endurance,
    flat,
    handshakes,
    kernel,
    latency,
    memory,
    program,
    report,
    slow,
    storm,
    streams,
    throughput,
)
from tools.bench.bench import Bench
from tools.bench.figures import Section
from tools.bench.lab import LabError
from tools.bench.process import LOAD_CPU

REPETITIONS, QUICK_REPETITIONS = 5, 2
MOST_DESCRIPTORS = 8192

SCENARIOS: dict[str, Callable[[Bench], list[Section]]] = {
    "throughput": throughput.measure,
    "kernel": kernel.measure,
    "kernel-program": program.measure,
    "kernel-bindings": bindings.measure,
    "streams": streams.measure,
    "handshakes": handshakes.measure,
    "connections": connection_memory.measure,
    "slow-clients": slow.measure,
    "latency": latency.measure,
    "allocations": storm.measure,
    "memory": memory.measure,
    "flat": flat.measure,
    "amplification": amplification.measure,
    "endurance": endurance.measure,
}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tools.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter repetitions, about a minute")
    parser.add_argument("--only", action="append", choices=SCENARIOS, metavar="NAME", help=", ".join(SCENARIOS))
    parser.add_argument("--repetitions", type=int, metavar="N", help=f"instead of {REPETITIONS}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples there")
    parser.add_argument("--markdown", action="store_true", help="print Markdown, for the README")
    return parser.parse_args()


def allow_descriptors() -> None:
    """A thousand allocations are a thousand sockets here, and twice as many in a relay."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def save(file: Path, bench: Bench, sections: list[Section]) -> None:
    figures = {section.title: {"samples": section.samples, "goals": section.verdicts} for section in sections}
    file.write_text(json.dumps({"machine": report.machine(bench), "figures": figures}, indent=1) + "\n")


def main() -> int:
    given = options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    allow_descriptors()
    os.sched_setaffinity(0, {LOAD_CPU})
    repetitions = given.repetitions or (QUICK_REPETITIONS if given.quick else REPETITIONS)
    try:
        with Bench(repetitions, given.quick) as bench:
            sections = [s for name in given.only or SCENARIOS for s in bench.perform(name, SCENARIOS[name])]
            print((report.markdown if given.markdown else report.plain)(bench, sections))
            if given.json:
                save(given.json, bench, sections)
    except LabError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
