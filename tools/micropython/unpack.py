"""
Debian packages made runnable where they are not installed: unpacked, and started through their own dynamic loader.

The machine's C library is older than the package's, so neither its loader nor its libraries may be used.
"""

from collections.abc import Iterable
from pathlib import Path

from .apt import AptError, run

# The wrapper names nothing outside its own tree, so the tree can be moved; $0 has a slash however it was found on PATH.
_WRAPPER = """\
#!/bin/sh
root=${{0%/*}}/../root
exec "$root/{loader}" --argv0 "$0" --library-path "$root/{libraries}" "$root/{program}" "$@"
"""


def unpack(packages: Iterable[Path], root: Path) -> None:
    """Unpack packages over each other into one folder."""
    root.mkdir(parents=True, exist_ok=True)
    for package in packages:
        run(["dpkg", "-x", str(package), str(root)], root)


def write_wrapper(wrapper: Path, root: Path, program: str) -> None:
    """Write the script that runs a program of the unpacked tree; it appears complete or not at all."""
    loader = _loader(root)
    text = _WRAPPER.format(loader=loader, libraries=loader.parent, program=program)
    wrapper.parent.mkdir(parents=True, exist_ok=True)
    draft = wrapper.with_suffix(".draft")
    draft.write_text(text)
    draft.chmod(0o755)
    draft.rename(wrapper)


def _loader(root: Path) -> Path:
    """Return the dynamic loader relative to the tree; the C library's package has it beside the libraries."""
    found = sorted(root.glob("usr/lib/*/ld-linux*.so.*"))
    if not found:
        raise AptError(f"no dynamic loader in {root}: the package libc6 did not bring one")
    return found[0].relative_to(root)
