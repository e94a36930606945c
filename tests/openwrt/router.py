"""
A router to run the packages' scripts in: a root directory with busybox, the stand-ins and one package's staged files.

    /bin            busybox, whose applets are the only commands there are
    /etc /lib /sbin the stand-ins of rc.common, functions.sh, procd and uci (tests/openwrt/standin)
    /opt            the interpreters of this machine, /host its libraries

Rule 1: it has namespaces of its own for mounts, network and processes; with its first process all of it ends.
Rule 2: the scripts are those that the package installs, and what they start is the real relay.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parents[2]
STANDIN = Path(__file__).parent / "standin"
MICROPYTHON = ROOT / ".build" / "micropython"
SECONDS = 40.0
_VERSION = f"python3.{sys.version_info[1]}"
_SITE = Path("usr/lib") / _VERSION / "site-packages"
_PYTHON = f"""#!/bin/sh
export LD_LIBRARY_PATH=/opt/python/lib PYTHONPATH=${{PYTHONPATH:-/{_SITE}}}
exec /opt/python/bin/{_VERSION} "$@"
"""
_MICROPYTHON = """#!/bin/sh
exec /opt/micropython/bin/micropython "$@"
"""
# Mounts what the root directory borrows and becomes the first process of its namespaces.
_FIRST = """
set -e
cd "$1"
mount --bind /usr host/usr
mount --bind "$2" opt/python
mount --bind "$3" opt/micropython
mount --bind "$4" {site}/click
for device in null zero urandom; do mount --bind "/dev/$device" "dev/$device"; done
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t bpf -o mode=0700 bpf sys/fs/bpf
ip link set lo up
ip address add 192.0.2.1/24 dev lo
ip link add wan type veth peer name upstream
ip link set wan up
ip link set upstream up
chroot . /bin/busybox syslogd -S -O /var/log/messages
echo ready
exec chroot . /bin/busybox sleep 100000
"""


class Router:
    """A root directory and the namespaces in which it is one."""

    def __init__(self, folder: Path, staged: Path) -> None:
        """Lay out a root directory with a package's staged files, and start its first process."""
        self.root = folder
        _lay_out(folder)
        shutil.copytree(staged, folder, dirs_exist_ok=True, symlinks=True)
        words = [str(folder), sys.base_prefix, str(MICROPYTHON), str(Path(click.__file__).parent)]
        script = _FIRST.format(site=_SITE)
        # Whoever is killed before it can close this takes it along.
        unshare = [
            "setpriv",
            "--pdeathsig=KILL",
            "unshare",
            "--mount",
            "--net",
            "--pid",
            "--fork",
            "--kill-child",
            "--propagation=private",
        ]
        self._first = subprocess.Popen(
            [*unshare, "sh", "-c", script, "sh", *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._first.stdout is not None
        assert self._first.stdout.readline() == "ready\n", "the router's namespaces can't be made"
        self._inside = int(Path(f"/proc/{self._first.pid}/task/{self._first.pid}/children").read_text())
        until(lambda: os.readlink(f"/proc/{self._inside}/root") == str(folder), "the first process in its root")

    def close(self) -> None:
        """End all of its processes."""
        os.kill(self._inside, signal.SIGKILL)
        self._first.wait(SECONDS)
        assert self._first.stdout is not None
        self._first.stdout.close()

    def run(self, *words: str, code: int | None = 0, **environment: str) -> str:
        """Run a command in it and return what it printed; it has to end with a code, unless that is None."""
        enter = ["nsenter", f"--target={self._inside}", "--mount", "--net", "--pid", "--root", "--wd"]
        done = subprocess.run(
            [*enter, *words],
            capture_output=True,
            text=True,
            timeout=60,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "STANDIN_PAUSE": "0.1", **environment},
        )
        assert code is None or done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def service(self, action: str, code: int = 0) -> str:
        """Call the init script."""
        return self.run("/etc/init.d/edgeturn", action, code=code)

    def file(self, path: str) -> Path:
        """Return where one of its files is on this machine."""
        return self.root / path.lstrip("/").replace("var/", "tmp/", 1)

    def text(self, path: str) -> str:
        """Return the content of one of its files, nothing where it isn't there."""
        found = self.file(path)
        return found.read_text() if found.exists() else ""

    def configure(self, text: str) -> None:
        """Write the relay's configuration."""
        self.file("/etc/config/edgeturn").write_text(text)

    def told(self) -> dict[str, Any]:
        """Return what procd was told of the service."""
        found: dict[str, Any] = json.loads(self.text("/var/run/procd/edgeturn.json"))
        return found

    def instance(self) -> dict[str, Any]:
        """Return the service's one instance."""
        instances = self.told()["instances"]
        assert list(instances) == ["edgeturn"], instances
        found: dict[str, Any] = instances["edgeturn"]
        return found

    def logged(self) -> list[str]:
        """Return what its scripts logged, once the system log has all of it."""
        self.run("logger", "-t", "test", "until here")
        until(lambda: self.text("/var/log/messages").rstrip().endswith("until here"), "the system log")
        lines = self.text("/var/log/messages").splitlines()
        return [line.partition(" edgeturn: ")[2] for line in lines if " edgeturn: " in line]

    def relay_log(self) -> str:
        """Return what the relay logged."""
        return self.text("/var/log/edgeturn.log")

    def pid(self) -> str:
        """Return the process number of the relay, in the router."""
        return self.text("/var/run/procd/edgeturn/edgeturn/pid").strip()


def until(condition: Callable[[], object], what: str, seconds: float = SECONDS) -> None:
    """Return as soon as a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def _lay_out(root: Path) -> None:
    for name in (
        "bin",
        "etc/config",
        "host/usr",
        "opt/python",
        "opt/micropython",
        "proc",
        "sys",
        "dev",
        "tmp/run",
        "tmp/log",
    ):
        (root / name).mkdir(parents=True)
    root.chmod(0o755)
    (root / _SITE / "click").mkdir(parents=True)
    (root / "tmp").chmod(0o777)
    for name, target in (("var", "tmp"), ("run", "tmp/run"), ("lib64", "host/usr/lib64")):
        (root / name).symlink_to(target)
    shutil.copytree(STANDIN, root, dirs_exist_ok=True)
    _borrow_libraries(root)
    _install_busybox(root)
    for path, text in (("usr/bin/python3", _PYTHON), ("usr/bin/micropython", _MICROPYTHON)):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
        (root / path).chmod(0o755)
    for name in ("null", "zero", "urandom"):
        (root / "dev" / name).touch()
    (root / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\nedgeturn:x:3478:3478::/:/bin/false\n")
    (root / "etc/group").write_text("root:x:0:\nedgeturn:x:3478:\n")


def _borrow_libraries(root: Path) -> None:
    """Let the loader find this machine's libraries, in folders that only Debian has."""
    for folder in Path("/usr/lib").glob("*-linux-gnu*"):
        (root / "lib" / folder.name).symlink_to(f"/host/usr/lib/{folder.name}")
        (root / "usr/lib" / folder.name).symlink_to(f"/host/usr/lib/{folder.name}")


def _install_busybox(root: Path) -> None:
    shutil.copy(shutil.which("busybox") or "/bin/busybox", root / "bin" / "busybox")
    subprocess.run([root / "bin/busybox", "--install", "-s", root / "bin"], check=True)
    for link in (root / "bin").iterdir():
        if link.is_symlink():
            link.unlink()
            link.symlink_to("busybox")
