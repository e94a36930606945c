"""The firmware's build: verified sources, the same bytes everywhere, nothing run where nothing changed."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from firmware.build import frozen
from firmware.build.architectures import BY_NAME
from firmware.build.binary import binary
from firmware.build.sources import MBEDTLS, MICROPYTHON, MUSL, Source, unpacked
from firmware.build.steps import FOLDER, ROOT, BuildError, run

LONGEST = 1500


@pytest.mark.timeout(LONGEST)
def test_a_second_build_elsewhere_gives_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "sources").mkdir()
    first = _built("x86_64", FOLDER)
    for source in (MICROPYTHON, MBEDTLS, MUSL):
        (tmp_path / "sources" / source.file.name).symlink_to(source.file)
    second = _built("x86_64", tmp_path)
    assert second != first and second.is_relative_to(tmp_path)
    assert _digest(second) == _digest(first)


@pytest.mark.timeout(LONGEST)
def test_nothing_is_made_where_nothing_changed() -> None:
    program = _built("x86_64", FOLDER)
    before = program.stat()
    assert binary(BY_NAME["x86_64"], "tls") == program
    assert program.stat().st_ino == before.st_ino and program.stat().st_mtime_ns == before.st_mtime_ns


def test_a_source_that_is_another_is_refused() -> None:
    name = "other_1.orig.tar.gz"
    other = Source("another", f"main/o/other/{name}", "0" * 64)
    other.file.parent.mkdir(parents=True, exist_ok=True)
    other.file.write_bytes(b"not what was asked for")
    try:
        with pytest.raises(BuildError, match="isn't another: its SHA-256 is"):
            unpacked(other)
    finally:
        other.file.unlink()
    assert not (FOLDER / "source" / "other").exists()


def test_what_make_hands_down_reaches_no_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ARCH", "MAKEFLAGS", "CFLAGS"):
        monkeypatch.setenv(name, "armhf")
    assert run(["sh", "-c", 'echo "$ARCH$MAKEFLAGS$CFLAGS"'], tmp_path) == "\n"


def test_what_is_frozen_is_for_micropython_and_whole() -> None:
    names = {path.relative_to(ROOT / "edgeturn").as_posix() for path in frozen.files()}
    assert {"relay/main.py", "protocol/turn.py", "command/__init__.py", "seam/micropython_native.py"} <= names
    assert not {
        name for name in names if name.startswith(("cli/", "kernel/attaching/", "kernel/firewall/", "seam/cpython"))
    }
    assert {name for name in names if name.startswith("protocol/")} == _python_files("protocol")


def _python_files(folder: str) -> set[str]:
    return {path.relative_to(ROOT / "edgeturn").as_posix() for path in (ROOT / "edgeturn" / folder).rglob("*.py")}


def _built(architecture: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "firmware.build", architecture]
    environment = {**os.environ, "EDGETURN_FIRMWARE": str(folder)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=LONGEST)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
