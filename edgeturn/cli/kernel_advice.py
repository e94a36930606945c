"""What the tool with click adds to edgeturn/kernel/direct/advice.py: pyroute2, by which it attaches XDP, too."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

from edgeturn.cli import place
from edgeturn.cli.failure import Wrong
from edgeturn.kernel.direct import advice
from edgeturn.kernel.direct.advice import FAMILIES, KINDS, WAYS_OUT, Advice, why_nothing
from edgeturn.kernel.direct.inspection import Place
from edgeturn.kernel.direct.survey import Survey
from edgeturn.relay.configuration import Configuration

__all__ = (
    "FAMILIES",
    "KINDS",
    "NEEDS_PYROUTE2",
    "WAYS_OUT",
    "Advice",
    "advise",
    "commands",
    "has_pyroute2",
    "needs_pyroute2",
    "read",
    "why_nothing",
)


def needs_pyroute2() -> str:
    """Return what brings pyroute2 to the Python that runs this, the system's or another, as the end of a sentence."""
    if sys.prefix == sys.base_prefix == "/usr":
        return "pyroute2 is missing: the package python3-pyroute2 brings it (of Debian, OpenWrt and others)"
    return f"pyroute2 is missing: `{sys.executable} -m pip install pyroute2` brings it"


NEEDS_PYROUTE2 = needs_pyroute2()


def has_pyroute2() -> bool:
    """Say whether pyroute2 is there, without the time that loading it takes."""
    return importlib.util.find_spec("pyroute2") is not None


def read(file: Path) -> Configuration:
    """Return the configuration of a relay that exists: where the default file isn't there, another's is meant."""
    if file == place.default_file() and not place.exists(file):
        raise Wrong(f"{file}: there is no such file; name the relay's own file by `-c FILE`.")
    return place.read(file)


def advise(
    settings: Configuration, file: Path, places: list[Place], found: Survey, told: dict[str, Any] | None
) -> list[Advice]:
    """Return what to do where a relay's hooks are these; told: where the relay that runs stands, None where none."""
    steps = advice.advise(settings, commands(file), places, found, told)
    if settings.text("kernel") == "xdp" and not has_pyroute2():
        steps.append(Advice(f"Option kernel 'xdp': {NEEDS_PYROUTE2}; until then tc carries all of it.", ""))
    return steps


def commands(file: Path) -> "advice.Command":
    """Return what gives the command to type, by its words."""
    return lambda words: place.command(words, file)
