"""Folders and the file systems that they are in, for both interpreters.

Rule 1: a folder's file system is told by its device, so that it doesn't matter by which links the folder is reached.

Source: Documentation/filesystems/proc.rst, mountinfo; glibc's and musl's makedev(3), which are alike.
"""

import os

from edgeturn import seam

_MOUNTS = "/proc/self/mountinfo"
_KIND_OF_FILE, _FOLDER = 0xF000, 0x4000


class Mount:
    """A mounted file system: what it was mounted from, where, and its kind; all "" where it can't be told."""

    def __init__(self, source: str = "", place: str = "", kind: str = "") -> None:
        """Take the fields."""
        self.source = source
        self.place = place
        self.kind = kind


def absolute(folder: str) -> str:
    """Return a path from the root, without what goes nowhere."""
    parts: list[str] = []
    for part in (folder if folder.startswith("/") else f"{os.getcwd()}/{folder}").split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def parent(folder: str) -> str:
    """Return what a folder is in."""
    return folder.rsplit("/", 1)[0] or "/"


def is_folder(path: str) -> bool:
    """Say whether a folder is there."""
    try:
        return os.stat(path)[0] & _KIND_OF_FILE == _FOLDER
    except OSError:
        return False


def make(folder: str, mode: int) -> None:
    """Make a folder, and what it is in (0755: a relay's user has to pass), where they aren't there."""
    if is_folder(folder):
        return
    make(parent(folder), 0o755)
    seam.call("mkdir", folder, mode)


def mount_of(folder: str) -> Mount:
    """Return the mount that a folder is in, or will be once it's made."""
    folder = absolute(folder)
    there = folder
    while not is_folder(there):
        there = parent(there)
    found = Mount()
    for mount in _mounted(os.stat(there)[2]):
        if not _around(found.place, folder) or _around(mount.place, folder):
            found = mount  # the last lies over the others
    return found


def same(folder: str, other: str) -> bool:
    """Say whether both are the same folder."""
    return os.stat(folder)[1:3] == os.stat(other)[1:3]


def _mounted(device: int) -> "list[Mount]":
    """Return the mounts of a device."""
    number = f"{device >> 8 & 0xFFF}:{device & 0xFF | device >> 12 & 0xFFF00}"
    found = []
    with open(_MOUNTS) as stream:
        for line in stream:
            mount, _, rest = line.partition(" - ")
            row, kind = mount.split(" "), rest.split(" ")
            if row[2] == number:
                found.append(Mount(_unescaped(kind[1]), _unescaped(row[4]), kind[0]))
    return found


def _around(place: str, folder: str) -> bool:
    """Say whether a folder is at a place, or below it."""
    return place != "" and (folder + "/").startswith(place.rstrip("/") + "/")


def _unescaped(text: str) -> str:
    """Return a field with the letters that stand there by their octal numbers."""
    first, *others = text.split("\\")
    return first + "".join([chr(int(each[:3], 8)) + each[3:] for each in others])
