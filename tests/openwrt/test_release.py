"""How a release comes into the Makefiles: version and checksum of the archive, and nothing else."""

import hashlib
import shutil
import tarfile
from pathlib import Path

import pytest

from firmware.openwrt import release


def archive(folder: Path, version: str, *without: str) -> Path:
    """Make a release archive of empty files."""
    made = folder / f"edgeturn-{version}.tar.gz"
    with tarfile.open(made, "w:gz") as opened:
        for name in release.NEEDED:
            if name not in without:
                opened.addfile(tarfile.TarInfo(f"edgeturn-{version}/{name}"))
    return made


@pytest.fixture
def makefile(tmp_path: Path) -> Path:
    return Path(shutil.copy(release.MAKEFILE, tmp_path / "shared.mk"))


def test_a_release_is_written_and_verified(makefile: Path, tmp_path: Path) -> None:
    made = archive(tmp_path, "9.1.0")
    before = release.read(makefile)
    with pytest.raises(release.ReleaseError, match=r"PKG_VERSION is .* and the archive's is 9\.1\.0"):
        release.verify(made, makefile)
    release.write(made, makefile)
    release.verify(made, makefile)
    digest = hashlib.sha256(made.read_bytes()).hexdigest()
    assert release.read(makefile) == before | {"PKG_VERSION": "9.1.0", "PKG_HASH": digest, "PKG_RELEASE": "1"}
    made.write_bytes(made.read_bytes() + b"more")
    with pytest.raises(release.ReleaseError, match="PKG_HASH is"):
        release.verify(made, makefile)


def test_what_the_packages_build_from_has_to_be_in_it(makefile: Path, tmp_path: Path) -> None:
    text = makefile.read_text()
    with pytest.raises(release.ReleaseError, match="has no firmware/variant/Makefile"):
        release.write(archive(tmp_path, "9.1.0", "firmware/variant/Makefile"), makefile)
    assert makefile.read_text() == text


def test_what_is_needed_is_in_the_repository() -> None:
    root = release.MAKEFILE.parents[3]
    assert [name for name in release.NEEDED if not (root / name).is_file()] == []
