"""An empty Debian container: debootstrap's smallest, copied for each run, entered by systemd-nspawn.

Rule 1: the base is made once and kept in the build folder; a run writes into a copy, which is removed behind it.
Rule 2: as an image that was just fetched, it has neither package lists nor packages that nobody has installed yet.
Rule 3: no host is written here: the mirror is the one from which this machine installs Debian.
Rule 4: what this machine trusts, pip in the container trusts too: some networks have an authority of their own.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.micropython.apt import Apt
from tools.prepare.steps import BUILD

SUITE = "bookworm"
FOLDER = BUILD / "first-call"
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_TRUSTED = "/etc/first-call.crt"
_PATH = "/root/.local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PATIENCE = 600.0


class Failed(Exception):
    """A command that failed, with what it said."""


class Container:
    """A copy of the base, and commands that run in it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def command(self, script: str, network: str = "") -> list[str]:
        """Return the command that runs a script in the container, in this machine's network or a namespace's."""
        nspawn = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--pipe", "--as-pid2"]
        nspawn += [f"--machine=first-call-{os.getpid()}", f"--directory={self.root}"]
        nspawn += [f"--network-namespace-path=/run/netns/{network}"] if network else []
        settings = {"PATH": _PATH, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", "PIP_CERT": _TRUSTED}
        nspawn += [f"--setenv={name}={value}" for name, value in settings.items()]
        inside = [*nspawn, "--", "sh", "-c", f"cd /root; {script}"]
        return ["unshare", "--mount", "--propagation", "private", *inside]

    def run(self, script: str) -> str:
        """Run a script to its end; return what it printed."""
        done = subprocess.run(self.command(script), capture_output=True, text=True, timeout=PATIENCE)
        if done.returncode:
            raise Failed(f"`{script}` failed:\n{done.stdout}{done.stderr}")
        return done.stdout


@contextmanager
def container(brings: list[Path]) -> Iterator[Container]:
    """Give an empty container with some files in /root."""
    base = _base()
    root = FOLDER / f"run-{os.getpid()}"
    try:
        subprocess.run(["cp", "-a", "--reflink=auto", str(base), str(root)], check=True, timeout=PATIENCE)
        for path in brings:
            shutil.copy(path, root / "root")
        if Path(_CERTIFICATES).exists():
            shutil.copy(_CERTIFICATES, root / _TRUSTED.lstrip("/"))
        yield Container(root)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _base() -> Path:
    base = FOLDER / SUITE
    if (base / "etc" / "debian_version").exists():
        return base
    made = FOLDER / f"{SUITE}-{os.getpid()}"
    made.parent.mkdir(parents=True, exist_ok=True)
    try:
        mirror = Apt(FOLDER / "apt", SUITE).mirror()
        words = ["debootstrap", "--variant=minbase", SUITE, str(made), mirror]
        done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE)
        if done.returncode:
            raise Failed(f"debootstrap failed:\n{done.stdout[-2000:]}{done.stderr}")
        sources = f"deb {mirror} {SUITE} main\ndeb {mirror} {SUITE}-updates main\n"
        (made / "etc/apt/sources.list").write_text(sources)
        for folder in ("var/cache/apt/archives", "var/lib/apt/lists"):
            shutil.rmtree(made / folder)
            (made / folder / "partial").mkdir(parents=True)
        made.rename(base)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return base
