"""Debian's package: what it is made of, and its life on a machine that systemd runs, with Debian's own Python packages.

Rule 1: the machine is booted once; the tests are the life of the package, in this order.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeturn import __version__
from edgeturn.cli.root import COMMANDS
from firmware.debian.__main__ import build
from tests.packaging import machine
from tests.packaging.machine import Machine
from tests.packaging.test_service import CONF
from tools.micropython.apt import Apt, AptError
from tools.prepare.steps import BUILD

NEEDED = ("python3-click", "python3-colorama", "python3-pyroute2", "python3-psutil")
# There is no address yet under which the authors are reached, and no bug to close.
NOT_YET = "bogus-mail-host,bogus-mail-host-in-debian-changelog,initial-upload-closes-no-bugs"

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is missing: this is no Debian"),
]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("debian"))


@pytest.fixture(scope="module")
def here(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine on which the package was just installed."""
    machine.check_possible()
    folder = tmp_path_factory.mktemp("machine")
    packages = folder / "packages"
    packages.mkdir()
    for path in (package, *dependencies()):
        shutil.copy(path, packages)
    with machine.booted(packages, folder, ("edgeturn",)) as booted:
        booted.run("rm", "-f", "/usr/sbin/policy-rc.d")  # on a machine of one's own services are started
        booted.run("sysctl", "-q", "net.ipv4.conf.wan.forwarding=1")
        booted.run("sh", "-ec", f"dpkg --install {machine.PACKAGES}/*.deb")
        yield booted


def dependencies() -> list[Path]:
    """Return the packages that it depends on, from the suite of this machine."""
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    folder = BUILD / "debian"
    found = sorted(folder.glob("*.deb"))
    if len(found) == len(NEEDED):
        return found
    apt = Apt(folder, release["VERSION_CODENAME"])
    try:
        apt.update()
        return apt.download(NEEDED)
    except AptError as error:
        pytest.skip(f"Debian's packages can't be had: {str(error).splitlines()[0]}")


def test_a_second_build_is_the_same_bytes(package: Path, tmp_path: Path) -> None:
    assert build(tmp_path).read_bytes() == package.read_bytes()


@pytest.mark.skipif(shutil.which("lintian") is None, reason="lintian is missing")
def test_debian_finds_nothing_wrong(package: Path) -> None:
    check = ["lintian", "--allow-root", "--suppress-tags", NOT_YET, str(package)]
    done = subprocess.run(check, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stdout) == (0, "")


def test_after_installing_it_runs_in_its_sandbox(here: Machine) -> None:
    here.running()
    assert here.edgeturn("--version") == f"{__version__}\n"
    assert here.property_of("UnitFileState") == "enabled"
    assert here.property_of("FragmentPath").endswith("/lib/systemd/system/edgeturn.service")
    assert here.run("stat", "--format=%a %U %G", CONF).split() == ["640", "root", "edgeturn"]
    assert "It works: " in here.edgeturn("check")
    assert here.run("systemd-analyze", "verify", "/lib/systemd/system/edgeturn.service") == ""
    told = json.loads(here.edgeturn("service", "status", "--json"))
    assert told["installed"] and told["matches"] and told["exposure"] <= 2.0


def test_debians_pyroute2_attaches(here: Machine) -> None:
    here.running()
    assert json.loads(here.edgeturn("status", "--json"))["kernel"]["state"] == "on"
    hooks = json.loads(here.edgeturn("kernel", "status", "--json"))["hooks"]
    assert [(each["interface"], each["hook"], each["state"]) for each in hooks] == [("wan", "tc", "proven")]


def test_debians_click_runs_every_command(here: Machine) -> None:
    for name, _, _ in COMMANDS:
        assert f"Usage: edgeturn {name}" in here.edgeturn(name, "--help")


def test_a_newer_one_keeps_the_configuration(here: Machine) -> None:
    before, process = here.run("cat", CONF), here.running()
    here.run("sh", "-ec", f"dpkg --install {machine.PACKAGES}/edgeturn_*.deb")
    assert here.run("cat", CONF) == before and here.running() != process


def test_removed_it_stops_and_purged_it_leaves_nothing(here: Machine) -> None:
    here.run("dpkg", "--remove", "edgeturn")
    assert here.property_of("ActiveState") == "inactive" and "realm" in here.run("cat", CONF)
    assert "edgeturn" not in here.run("tc", "filter", "show", "dev", "wan", "ingress")
    here.run("dpkg", "--purge", "edgeturn")
    left = here.run("sh", "-c", "ls -d /etc/edgeturn /usr/lib/edgeturn /sys/fs/bpf/edgeturn; id edgeturn", code=1)
    assert left.count("No such file") == 3 and "no such user" in left
