"""The packages' Makefiles: their fields, what they install, and that the packaged modules are those that are needed."""

import ast
import json
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from edgeturn import __version__
from firmware.build import frozen
from firmware.openwrt import staging
from tests.openwrt.conftest import Stage

RELAYS = ("edgeturn", "edgeturn-micro", "edgeturn-static")
# Where OpenWrt's python3 packages have what isn't in python3-light, by the module that is imported.
SPLITS = {
    "asyncio": "asyncio",
    "unicodedata": "codecs",
    "ctypes": "ctypes",
    "dbm": "dbm",
    "decimal": "decimal",
    "email": "email",
    "logging": "logging",
    "lzma": "lzma",
    "multiprocessing": "multiprocessing",
    "curses": "ncurses",
    "ssl": "openssl",
    "pydoc": "pydoc",
    "readline": "readline",
    "sqlite3": "sqlite3",
    "unittest": "unittest",
    "urllib": "urllib",
    "uuid": "uuid",
    "xml": "xml",
    "click": "click",
}
# In a package of its own, or nobody's: their places say so and go on without.
OPTIONAL = {"pyroute2", "OpenSSL", "cryptography", "dns"}
# They run where python3-aiohttp is installed, which brings the parts of Python that they import.
WITH_AIOHTTP = ("web", "tokens", "serving")
SERVICE = {
    "etc/config/edgeturn": 0o600,
    "etc/init.d/edgeturn": 0o755,
    "etc/uci-defaults/50-edgeturn": 0o755,
    "etc/hotplug.d/iface/90-edgeturn": 0o755,
    "etc/capabilities/edgeturn.json": 0o644,
    "lib/upgrade/keep.d/edgeturn": 0o644,
    "usr/share/edgeturn/interpreter.sh": 0o644,
    "usr/bin/edgeturn": 0o755,
}


def field(package: str, name: str) -> str:
    return staging.fields(package)[name][0]


def makefiles() -> list[Path]:
    return sorted([*(staging.HERE / name / "Makefile" for name in RELAYS), staging.HERE / "edgeturn" / "shared.mk"])


def scripts() -> list[Path]:
    """Return every shell script of the packages but the LuCI application's, and of the stand-ins."""
    files = [path for name in RELAYS for path in (staging.HERE / name).rglob("*") if path.is_file()]
    files += [path for path in (Path(__file__).parent / "standin").rglob("*") if path.is_file()]
    return [path for path in files if path.suffix == ".sh" or path.read_text().startswith("#!/bin/sh")]


@pytest.mark.parametrize("package", staging.FOLDERS)
def test_it_has_every_field(package: str) -> None:
    fields = staging.fields(package)
    for name in (
        "SECTION",
        "CATEGORY",
        "TITLE",
        "PKG_MAINTAINER",
        "PKG_LICENSE",
        "PKG_LICENSE_FILES",
        "PKG_SOURCE_URL",
    ):
        assert fields[name][0], name
    assert package in fields["packages"]
    assert fields["PKG_VERSION"] == [__version__]
    assert fields["PKG_SOURCE"] == [f"edgeturn-{__version__}.tar.gz"]
    assert re.fullmatch("[0-9a-f]{64}", fields["PKG_HASH"][0])
    assert fields["PKG_RELEASE"][0].isdigit()
    assert len(fields["TITLE"][0]) <= 60


@pytest.mark.parametrize("package", RELAYS)
def test_only_one_of_them_can_be_installed(package: str) -> None:
    assert set(field(package, "CONFLICTS").split()) == set(RELAYS) - {package}
    assert field(package, "PROVIDES") == ("" if package == "edgeturn" else "edgeturn")
    assert field(package, "USERID") == "edgeturn=3478:edgeturn=3478"


@pytest.mark.parametrize("package", RELAYS)
def test_it_installs_the_service(stage: Stage, package: str) -> None:
    root = stage(package)
    for name, mode in SERVICE.items():
        assert stat.S_IMODE((root / name).stat().st_mode) == mode, name
    kept = [root / file.lstrip("/") for file in staging.fields(package)["conffiles"]]
    assert kept == [root / "etc/config/edgeturn"]
    installed = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    others = {name for name in installed - SERVICE.keys() if not re.match("usr/lib/(edgeturn|python3)", name)}
    assert not others
    assert not [name for name in installed if name.endswith(".py") or "@" in name]
    assert "@" not in (root / "usr/share/edgeturn/interpreter.sh").read_text()


def test_the_kernel_package_has_no_files(stage: Stage) -> None:
    assert not [path for path in stage("edgeturn-kernel").rglob("*") if path.is_file()]
    assert {"+edgeturn", "+python3-pyroute2", "+kmod-sched-core", "+kmod-sched-bpf"} == set(
        field("edgeturn-kernel", "DEPENDS").split()
    )


