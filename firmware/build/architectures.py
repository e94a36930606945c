"""The architectures: one row each, of what Debian calls its compiler, how code is made for it and what emulates it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Architecture:
    """One kind of router, or of machine that tests."""

    name: str
    triplet: str  # of Debian's compiler, which is in the package gcc-TRIPLET
    byteorder: str
    flags: tuple[str, ...]  # of everything
    musl_flags: tuple[str, ...]
    own_flags: tuple[str, ...]  # of everything but musl
    emulator: tuple[str, ...]  # of qemu-user; empty: the machine that builds runs it

    @property
    def compiler(self) -> str:
        """The compiler's command."""
        return f"{self.triplet}-gcc"


# Soft float, because a 24Kc has no FPU. Calls go straight to their function, not through a table as shared libraries
# need it, which is a fifth of the code. What of musl's assembly needs that table (sigsetjmp) nobody here calls.
_SOFT = ("-march=24kc", "-msoft-float")
_DIRECT = ("-mno-abicalls", "-fno-pic")
_LITTLE_24K = ("qemu-mipsel-static", "-cpu", "24KEc")
_ARM = ("-march=armv7-a+fp", "-mthumb")
ROWS = (
    Architecture("mips", "mips-linux-gnu", "big", _SOFT, _DIRECT, _DIRECT, ("qemu-mips-static", "-cpu", "24Kc")),
    Architecture("mipsel", "mipsel-linux-gnu", "little", _SOFT, _DIRECT, _DIRECT, _LITTLE_24K),
    Architecture("armhf", "arm-linux-gnueabihf", "little", _ARM, (), (), ("qemu-arm-static",)),
    Architecture("aarch64", "aarch64-linux-gnu", "little", (), (), (), ("qemu-aarch64-static",)),
    Architecture("x86_64", "x86_64-linux-gnu", "little", (), (), (), ()),
    Architecture("s390x", "s390x-linux-gnu", "big", (), (), (), ("qemu-s390x-static",)),
)
BY_NAME = {row.name: row for row in ROWS}
FLAVOURS = ("tls", "plain")
