"""
The machines that are emulated, one row each.

Rule 1: A kernel is Debian's own, whichever of its security updates the archive has today: it can't be pinned by a
        checksum, for the one before it is deleted. What vouches for it is the archive's signature, which apt checks.
Rule 2: A module is named by what it is for; what it depends on is read from the module itself.
"""

from dataclasses import dataclass

SUITE = "bookworm"  # the last Debian for mipsel
_MODULES = ("virtio_net", "virtio_console", "sch_ingress", "cls_bpf", "veth")


@dataclass(frozen=True)
class Machine:
    """An emulator and its board, Debian's architecture and kernel, and our architecture of firmware."""

    name: str
    emulator: str
    package: str
    board: tuple[str, ...]
    bus: str
    console: str
    debian: str
    kernel: str
    firmware: str
    modules: tuple[str, ...]


ROUTER = Machine(
    name="router",
    emulator="qemu-system-mipsel",
    package="qemu-system-mips",
    board=("-M", "malta", "-cpu", "24Kc", "-m", "64"),
    bus="pci",
    console="ttyS0",
    debian="mipsel",
    kernel="4kc-malta",
    firmware="mipsel",
    modules=("virtio_pci", *_MODULES),
)
BIG_ENDIAN = Machine(
    name="big-endian",
    emulator="qemu-system-s390x",
    package="qemu-system-misc",
    board=("-M", "s390-ccw-virtio", "-m", "256"),
    bus="ccw",
    console="ttysclp0",
    debian="s390x",
    kernel="s390x",
    firmware="s390x",
    modules=_MODULES,
)
