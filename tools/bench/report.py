"""Prints sections as plain text of at most 100 columns, or as Markdown for the README."""

from __future__ import annotations

import platform
import textwrap
from collections.abc import Iterable
from pathlib import Path

from tools.bench.bench import Bench
from tools.bench.figures import Row, Section
from tools.bench.systems import SYSTEMS

WIDTH = 100


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def machine(bench: Bench) -> list[str]:
    """Describe the machine, the versions, the method."""
    cpus = Path("/sys/devices/system/cpu/online").read_text().strip()
    versions = [version for system in SYSTEMS if not system.missing() and (version := system.version())]
    return [
        f"Machine: {processor()}, CPUs {cpus}, Linux {platform.release()}",
        f"Versions: {', '.join(dict.fromkeys(versions))}; bare loop on CPython {platform.python_version()}",
        f"Method: {bench.repetitions} repetitions, systems interleaved within each; median [min-max]",
    ]


def goals(sections: Iterable[Section]) -> str:
    verdicts = [met for section in sections for met in section.verdicts.values()]
    return f"Goals met: {sum(verdicts)} of {len(verdicts)}"


def missed(sections: Iterable[Section]) -> list[str]:
    return [f"Missed: {name}" for section in sections for name, met in section.verdicts.items() if not met]


def wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH)


def aligned(rows: list[Row]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for first, *others in rows:
        cells = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        lines.append("  ".join((first.ljust(widths[0]), *cells)).rstrip())
    return lines


def plain(bench: Bench, sections: list[Section]) -> str:
    lines = [wrapped(line) for line in machine(bench)]
    for section in sections:
        lines += ["", section.title.upper(), wrapped(section.method), "", *aligned([section.header, *section.rows])]
        lines += [wrapped(note) for note in section.notes]
    lines += ["", *(wrapped(f"Left out: {label}: {reason}") for label, reason in bench.absent.items())]
    return "\n".join([*lines, *missed(sections), goals(sections)])


def table(rows: list[Row]) -> list[str]:
    head, *others = (f"| {' | '.join(cell.strip() for cell in row)} |" for row in rows)
    return [head, f"|{'---|' * len(rows[0])}", *others]


def markdown(bench: Bench, sections: list[Section]) -> str:
    lines = ["  \n".join(machine(bench))]
    for section in sections:
        lines += ["", f"### {section.title}", "", section.method, "", *table([section.header, *section.rows])]
        lines += ["", *section.notes] if section.notes else []
    lines += ["", *(f"Left out: {label}: {reason}" for label, reason in bench.absent.items())]
    return "\n".join([*lines, "", goals(sections)])
