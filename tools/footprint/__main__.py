"""
Print what a relay takes on flash and in memory, as Markdown: `python -m tools.footprint`, which `make footprint` calls.

The firmware for this machine is built if need be; of other architectures what is built is measured, with
`--arch all` all are built.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys

from tools.bench import report
from tools.bench.__main__ import allow_descriptors
from tools.bench.bench import Bench
from tools.bench.figures import Section
from tools.bench.lab import LabError
from tools.bench.process import LOAD_CPU
from tools.footprint import memory, sizes

PACKETS, QUICK_PACKETS = 1_000_000, 50_000


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tools.footprint", description=__doc__)
    parser.add_argument("--arch", action="append", choices=(*sizes.ARCHITECTURES, "all"), default=[], help="build, too")
    parser.add_argument("--no-build", action="store_true", help="measure what is there, whatever it was built from")
    parser.add_argument("--sizes", action="store_true", help="only bytes on flash, which needs no root")
    parser.add_argument("--quick", action="store_true", help=f"a load of {QUICK_PACKETS} packets instead of {PACKETS}")
    return parser.parse_args()


def build(wanted: list[str]) -> None:
    """Build what is asked for, and what runs here."""
    for name in sizes.ARCHITECTURES:
        if name in wanted or "all" in wanted or name == platform.machine():
            sizes.build(name)


def measure(packets: int) -> tuple[list[str], Section]:
    """Return what is said of the machine, and of memory on it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    allow_descriptors()
    os.sched_setaffinity(0, {LOAD_CPU})
    with Bench(1, False) as bench:
        section = memory.measure(bench, packets)
        section.notes += [f"Left out: {label}: {reason}" for label, reason in bench.absent.items()]
        return report.machine(bench)[:2], section


def markdown(said: list[str], sections: list[Section]) -> str:
    lines = ["  \n".join(said)] if said else []
    for section in sections:
        lines += ["", f"### {section.title}", "", section.method, ""]
        lines += [*report.table([section.header, *section.rows]), "", *section.notes]
    return "\n".join([*lines, "", report.goals(sections)])


def main() -> int:
    given = options()
    try:
        if not given.no_build:
            build(given.arch)
        said: list[str] = []
        sections = [sizes.measure()]
        if not given.sizes:
            said, taken = measure(QUICK_PACKETS if given.quick else PACKETS)
            sections.append(taken)
        print(markdown(said, sections))
    except LabError as error:
        print(f"footprint: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
