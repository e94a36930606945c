"""The layers of edgeturn/: who imports what, seen in the source, so that whatever is imported late counts as well.

    cli ─► web ─► tokens ─► probing ─► diagnose ─► capture, terminal, … ─► command ─► relay, kernel ─► protocol

Rule 1: a package imports itself and those on lower floors; on its own floor or above it only what its row names.
Rule 2: a library is imported by the packages that have it in their row, and by no other: the daemon has none of them.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

PRODUCT = Path(__file__).resolve().parents[2] / "edgeturn"

# A package: its floor, what it may import besides, libraries.
PACKAGES: dict[str, tuple[int, set[str], set[str]]] = {
    "cli": (9, set(), {"click", "cryptography", "pyroute2"}),
    "web": (8, set(), {"aiohttp", "segno"}),
    "tokens": (7, set(), {"aiohttp"}),
    "probing": (6, set(), {"OpenSSL", "dns"}),
    "diagnose": (5, set(), set()),
    "capture": (4, set(), set()),
    "terminal": (4, set(), set()),
    "snippets": (4, set(), set()),
    "serving": (4, set(), {"aiohttp"}),
    "command": (3, set(), set()),
    "relay": (2, {"kernel"}, set()),  # the daemon fills the flow map
    "kernel": (2, {"relay"}, {"pyroute2"}),  # what attaches reads the configuration
    "protocol": (1, set(), set()),
    "seam": (0, {"protocol"}, {"OpenSSL", "cryptography", "_edgeturn", "_sha2", "ffi", "tls", "uctypes"}),
}


def imported(text: str) -> Iterator[str]:
    """Yield the full names of what a file imports, wherever it does."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{each.name}" for each in node.names)


def is_allowed(package: str, name: str) -> bool:
    """Say whether a package may import what has a full name."""
    floor, besides, libraries = PACKAGES[package]
    top, _, rest = name.partition(".")
    if top != "edgeturn":
        return top in sys.stdlib_module_names or top in libraries
    part = rest.partition(".")[0]
    return part in ("__version__", package, *besides) or (part in PACKAGES and PACKAGES[part][0] < floor)


def strays(package: str, text: str) -> list[str]:
    """Return what a file imports that its package may not."""
    return [name for name in imported(text) if not is_allowed(package, name)]


def test_each_package_has_a_row() -> None:
    assert {folder.parent.name for folder in PRODUCT.glob("*/__init__.py")} == set(PACKAGES)


def test_packages_import_what_is_below_them() -> None:
    for package in PACKAGES:
        for file in (PRODUCT / package).rglob("*.py"):
            assert not strays(package, file.read_text()), str(file.relative_to(PRODUCT))


def test_strays_are_found() -> None:
    rows = (
        ("relay", "import click"),
        ("relay", "def late():\n    from edgeturn.capture import live"),
        ("relay", "from edgeturn import command"),
        ("diagnose", "from edgeturn.cli.output import wrapped"),
        ("capture", "from edgeturn.terminal.wrapping import wrapped"),
        ("tokens", "from edgeturn.web import guard"),
        ("command", "import aiohttp"),
    )
    for package, text in rows:
        assert strays(package, text), (package, text)
    assert not strays("web", "import os\nfrom aiohttp import web\nfrom edgeturn.tokens import routes")
    assert not strays("relay", "from edgeturn import __version__\nfrom edgeturn.kernel import maps")
