"""
The sources: Debian's source packages, from the mirror from which this machine installs Debian.

Rule 1: Each file is named with its SHA-256 in one table, and verified whenever it is read, cached or new.
Rule 2: apt's own downloader fetches, so that the machine's proxies and credentials count.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from tools.micropython.apt import Apt, AptError

from .steps import FOLDER, BuildError, locked, made, run, say

_DOWNLOADER = "/usr/lib/apt/apt-helper"


@dataclass(frozen=True)
class Source:
    """One upstream release as Debian keeps it."""

    name: str
    path: str  # under Debian's pool
    sha256: str

    @property
    def file(self) -> Path:
        """Where it is cached."""
        return FOLDER / "sources" / self.path.rpartition("/")[2]


MICROPYTHON = Source(
    "MicroPython 1.26.1",
    "main/m/micropython/micropython_1.26.1+ds.orig.tar.xz",
    "f5ad2ec89d3e921f753d448955af98b6005655f84ba26087dde6ba0e8d062f34",
)
MBEDTLS = Source(
    "mbedtls 3.6.6",
    "main/m/mbedtls/mbedtls_3.6.6.orig.tar.bz2",
    "8fb65fae8dcae5840f793c0a334860a411f884cc537ea290ce1c52bb64ca007a",
)
MUSL = Source(
    "musl 1.2.5",
    "main/m/musl/musl_1.2.5.orig.tar.gz",
    "a9a118bbe84d8764da0ea0d28b3ab3fae8477fc7e4085d90102b8596fc7c75e4",
)


def unpacked(source: Source) -> Path:
    """Return the folder with a source's content, after fetching what is missing."""
    file = source.file
    with locked(file):
        if not file.is_file():
            _fetch(source)
        _verify(source)
    return made(FOLDER / "source" / file.name.partition("_")[0], source.sha256, lambda folder: _unpack(file, folder))


def _unpack(file: Path, folder: Path) -> None:
    run(["tar", "-xf", file, "--strip-components=1", "--no-same-owner"], folder)


def _fetch(source: Source) -> None:
    say(f"fetching {source.name}")
    source.file.parent.mkdir(parents=True, exist_ok=True)
    draft = source.file.with_suffix(".draft")
    try:
        mirror = Apt(FOLDER / "apt").mirror().rstrip("/")
        run([_DOWNLOADER, "download-file", f"{mirror}/pool/{source.path}", draft], FOLDER)
    except (AptError, BuildError) as error:
        raise BuildError(
            f"{source.name} can't be had: {error}\n"
            f"Where the mirror has it no longer, put a file with the SHA-256 {source.sha256} at {source.file}"
        ) from None
    draft.rename(source.file)


def _verify(source: Source) -> None:
    found = hashlib.sha256(source.file.read_bytes()).hexdigest()
    if found != source.sha256:
        raise BuildError(
            f"{source.file} isn't {source.name}: its SHA-256 is {found}, not {source.sha256}; remove it and try again"
        )
