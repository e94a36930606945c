"""
An initial memory file system: a cpio archive of the form "newc", as the kernel's
Documentation/driver-api/early-userspace/buffer-format.rst draws it.

Rule 1: Everything in it is root's, with the modes that are given: who builds it needs no rights.
Rule 2: Folders come before what lies in them, and are made as they are needed.
"""

import gzip
import stat
from pathlib import Path, PurePosixPath

_TRAILER = "TRAILER!!!"


class Archive:
    """An archive that files, folders, links and devices are added to."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._folders = {PurePosixPath(".")}
        self._inode = 0

    def folder(self, name: str, mode: int = 0o755) -> None:
        """Add a folder and those above it."""
        path = PurePosixPath(name)
        if path in self._folders:
            return
        self.folder(str(path.parent))
        self._folders.add(path)
        self._entry(str(path), stat.S_IFDIR | mode)

    def file(self, name: str, data: bytes, mode: int = 0o644) -> None:
        """Add a file; of two with the same name the later one counts."""
        self.folder(str(PurePosixPath(name).parent))
        self._entry(name, stat.S_IFREG | mode, data)

    def link(self, name: str, target: str) -> None:
        """Add a symbolic link."""
        self.folder(str(PurePosixPath(name).parent))
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def character_device(self, name: str, major: int, minor: int) -> None:
        """Add a character device."""
        self.folder(str(PurePosixPath(name).parent))
        self._entry(name, stat.S_IFCHR | 0o600, device=(major, minor))

    def tree(self, folder: Path) -> None:
        """Add everything that lies in a folder, with the modes it has there."""
        for path in sorted(folder.rglob("*")):
            name = str(path.relative_to(folder))
            if path.is_symlink():
                self.link(name, str(path.readlink()))
            elif path.is_file():
                self.file(name, path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
            else:
                self.folder(name)

    def compressed(self) -> bytes:
        """Return the whole archive, gzipped."""
        whole = bytearray(self._data)
        whole += _record(_TRAILER, 0, 0, b"", (0, 0))
        return gzip.compress(bytes(whole), 6, mtime=0)

    def _entry(self, name: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)) -> None:
        self._inode += 1
        self._data += _record(name, self._inode, mode, data, device)


def _record(name: str, inode: int, mode: int, data: bytes, device: tuple[int, int]) -> bytes:
    path = name.encode() + b"\0"
    # inode, mode, user, group, links, time, size, device of the file, device that it is, size of the name, checksum
    fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(path), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(header + path) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