def imported() -> set[str]:
    """Return the modules that edgeturn imports anywhere on CPython, by their first name, but for the optional parts."""
    found: set[str] = set()
    root = staging.ROOT / "edgeturn"
    for file in root.rglob("*.py"):
        if "micropython" not in file.name and file.relative_to(root).parts[0] not in WITH_AIOHTTP:
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Import):
                    found |= {each.name.partition(".")[0] for each in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    found.add(node.module.partition(".")[0])
    return found


def test_it_depends_on_the_parts_of_python_that_it_imports() -> None:
    import sys

    needed = {f"+python3-{SPLITS[name]}" for name in imported() & SPLITS.keys()}
    assert set(field("edgeturn", "DEPENDS").split()) == needed | {"+python3-light"}
    foreign = {name for name in imported() - sys.stdlib_module_names if not name.startswith(("edgeturn", "_"))}
    assert foreign == OPTIONAL | {"click"}


def test_every_module_for_micropython_is_packaged(stage: Stage) -> None:
    root = stage("edgeturn-micro") / "usr/lib/edgeturn"
    packaged = {path.relative_to(root).with_suffix(".py").as_posix() for path in root.rglob("*.mpy")}
    firmware = {path.relative_to(staging.ROOT).as_posix() for path in frozen.files()}
    assert firmware <= packaged
    assert all("seam" in name or "kernel" in name for name in packaged - firmware), (
        "the firmware has that in its C module"
    )
    missing = {each for name in packaged for each in _imported_files(staging.ROOT / name)} - packaged
    assert not {name for name in missing if "cpython" not in name}
    assert [path.name for path in root.rglob("*.o")] == ["program.bpfel.o"]


def _imported_files(file: Path) -> set[str]:
    """Return the files of edgeturn that a module imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
    ours = {name.replace(".", "/") for name in found if name.startswith("edgeturn.")}
    return {f"{name}.py" for name in ours if (staging.ROOT / f"{name}.py").is_file()}


def test_the_static_package_is_built_from_the_firmwares_sources() -> None:
    from firmware.build.sources import MBEDTLS, MICROPYTHON

    text = (staging.HERE / "edgeturn-static" / "Makefile").read_text()
    for source in (MICROPYTHON, MBEDTLS):
        assert source.sha256 in text, source.name
    names = {
        f"micropython_{_version(text, 'MICROPYTHON')}+ds.orig.tar.xz",
        f"mbedtls_{_version(text, 'MBEDTLS')}.orig.tar.bz2",
    }
    assert names == {source.path.rpartition("/")[2] for source in (MICROPYTHON, MBEDTLS)}


def _version(text: str, name: str) -> str:
    found = re.search(rf"^{name}_VERSION:=(.*)$", text, re.MULTILINE)
    assert found
    return found[1]


@pytest.mark.parametrize("file", makefiles(), ids=lambda file: f"{file.parent.name}-{file.name}")
def test_recipes_begin_with_tabs_and_nothing_ends_with_spaces(file: Path) -> None:
    inside = ""
    for number, line in enumerate(file.read_text().splitlines(), 1):
        assert line == line.rstrip(), f"{file.name}:{number}"
        if line.startswith("define "):
            inside = line.split()[1]
        elif line == "endef":
            inside = ""
        elif inside.endswith("/install") or inside.startswith("Build/"):
            assert line.startswith("\t"), f"{file.name}:{number}: {line}"
    for name in re.findall(r"(?:\$\(EDGETURN_FILES\)|\./files)/(\S+?)[ ,)\n]", file.read_text()):
        folders = [staging.HERE / folder / "files" for folder in RELAYS]
        assert any((folder / name).is_file() for folder in folders), name


@pytest.mark.parametrize("file", scripts(), ids=lambda file: file.name)
def test_shellcheck_finds_nothing(file: Path) -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("there is no shellcheck here")
    # Sourced from places that exist on a router only; variables come from the functions of OpenWrt.
    words = ["--shell=dash", "--exclude=SC1090,SC1091,SC2034,SC2154"]
    done = subprocess.run(["shellcheck", *words, str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_capability_is_the_one_that_ports_below_1024_need() -> None:
    found = json.loads((staging.HERE / "edgeturn" / "files" / "edgeturn.json").read_text())
    assert set(found) == {"bounding", "effective", "ambient", "permitted", "inheritable"}
    assert all(value == ["CAP_NET_BIND_SERVICE"] for value in found.values())


@pytest.mark.parametrize("package", RELAYS)
def test_the_feeds_tests_are_there(package: str) -> None:
    for name in ("test.sh", "test-version.sh"):
        file = staging.HERE / staging.FOLDERS[package] / name
        assert file.stat().st_mode & stat.S_IXUSR, name
        assert file.read_text() == (staging.HERE / "edgeturn" / name).read_text()
