"""Prepare the tree for a make target: `python3 -m tools.prepare TARGET`."""

import sys
from collections.abc import Callable

from . import browser, debian, environment
from .steps import Unprepared

_TARGETS: dict[str, tuple[Callable[[], None], ...]] = {
    "run": (lambda: environment.ensure(["kernel"]),),
    "program": (lambda: debian.ensure(debian.PROGRAM),),
    "tox": (lambda: environment.ensure(["test"]),),
    "check": (lambda: environment.ensure(["test", "check"]),),
    "test": (lambda: environment.ensure(["test"]), lambda: debian.ensure(debian.FOR_TESTS), browser.ensure),
    "firmware": (lambda: debian.ensure(debian.FOR_FIRMWARE),),
    "gateway": (lambda: debian.ensure(debian.FOR_FIRMWARE), lambda: debian.ensure(debian.FOR_GATEWAY)),
    "wheel": (lambda: environment.ensure(["package"]),),
    "deb": (lambda: environment.ensure(["package"]), lambda: debian.ensure(debian.FOR_PACKAGE)),
    "first-call": (
        lambda: environment.ensure(["test"]),
        lambda: debian.ensure(debian.FOR_FIRST_CALL),
        browser.ensure,
    ),
    "bench": (lambda: environment.ensure(["test"]), lambda: debian.ensure(debian.FOR_BENCHMARKS)),
}


def main(target: str) -> None:
    """Run the steps of a target, and end with one sentence where one of them can't."""
    try:
        for step in _TARGETS[target]:
            step()
    except Unprepared as error:
        sys.exit(f"not ready for `make {target}`: {error}")


main(sys.argv[1])
