"""The static package built from source by its Makefile, with a toolchain given as OpenWrt's build gives its own.

Rule 1: compiling takes minutes, so it's no part of `make test`: `pytest tests/openwrt/source_build.py`.
"""

import subprocess
from pathlib import Path

import pytest

from edgeturn import __version__
from firmware.build import musl, sources
from firmware.build.architectures import BY_NAME
from firmware.openwrt import staging


@pytest.mark.timeout(900)
def test_the_makefile_builds_the_firmware(tmp_path: Path) -> None:
    row = BY_NAME["x86_64"]
    root = musl.sysroot(row)
    sources.unpacked(sources.MICROPYTHON)
    sources.unpacked(sources.MBEDTLS)
    flags = " ".join(str(word) for word in musl.compile_flags(root, row))
    staging.stage(
        "edgeturn-static",
        tmp_path / "root",
        tmp_path / "work",
        DL_DIR=str(sources.MBEDTLS.file.parent),
        TARGET_CROSS=f"{row.triplet}-",
        TARGET_CFLAGS=flags,
        TARGET_LDFLAGS=" ".join(str(word) for word in musl.link_flags(root, row)),
    )
    done = subprocess.run([tmp_path / "root/usr/bin/edgeturn", "--version"], capture_output=True, text=True)
    assert done.stdout == f"{__version__}\n", done.stderr
