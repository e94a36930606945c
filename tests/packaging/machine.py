"""A machine that systemd runs: systemd-nspawn boots this one's own files, and nothing that is written there stays.

this machine's / (read) ── overlay ── systemd as process 1, a network of its own with one interface
                              │
                              └── /opt/edgeturn: the wheel with its extras, for /usr/bin/python3
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.packaging.installed import finished

PACKAGES = "/opt/edgeturn"
AS_MODULE = ("/usr/bin/python3", "-P", "-m", "edgeturn")
PATIENCE = 60.0
# The mounts end with the process that made them.
_BOOT = """\
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cp -a "$2" "$1/root$3"
chown -R root:root "$1/root$3"
rm -rf "$1/root/etc/edgeturn" "$1/root/etc/systemd/system/edgeturn.service"
: >"$1/root/etc/machine-id"
export SYSTEMD_NSPAWN_API_VFS_WRITABLE=yes
exec systemd-nspawn --quiet --register=no --keep-unit --private-network --capability=all --system-call-filter=bpf \\
    --hostname=edgeturn-test --machine="$4" --directory="$1/root" --boot \\
    systemd.unit=multi-user.target systemd.mask=systemd-logind.service systemd.mask=networking.service
"""
# Outside of a container systemd mounts this file system by itself, closed to all but root.
_PREPARE = """\
mkdir -p /sys/fs/bpf
mount -t bpf -o mode=0700 bpf /sys/fs/bpf
ip link add wan type veth peer name beyond
ip address add 192.0.2.1/24 dev wan
ip link set wan up
ip link set beyond up
ip route add default via 192.0.2.254
"""


class Machine:
    """A booted machine; commands run in all of its namespaces."""

    def __init__(self, leader: int, command: tuple[str, ...]) -> None:
        self.leader = leader
        self.command = command

    def run(self, *command: str, code: int | None = 0) -> str:
        """Run a command there; return what it printed, where it ended as expected (None: however it did)."""
        done = subprocess.run(
            ["nsenter", "--target", str(self.leader), "--all", "--", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": PACKAGES, "LC_ALL": "C.UTF-8"},
        )
        assert code is None or done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}"
        return done.stdout

    def edgeturn(self, *words: str, code: int = 0) -> str:
        said = self.run(*self.command, *words, code=code)
        assert "Traceback" not in said
        return said

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until something is so."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, f"{what}\n{self.journal()}"
            time.sleep(0.1)

    def running(self) -> int:
        """Wait until the relay answers; return its process."""
        self.until(lambda: '"process"' in self.run(*self.command, "status", "--json", code=None), "ready")
        process = json.loads(self.edgeturn("status", "--json"))["process"]
        assert int(self.property_of("MainPID")) == process
        return int(process)

    def property_of(self, name: str) -> str:
        return self.run("systemctl", "show", "edgeturn.service", f"--property={name}", "--value").strip()

    def journal(self) -> str:
        return self.run("journalctl", "--no-pager", "--unit=edgeturn.service", "--output=cat")


def install(wheel: Path, folder: Path) -> Path:
    """Install the wheel with the extras of a full relay for the system's Python; return the folder."""
    packages = folder / "packages"
    virtualenv = [sys.executable, "-m", "virtualenv", "--quiet", "--python", "/usr/bin/python3"]
    finished([*virtualenv, str(folder / "environment")])
    pip = [str(folder / "environment" / "bin" / "pip"), "install", "--quiet", "--target", str(packages)]
    finished([*pip, f"{wheel}[kernel,dtls]"])
    return packages


def check_possible() -> None:
    """Skip where such a machine can't be."""
    if os.geteuid() != 0:
        pytest.skip("booting systemd needs root")
    if shutil.which("systemd-nspawn") is None:
        pytest.skip("systemd-nspawn is missing (package systemd-container)")


@contextmanager
def booted(packages: Path, folder: Path, command: tuple[str, ...] = AS_MODULE) -> Iterator[Machine]:
    """Boot a machine; it ends with the block. command: what edgeturn is called by."""
    place = folder / "machine"
    place.mkdir()
    log = folder / "boot.log"
    words = [str(place), str(packages), PACKAGES, f"edgeturn-{os.getpid()}"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "sh", "-ec", _BOOT, "sh", *words],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    leader = 0
    try:
        leader = _leader(process, log)
        machine = Machine(leader, command)
        _wait(machine, log)
        machine.run("sh", "-ec", _PREPARE)
        yield machine
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.kill(leader or process.pid, signal.SIGKILL)
            process.kill()
            process.wait()


def _leader(process: "subprocess.Popen[bytes]", log: Path) -> int:
    """Return the machine's process 1, once it is systemd."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        for each in _children(process.pid):
            if _name(each) == "systemd" and os.readlink(f"/proc/{each}/ns/pid") != os.readlink("/proc/self/ns/pid"):
                return each
        time.sleep(0.05)
    raise AssertionError(f"systemd didn't boot:\n{log.read_text(errors='replace')}")


def _wait(machine: Machine, log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while (state := machine.run("systemctl", "is-system-running", code=None).strip()) not in ("running", "degraded"):
        assert time.monotonic() < end, f"{state}\n{log.read_text(errors='replace')}"
        time.sleep(0.1)


def _children(process: int) -> list[int]:
    try:
        direct = [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:
        return []
    return direct + [below for each in direct for below in _children(each)]


def _name(process: int) -> str:
    try:
        return Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:
        return ""
