"""The wheel and the source distribution: what is in them, and that what they install works by itself.

Rule 1: each is installed into an environment of its own, and called without the tree, without clang, without extras
        but those that are named.
"""

import email
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from edgeturn import __version__
from firmware.openwrt import release
from tests.blackbox.relay import free_port
from tests.packaging.installed import NOBODY, Installed, everybodys_python, finished, python_folders
from tools import manual, wheel

ROOT = wheel.ROOT
PRODUCT = {str(path.relative_to(ROOT)) for path in (ROOT / "edgeturn").rglob("*.py")}
OBJECTS = {f"edgeturn/kernel/program/program.{order}.o" for order in ("bpfel", "bpfeb")}
KINDS = {"py", "o", "c", "h", "typed", "html", "css", "js", "svg", "yml"}
EXTRAS = {"kernel", "tls", "dtls", "oauth", "dns", "web", "package", "test", "check"}

# A machine with one interface, all of it gone with this process.
_ALONE = """\
ip link set lo up
ip link add one type veth peer name two
ip address add 192.0.2.1/24 dev one
ip link set one up
ip link set two up
mount -t bpf bpf "$1"
"$2" kernel attach --enable-forwarding --json -c "$3"
"""

pytestmark = pytest.mark.timeout(600)


def names(package: Path) -> set[str]:
    """Return what is in a package, by the names that it will have where it's installed."""
    if package.suffix == ".whl":
        with zipfile.ZipFile(package) as opened:
            return set(opened.namelist())
    with tarfile.open(package) as packed:
        return {each.name.partition("/")[2] for each in packed.getmembers() if each.isfile()}


def installed(package: Path, folder: Path, extras: str = "") -> Path:
    """Install into an environment of its own; return the command."""
    environment = folder / "environment"
    finished([sys.executable, "-m", "virtualenv", "--quiet", "--python", everybodys_python(), environment])
    finished([environment / "bin" / "pip", "install", "--quiet", f"{package}{extras}"])
    return environment / "bin" / "edgeturn"


@pytest.fixture(scope="session")
def from_wheel(built: tuple[Path, Path], open_folder: Path) -> Path:
    return installed(built[1], open_folder / "wheel")


def test_all_of_the_product_is_in_it_and_nothing_else(built: tuple[Path, Path]) -> None:
    for package in built:
        found = {name for name in names(package) if name.startswith("edgeturn/")}
        assert found >= PRODUCT | OBJECTS | {"edgeturn/py.typed"}, package
        assert {name.rpartition(".")[2] for name in found} == KINDS, package
    others = {name.split("/")[0] for name in names(built[1])}
    assert others == {"edgeturn", f"edgeturn-{__version__}.dist-info", f"edgeturn-{__version__}.data"}
    assert not {name.split("/")[0] for name in names(built[0])} & {"tests", ".build", ".venv"}


def test_every_manual_page_is_in_it(built: tuple[Path, Path], tmp_path: Path) -> None:
    made = {f"share/man/man{path.name[-1]}/{path.name}" for path in manual.write(tmp_path)}
    data = f"edgeturn-{__version__}.data/data/"
    assert made == {name.removeprefix(data) for name in names(built[1]) if name.startswith(data)}


def test_the_firmware_can_be_built_from_the_source_distribution(built: tuple[Path, Path]) -> None:
    assert release.values(built[0])["PKG_VERSION"] == __version__
    assert not [name for name in names(built[0]) if "openwrt" in name]


def test_it_says_what_it_is(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[1]) as opened:
        told = email.message_from_bytes(opened.read(f"edgeturn-{__version__}.dist-info/METADATA"))
    assert (told["Name"], told["Version"], told["License-Expression"]) == ("edgeturn", __version__, "MIT")
    assert told["Requires-Python"] == ">=3.11" and set(told.get_all("Provides-Extra", [])) == EXTRAS
    needed = [each for each in told.get_all("Requires-Dist", []) if "extra ==" not in each]
    assert len(needed) == 1 and needed[0].startswith("click")


def test_a_second_build_is_the_same_bytes(
    built: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mask = os.umask(0o077)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    try:
        again = wheel.build(tmp_path)
    finally:
        os.umask(mask)
    assert [each.read_bytes() for each in again] == [each.read_bytes() for each in built]


def test_it_starts_relays_and_is_checked(from_wheel: Path, open_folder: Path) -> None:
    home = open_folder / "user"
    home.mkdir()
    home.chmod(0o777)
    edgeturn = Installed(from_wheel, home, NOBODY if os.geteuid() == 0 else None)
    assert edgeturn.say("--version") == f"{__version__}\n"
    assert not any(ROOT in each.parents for each in python_folders(from_wheel))
    file = edgeturn.configured(free_port())
    with edgeturn.running(file) as said:
        assert '"iceServers"' in said and file.stat().st_mode & 0o777 == 0o600
        edgeturn.say("check", "-c", str(file))
        assert json.loads(edgeturn.say("status", "--json", "-c", str(file)))["allocations"] == 0


def test_without_the_extra_the_kernel_command_says_what_xdp_wants(from_wheel: Path, tmp_path: Path) -> None:
    edgeturn = Installed(from_wheel, tmp_path)
    file = edgeturn.configured(free_port())
    said = edgeturn.say("kernel", "attach", "--hook", "xdp", "-c", str(file), code=1)
    assert "pip install pyroute2` brings it" in said and len(said.splitlines()) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
def test_from_source_with_the_extra_it_attaches(built: tuple[Path, Path], tmp_path: Path) -> None:
    edgeturn = Installed(installed(built[0], tmp_path, "[kernel]"), tmp_path)
    pins = tmp_path / "pins"
    pins.mkdir()
    file = edgeturn.configured(free_port(), kernel="tc", kernel_pins=str(pins / "edgeturn"))
    edgeturn.say("config", "set", "listen", "192.0.2.1:3478", "-c", str(file))
    edgeturn.say("config", "set", "relay_address", "192.0.2.1", "-c", str(file))
    alone = ["unshare", "--net", "--mount", "sh", "-ec", _ALONE, "sh", str(pins), str(edgeturn.command), str(file)]
    done = subprocess.run(alone, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    hooks = json.loads(done.stdout)["hooks"]
    assert [(each["interface"], each["hook"]) for each in hooks] == [("one", "tc")], hooks
