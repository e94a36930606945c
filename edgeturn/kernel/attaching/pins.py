"""The file system of pins: bpffs, mounted where there's none, and whose the pins are.

Rule 1: a mount of ours is known by its source, and goes when nothing is pinned there any more; the folder below it
        goes too if we made it, which the source tells.
Rule 2: the maps that a relay writes belong to the user that it becomes, and nothing else does: who owned the folder, or
        `hooks`, could have root change what isn't ours.
"""

import ctypes
import errno
import os
import re
from pathlib import Path
from typing import NamedTuple

from edgeturn.kernel import maps
from edgeturn.kernel.attaching.hooks import Unattachable

_KIND = "bpf"
_SOURCE, _SOURCE_IN_FOUND = "edgeturn", "edgeturn-in-found-folder"
_USUAL = Path("/sys/fs/bpf")
_OPTIONS = b"mode=0755"  # a relay under a user of its own has to reach its folder
_OF_THE_KERNEL = ("maps.debug", "progs.debug")
_MOUNTS = Path("/proc/self/mounts")


class _Mount(NamedTuple):
    source: str
    place: Path
    kind: str


def mount(folder: Path) -> None:
    """See to it that a folder is in a bpffs; Unattachable where a mount would hide files, OSError where none can be."""
    if is_there(folder):
        return
    place = _USUAL if _USUAL in folder.parents and _USUAL.is_dir() else folder
    source = _SOURCE_IN_FOUND if place.is_dir() else _SOURCE
    place.mkdir(mode=0o755, parents=True, exist_ok=True)
    if any(place.iterdir()):
        raise Unattachable(
            f"kernel_pins names {place}, which has files in it and is no BPF file system: name a folder that is empty "
            "or isn't there yet"
        )
    if _libc().mount(source.encode(), os.fsencode(place), _KIND.encode(), 0, _OPTIONS):
        number = ctypes.get_errno()
        if source == _SOURCE:
            place.rmdir()
        raise OSError(number, os.strerror(number), str(place))


def is_there(folder: Path) -> bool:
    """Say whether a folder is in a bpffs, or will be once it's made: nothing else is ours to remove."""
    return _mount_of(folder).kind == _KIND


def own(folder: Path, user: int, group: int) -> None:
    """Let a relay's user reach its folder, and give it the maps that the relay writes."""
    os.chown(folder, 0, group)
    folder.chmod(0o750)
    for name in maps.RELAYS:
        os.chown(folder / name, user, group, follow_symlinks=False)


def clear(folder: Path) -> None:
    """Remove a folder of relays' folders where it's empty, and the mount where it's ours and empty."""
    mounted = _mount_of(folder)
    if mounted.kind != _KIND or not folder.is_dir():
        return
    if folder.resolve() != mounted.place and _is_empty(folder):
        _remove(folder)
    if mounted.source in (_SOURCE, _SOURCE_IN_FOUND) and _is_empty(mounted.place):
        unmounted = _libc().umount2(os.fsencode(mounted.place), 0) == 0
        if unmounted and mounted.source == _SOURCE:
            _remove(mounted.place)


def _remove(folder: Path) -> None:
    """Remove a folder unless others have put something there."""
    try:
        folder.rmdir()
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EBUSY):
            raise


def _is_empty(folder: Path) -> bool:
    """Say whether nothing is pinned in a folder; the kernel may have files of its own there."""
    return all(each.name in _OF_THE_KERNEL for each in folder.iterdir())


def _mount_of(folder: Path) -> _Mount:
    """Return the mount that a folder is in, or will be once it's made."""
    folder = folder.resolve()
    rows = [line.split() for line in _MOUNTS.read_text().splitlines()]
    mounts = [_Mount(row[0], Path(_unescaped(row[1])), row[2]) for row in rows]
    around = [each for each in mounts if each.place == folder or each.place in folder.parents]
    deepest = max(len(each.place.parts) for each in around)
    return [each for each in around if len(each.place.parts) == deepest][-1]  # the last lies over the others


def _unescaped(text: str) -> str:
    return re.sub(r"\\(\d{3})", lambda found: chr(int(found[1], 8)), text)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
