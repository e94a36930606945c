"""The file system of pins: bpffs, mounted where there's none, and whose the pins are; for both interpreters.

Rule 1: a mount of ours is known by its source, and goes when nothing is pinned there any more; the folder below it
        goes too if we made it, which the source tells.
Rule 2: the maps that a relay writes belong to the user that it becomes, and nothing else does: who owned the folder, or
        `hooks`, could have root change what isn't ours.
"""

import os

from edgeturn import seam
from edgeturn.kernel import maps, mounts
from edgeturn.kernel.hooks import Unattachable

_SOURCE, _SOURCE_IN_FOUND = "edgeturn", "edgeturn-in-found-folder"
_USUAL = "/sys/fs/bpf"
_OPTIONS = "mode=0755"  # a relay under a user of its own has to reach its folder
_OF_THE_KERNEL = ("maps.debug", "progs.debug")
_EBUSY = 16


def mount(folder: str) -> None:
    """See to it that a folder is in a bpffs; Unattachable where a mount would hide files, OSError where none can be."""
    if is_there(folder):
        return
    folder = mounts.absolute(folder)
    place = _USUAL if folder.startswith(_USUAL + "/") and mounts.is_folder(_USUAL) else folder
    source = _SOURCE_IN_FOUND if mounts.is_folder(place) else _SOURCE
    mounts.make(place, 0o755)
    if os.listdir(place):
        raise Unattachable(
            f"kernel_pins names {place}, which has files in it and is no BPF file system: name a folder that is empty "
            "or isn't there yet"
        )
    try:
        seam.call("mount", source, place, maps.FILE_SYSTEM, 0, _OPTIONS)
    except OSError:
        if source == _SOURCE:
            os.rmdir(place)
        raise


def is_there(folder: str) -> bool:
    """Say whether a folder is in a bpffs, or will be once it's made: nothing else is ours to remove."""
    return mounts.mount_of(folder).kind == maps.FILE_SYSTEM


def check(folder: str) -> None:
    """Raise Unattachable where another than us could put something else in the place of a relay's folder (rule 2)."""
    for each in (mounts.parent(folder), folder):
        if mounts.is_folder(each) and not _is_ours(each, folder):
            raise Unattachable(
                f"kernel_pins: {each} belongs to another user, or leads elsewhere: remove it, or name a folder that "
                "only root can change"
            )


def _is_ours(folder: str, pins: str) -> bool:
    """Say whether a folder is ours, and the one of the pins no link, which nobody who attaches makes."""
    if os.stat(folder)[4] != seam.user_id():
        return False
    try:
        return folder != pins or seam.call("readlink", folder, bytearray(1), 1) < 0
    except OSError:
        return True


def own(folder: str, user: int, group: int) -> None:
    """Let a relay's user reach its folder, and give it the maps that the relay writes."""
    seam.call("chown", folder, 0, group)
    seam.call("chmod", folder, 0o750)
    for name in maps.RELAYS:
        seam.call("lchown", f"{folder}/{name}", user, group)


def remove(folder: str) -> None:
    """Remove a relay's pins and their folder, where nobody else has put something into it."""
    if mounts.is_folder(folder):
        check(folder)
        maps.remove_pins(folder)
        _remove(folder)


def clear(folder: str) -> None:
    """Remove a folder of relays' folders where it's empty, and the mount where it's ours and empty."""
    mounted = mounts.mount_of(folder)
    if mounted.kind != maps.FILE_SYSTEM or not mounts.is_folder(folder):
        return
    if not mounts.same(folder, mounted.place):
        _remove(folder)
    if mounted.source in (_SOURCE, _SOURCE_IN_FOUND) and _is_empty(mounted.place):
        unmounted = _unmount(mounted.place)
        if unmounted and mounted.source == _SOURCE:
            _remove(mounted.place)


def _unmount(place: str) -> bool:
    """Unmount and return whether that went well: somebody may be in there."""
    try:
        seam.call("umount2", place, 0)
    except OSError:
        return False
    return True


def _remove(folder: str) -> None:
    """Remove a folder unless others have put something there, or have mounted something on it."""
    if _is_empty(folder):
        try:
            os.rmdir(folder)
        except OSError as error:
            if error.args[0] != _EBUSY:
                raise


def _is_empty(folder: str) -> bool:
    """Say whether nothing is pinned in a folder; the kernel may have files of its own there."""
    return all(name in _OF_THE_KERNEL for name in os.listdir(folder))
