"""The file system of pins: bpffs, mounted where there's none, and whose the pins are.

Rule 1: a mount of ours is known by its source, which is our name, and goes when nothing is pinned there any more.
Rule 2: a relay's folder and pins belong to the user that the relay becomes.
"""

import ctypes
import os
import re
from pathlib import Path
from typing import NamedTuple

_KIND = "bpf"
_SOURCE = "edgeturn"
_USUAL = Path("/sys/fs/bpf")
_OPTIONS = b"mode=0755"  # a relay under a user of its own has to reach its folder
_OF_THE_KERNEL = ("maps.debug", "progs.debug")
_MOUNTS = Path("/proc/self/mounts")


class _Mount(NamedTuple):
    source: str
    place: Path
    kind: str


def mount(folder: Path) -> None:
    """See to it that a folder is in a bpffs; OSError where that can't be."""
    if _mount_of(folder).kind == _KIND:
        return
    place = _USUAL if _USUAL in folder.parents and _USUAL.is_dir() else folder
    place.mkdir(mode=0o755, parents=True, exist_ok=True)
    if _libc().mount(_SOURCE.encode(), os.fsencode(place), _KIND.encode(), 0, _OPTIONS):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(place))


def own(folder: Path, user: int, group: int) -> None:
    """Give a relay's folder and pins to its user."""
    for each in [folder, *folder.iterdir()]:
        os.chown(each, user, group)


def clear(folder: Path) -> None:
    """Remove a folder of relays' folders where it's empty, and the mount where it's ours and empty."""
    mounted = _mount_of(folder)
    if mounted.kind != _KIND or not folder.is_dir():
        return
    if folder != mounted.place and _is_empty(folder):
        folder.rmdir()
    if mounted.source == _SOURCE and _is_empty(mounted.place):
        _libc().umount2(os.fsencode(mounted.place), 0)
        if mounted.place != _USUAL:
            mounted.place.rmdir()


def _is_empty(folder: Path) -> bool:
    """Say whether nothing is pinned in a folder; the kernel may have files of its own there."""
    return all(each.name in _OF_THE_KERNEL for each in folder.iterdir())


def _mount_of(folder: Path) -> _Mount:
    """Return the mount that a folder is in, or will be once it's made."""
    rows = [line.split() for line in _MOUNTS.read_text().splitlines()]
    mounts = [_Mount(row[0], Path(_unescaped(row[1])), row[2]) for row in rows]
    around = [each for each in mounts if each.place == folder or each.place in folder.parents]
    deepest = max(len(each.place.parts) for each in around)
    return [each for each in around if len(each.place.parts) == deepest][-1]  # the last lies over the others


def _unescaped(text: str) -> str:
    return re.sub(r"\\(\d{3})", lambda found: chr(int(found[1], 8)), text)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
