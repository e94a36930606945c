"""
musl for one architecture, static, and the words that make Debian's compiler use it and nothing of glibc.

The kernel's headers are those of Debian's compiler for that architecture; they are C macros and structs only.
"""

from pathlib import Path

from .architectures import Architecture
from .sources import MUSL, unpacked
from .steps import FOLDER, BuildError, digest, made, run, say

FLAGS = ("-Os", "-ffunction-sections", "-fdata-sections", "-fno-pie")
_START = "lib/crt1.o lib/crti.o lib/crtn.o"  # those of shared programs want other flags
_KERNEL_HEADERS = ("linux", "asm", "asm-generic")


def sysroot(architecture: Architecture) -> Path:
    """Return the folder with musl's headers and libraries for an architecture."""
    source = unpacked(MUSL)
    version = run([architecture.compiler, "-dumpfullversion"], FOLDER)
    key = digest([MUSL.sha256, version, *architecture.flags, *architecture.musl_flags, *FLAGS])
    return made(FOLDER / "musl" / architecture.name, key, lambda folder: _build(architecture, source, folder))


def compile_flags(root: Path, architecture: Architecture) -> list[str]:
    """Return the words for compiling against musl."""
    own = run([architecture.compiler, "-print-file-name=include"], root).strip()
    return [
        *architecture.flags,
        *architecture.own_flags,
        *FLAGS,
        "-nostdinc",
        "-isystem",
        f"{root}/include",
        "-isystem",
        own,
    ]


def link_flags(root: Path, architecture: Architecture) -> list[str]:
    """Return the words for linking statically with musl."""
    library = run([architecture.compiler, *architecture.flags, "-print-libgcc-file-name"], root).strip()
    start = [f"{root}/{name}" for name in _START.split()]
    return [
        "-static",
        "-no-pie",
        "-nostdlib",
        *start,
        f"-L{root}/lib",
        "-Wl,--start-group",
        "-lc",
        library,
        "-Wl,--end-group",
    ]


def _build(architecture: Architecture, source: Path, folder: Path) -> None:
    say(f"building musl for {architecture.name}")
    work = folder / "work"
    work.mkdir()
    remap = f"-ffile-prefix-map={source}=musl"
    flags = " ".join([*architecture.flags, *architecture.musl_flags, *FLAGS, remap])
    configure: list[str | Path] = [source / "configure", f"--prefix={folder}", "--disable-shared", "--disable-wrapper"]
    target = [f"--target={architecture.triplet}", f"CC={architecture.compiler} {' '.join(architecture.flags)}"]
    run([*configure, *target, f"CFLAGS={flags}"], work)
    run(["make", "-j2", f"CRT_LIBS={_START}", "install"], work)
    run(["rm", "-r", str(work)], folder)
    _link_kernel_headers(architecture, folder / "include")


def _link_kernel_headers(architecture: Architecture, include: Path) -> None:
    places = [
        Path(f"/usr/{architecture.triplet}/include"),
        Path("/usr/include"),
        Path(f"/usr/include/{architecture.triplet}"),
    ]
    for name in _KERNEL_HEADERS:
        found = [place / name for place in places if (place / name).is_dir()]
        if not found:
            raise BuildError(f"no {name}/ among the kernel's headers for {architecture.name}: install linux-libc-dev")
        (include / name).symlink_to(found[0])
