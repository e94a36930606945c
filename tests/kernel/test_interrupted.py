"""
Attaching that is killed half-way, at each step that changes something, leaves nothing that detaching can't find.

    client ──── lan  router  wan ──── peer        tests/kernel/lab/topology.py: Line
"""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from edgeturn.kernel.attaching import xdp
from edgeturn.kernel.direct import filters, forwarding, gro
from edgeturn.kernel.direct.alone import Alone
from tests.kernel.attaching import ALL, Site, look, set_fraglists
from tests.kernel.lab.topology import forward


class Killed(BaseException):
    """What no cleaning up follows but that of the process itself."""


STEPS = [
    ("clsact made", filters, "_make_clsact"),
    ("filter attached", filters, "attach"),
    ("XDP attached", xdp, "attach"),
    ("fraglists switched off", gro, "switch"),
    ("forwarding switched on", forwarding, "switch"),
]


def killed_after(step: Callable[..., Any]) -> Callable[..., None]:
    def run(*arguments: object) -> None:
        step(*arguments)
        raise Killed

    return run


@pytest.mark.parametrize(("module", "name"), [row[1:] for row in STEPS], ids=[row[0] for row in STEPS])
@pytest.mark.parametrize("attached_before", (False, True), ids=("first", "again"))
def test_a_kill_leaves_nothing(
    attached_before: bool, module: Any, name: str, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward(site.node, False)
    set_fraglists(site, True)
    before = look(site.node, "lan", "wan")
    if attached_before:
        assert site.attach("xdp") == ALL
    site.lines = ("option kernel_gro off",)
    with monkeypatch.context() as patched:
        patched.setattr(module, name, killed_after(getattr(module, name)))
        with pytest.raises(Killed):
            site.attach("xdp", forward=True)
    site.detach()
    assert look(site.node, "lan", "wan") == before


def test_one_waits_for_the_other() -> None:
    order = []

    def second() -> None:
        with Alone():
            order.append("second")

    other = threading.Thread(target=second)
    with Alone():
        other.start()
        other.join(0.2)
        order.append("first")
    other.join(10)
    assert order == ["first", "second"]
