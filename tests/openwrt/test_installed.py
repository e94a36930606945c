"""What is staged, run from where it was staged: a relay that carries data, from bytecode alone."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from edgeturn import __version__
from tests.blackbox.client import CHANNEL, Client, Peer
from tests.blackbox.relay import Relay
from tests.openwrt.conftest import Stage
from tests.openwrt.router import MICROPYTHON

SITE = f"usr/lib/python3.{sys.version_info[1]}/site-packages"


def cpython(root: Path) -> str:
    click_folder = Path(click.__file__).parents[1]
    return f'PYTHONPATH={root / SITE}:{click_folder} exec {sys.executable} -S -P "$@"'


def micropython(root: Path) -> str:
    return f'MICROPYPATH={root}/usr/lib/edgeturn:.frozen exec {MICROPYTHON}/bin/micropython "$@"'


def static(root: Path) -> str:
    return f'exec {root}/usr/bin/edgeturn "$@"'


PACKAGES = (("edgeturn", cpython), ("edgeturn-micro", micropython), ("edgeturn-static", static))


@pytest.fixture(params=PACKAGES, ids=[name for name, _ in PACKAGES])
def interpreter(request: pytest.FixtureRequest, stage: Stage, tmp_path: Path) -> Path:
    """A command that runs a module with a package's files and no others."""
    package, line = request.param
    made = tmp_path / "interpreter"
    made.write_text(f"#!/bin/sh\ncd /\n{line(stage(package))}\n")
    made.chmod(0o755)
    return made


def test_a_relay_runs_from_it(interpreter: Path, tmp_path: Path) -> None:
    with Relay([str(interpreter)], tmp_path, {}) as relay:
        client, peer = Client(relay.server(), "alice"), Peer("127.0.0.1")
        relayed = client.allocate().relayed[0]
        assert client.bind(CHANNEL, peer.address) == 0
        client.channel(CHANNEL, b"up")
        assert peer.receive() == (b"up", relayed)
        peer.send(relayed, b"down")
        assert client.receive().data == b"down"
        client.close()
        peer.close()


def test_the_command_says_its_version(interpreter: Path) -> None:
    module = "edgeturn" if "-S -P" in interpreter.read_text() else "edgeturn.command"
    done = subprocess.run(
        [interpreter, "-m", module, "--version"], capture_output=True, text=True, env={"PATH": os.defpath}
    )
    assert done.stdout == f"{__version__}\n", done.stderr


def test_cpython_finds_the_kernels_program_without_sources(stage: Stage) -> None:
    root = stage("edgeturn")
    program = (
        "from edgeturn.kernel import loader; from edgeturn.kernel.attaching import attachment; "
        "print(len(open(loader._OBJECT, 'rb').read()), loader.__file__)"
    )
    places = [str(root / SITE), *(path for path in sys.path if path.endswith("site-packages"))]
    done = subprocess.run(
        [sys.executable, "-P", "-S", "-c", program],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": os.pathsep.join(places)},
    )
    size, file = done.stdout.split()
    assert int(size) > 1000 and file == str(root / SITE / "edgeturn/kernel/loader.pyc"), done.stderr
    assert not list((root / SITE).rglob("*.py"))
