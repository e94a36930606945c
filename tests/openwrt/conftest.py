"""Routers with each package, and what the packages stage, which is made once."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firmware.openwrt import staging
from tests.firmware.current import firmware
from tests.openwrt.router import Router

Stage = Callable[[str], Path]


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Stages a package and returns the folder, the same one each time."""
    done: dict[str, Path] = {}

    def stage(package: str) -> Path:
        if package not in done:
            binary = firmware() if package == "edgeturn-static" else None
            folder = tmp_path_factory.mktemp(package)
            staging.stage(package, folder / "root", folder / "work", binary)
            done[package] = folder / "root"
        return done[package]

    return stage


@pytest.fixture
def new_router(stage: Stage, tmp_path: Path) -> Iterator[Callable[[str], Router]]:
    """Starts a router with a package."""
    if os.geteuid():
        pytest.skip("a root directory and namespaces of its own take root")
    started: list[Router] = []

    def new_router(package: str) -> Router:
        router = Router(tmp_path / f"router{len(started)}", stage(package))
        started.append(router)
        return router

    yield new_router
    for router in started:
        router.close()
        shutil.rmtree(router.root, ignore_errors=True)


@pytest.fixture
def router(new_router: Callable[[str], Router]) -> Router:
    """A router with the package that runs on MicroPython, after its first boot."""
    made = new_router("edgeturn-micro")
    made.run("/etc/uci-defaults/50-edgeturn")
    return made
