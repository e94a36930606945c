"""One binary: the interpreter for an architecture and flavour, with edgeturn frozen in."""

import sys
from pathlib import Path

from . import frozen, musl
from .architectures import Architecture
from .sources import MBEDTLS, MICROPYTHON, unpacked
from .steps import FOLDER, ROOT, contents, digest, locked, made, run, say

_PORT = ROOT / "firmware" / "variant"
_NATIVE = ROOT / "firmware" / "native"
# What the program says of itself must not come from the repository and the day in which it happens to be built.
_VERSION = {
    "MICROPY_GIT_TAG": f"v{MICROPYTHON.name.rpartition(' ')[2]}",
    "MICROPY_GIT_HASH": MICROPYTHON.sha256[:12],
    "SOURCE_DATE_EPOCH": "0",
}


def cross_compiler() -> Path:
    """Return mpy-cross, which makes bytecode and runs on this machine."""
    source = unpacked(MICROPYTHON)

    def build(folder: Path) -> None:
        say("building mpy-cross")
        run(["make", "-j2", "-C", source / "mpy-cross", f"BUILD={folder}"], folder)

    return made(FOLDER / "mpy-cross", MICROPYTHON.sha256, build) / "mpy-cross"


def binary(architecture: Architecture, flavour: str) -> Path:
    """Return the path of the binary, after building what is missing."""
    root = musl.sysroot(architecture)
    folder = FOLDER / f"{architecture.name}-{flavour}"
    program = folder / "edgeturn"
    engine = _engine(architecture, flavour, (root / ".made-from").read_text())
    key = _key(engine)
    stamp = folder / ".made-from"
    with locked(folder):
        if not (program.is_file() and stamp.is_file() and stamp.read_text() == key):
            say(f"building edgeturn for {architecture.name}, {flavour}")
            folder.mkdir(exist_ok=True)
            _build(architecture, flavour, root, folder, engine)
            stamp.write_text(key)
    return program


def _key(engine: str) -> str:
    parts: list[str | bytes] = [engine]
    parts.append((ROOT / "firmware" / "build" / "frozen.py").read_bytes())
    for path in frozen.files():
        parts += [path.relative_to(ROOT).as_posix(), path.read_bytes()]
    return digest([*parts, *contents(ROOT / "edgeturn" / "kernel" / "program")])


def _engine(architecture: Architecture, flavour: str, library: str) -> str:
    """Return a digest of all that the interpreter is made of, in whose folder Python's part may change."""
    parts = [library, flavour, repr(architecture), *musl.FLAGS, repr(_VERSION), MICROPYTHON.sha256, MBEDTLS.sha256]
    return digest([*parts, *contents(_PORT), *contents(_NATIVE)])


def _build(architecture: Architecture, flavour: str, root: Path, folder: Path, engine: str) -> None:
    frozen.lay_out(folder / "frozen", architecture.byteorder, flavour == "tls")
    work = made(folder / "work", engine, lambda _: None)
    variables = _variables(architecture, flavour, root, work, folder / "frozen")
    run(["make", "-j2", "-C", _PORT, *variables], folder, _VERSION)
    draft = folder / "edgeturn.draft"
    strip = [f"{architecture.triplet}-strip", "--strip-all", "--remove-section=.comment"]
    run([*strip, "-o", draft, work / "edgeturn"], folder)
    draft.rename(folder / "edgeturn")


def _variables(architecture: Architecture, flavour: str, root: Path, work: Path, tree: Path) -> list[str]:
    micropython, mbedtls = unpacked(MICROPYTHON), unpacked(MBEDTLS)
    remap = [
        f"-ffile-prefix-map={path}={name}"
        for path, name in ((micropython, "micropython"), (mbedtls, "mbedtls"), (work, "work"), (ROOT, "edgeturn"))
    ]
    row = {
        "MICROPYTHON": micropython,
        "MBEDTLS": mbedtls,
        "BUILD": work,
        "PYTHON": sys.executable,
        "FROZEN_MANIFEST": _PORT / "manifest.py",
        "MICROPY_MANIFEST_MICROPY_FROZEN": tree,
        "MICROPY_MPYCROSS": cross_compiler(),
        "CROSS_COMPILE": f"{architecture.triplet}-",
        "ARCHITECTURE_FLAGS": " ".join([*musl.compile_flags(root, architecture), *remap]),
        "LINK_FLAGS": " ".join(musl.link_flags(root, architecture)),
        "TLS": int(flavour == "tls"),
    }
    if any(_NATIVE.glob("*/micropython.mk")):
        row["USER_C_MODULES"] = _NATIVE
    return [f"{name}={value}" for name, value in row.items()]
