"""`edgeturn service` without a machine that systemd runs: the unit as text, its figure, and what is said elsewhere."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from edgeturn.cli import service_machine, service_unit
from edgeturn.cli.failure import Failure
from edgeturn.cli.service_unit import Places
from edgeturn.relay import plan
from edgeturn.relay.configuration import Configuration
from tests.cli.conftest import Call

GOAL = 2.0
FILE = Path("/etc/edgeturn/edgeturn.conf")
PLACES = Places("/usr/bin/python3", "/usr/lib/python3/dist-packages")


def unit(*entries: str, firewall: bool = False) -> list[str]:
    text = "config relay 'main'\n\toption realm 'example.org'\n" + "".join(f"\t{entry}\n" for entry in entries)
    return service_unit.text(Configuration(text, str(FILE)), FILE, firewall, PLACES).splitlines()


@pytest.mark.parametrize(
    ("entries", "there", "not_there"),
    [
        ((), ["CapabilityBoundingSet=", "PrivateUsers=yes", "MemoryDenyWriteExecute=yes"], []),
        (("list listen '0.0.0.0:443'",), ["CapabilityBoundingSet=CAP_NET_BIND_SERVICE"], ["PrivateUsers=yes"]),
        (("option kernel 'off'",), [], ["SystemCallFilter=bpf"]),
        (
            ("option discovery '1'",),
            ["ExecStartPre=+-/usr/bin/python3 -P -m edgeturn discovery attach -c /etc/edgeturn/edgeturn.conf"],
            [],
        ),
        (("option control '/run/other/socket'",), ["RuntimeDirectory=other"], ["RuntimeDirectory=edgeturn"]),
        (("option control '/srv/my relay/socket'",), ['ReadWritePaths="/srv/my relay"'], ["RuntimeDirectory=edgeturn"]),
        (("option certificate '/home/me/a.crt'", "option key '/home/me/a.key'"), ["ProtectHome=read-only"], []),
        (
            ("option certificate '/a.crt'", "option key '/a.key'", "option dtls '1'"),
            ["ExecStart=/usr/bin/python3 -P -m edgeturn.relay -c /etc/edgeturn/edgeturn.conf"],
            ["MemoryDenyWriteExecute=yes"],
        ),
    ],
)
def test_the_unit_follows_the_configuration(entries: tuple[str, ...], there: list[str], not_there: list[str]) -> None:
    lines = unit(*entries)
    assert [line for line in there if line not in lines] == []
    assert [line for line in not_there if line in lines] == []


def test_a_right_to_change_the_firewall_is_asked_for() -> None:
    assert "AmbientCapabilities=CAP_NET_ADMIN" in unit(firewall=True)


def test_it_may_open_as_many_files_as_it_needs() -> None:
    settings = Configuration("config relay 'main'\n\toption realm 'a'\n\toption max_allocations '4000'\n", str(FILE))
    limits = settings.limits()
    wanted = plan.open_files(limits, 2) + plan.held_files(limits, 2)
    assert wanted > 16000 and f"LimitNOFILE={wanted}" in unit("option max_allocations '4000'")


def test_a_path_with_signs_of_its_own_stays_one_word() -> None:
    settings = Configuration("config relay 'main'\n\toption realm 'a'\n", "x")
    text = service_unit.text(settings, Path("/etc/a b/100%/$c.conf"), False, PLACES)
    assert '-m edgeturn.relay -c "/etc/a b/100%%/$$c.conf"\n' in text
    assert "ConditionPathExists=/etc/a b/100%%/$c.conf\n" in text


def test_a_folder_with_a_space_is_one_folder() -> None:
    assert 'RuntimeDirectory="my relay"' in unit("option control '/run/my relay/socket'")


@pytest.mark.parametrize("sign", ["\n", "\r"])  # systemd ends a line at either
def test_no_path_begins_another_line_of_the_unit(sign: str) -> None:
    settings = Configuration("config relay 'main'\n\toption realm 'a'\n", "x")
    with pytest.raises(Failure, match="control characters"):
        service_unit.text(settings, Path(f"/etc/x{sign}ExecStartPre=+/tmp/evil"), False, PLACES)
    if sign == "\r":
        with pytest.raises(Failure, match="control characters"):
            unit("option control '/run/x\rExecStartPre=+/tmp/evil/socket'")


def test_what_is_not_ours_is_neither_overwritten_nor_removed(
    call: Call, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, mask = tmp_path / "unit", tmp_path / "mask"
    nothing = tmp_path / "nothing"  # as /dev/null, to which systemctl's mask leads
    for path, text in ((nothing, ""), (made, "[Service]\nExecStart=/bin/true\n")):
        path.write_text(text)
        path.chmod(0o666)
    mask.symlink_to(nothing)
    monkeypatch.setattr(service_machine, "BOOTED", tmp_path)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    for path, why in ((mask, "is a link to"), (made, "wasn't made by")):
        monkeypatch.setattr(service_machine, "UNIT", path)
        monkeypatch.setattr("edgeturn.cli.service.UNIT", path)
        for words in ("install", "uninstall"):
            assert why in " ".join(call("service", words, "-c", str(file), code=1).split())
    assert nothing.read_text() == "" and nothing.stat().st_mode & 0o777 == 0o666
    assert made.read_text().startswith("[Service]") and mask.is_symlink()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is missing (package systemd)")
@pytest.mark.parametrize("entries", [(), ("list listen '0.0.0.0:443'",), ("option kernel 'off'",)])
def test_systemd_finds_nothing_wrong_and_little_exposed(tmp_path: Path, entries: tuple[str, ...]) -> None:
    text = "\n".join(unit(*entries)) + "\n"
    exposure = service_machine.exposure(text)
    assert exposure is not None and exposure <= GOAL
    file = tmp_path / service_unit.NAME
    file.write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", file], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_printing_it_needs_no_systemd_and_changes_nothing(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "edgeturn.conf"
    said = call("service", "install", "--print", "-c", str(file))
    assert f"-m edgeturn.relay -c {file}\n" in said and not file.exists()


def test_where_systemd_does_not_run_it_says_what_else(
    call: Call, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_machine, "BOOTED", tmp_path / "nothing")
    for words in (("install",), ("install", "--dry-run"), ("uninstall",), ("status",)):
        said = call("service", *words, "-c", str(file), code=1)
        assert said.startswith("Error: systemd doesn't run this machine") and "OpenWrt" in said
        assert len(said.splitlines()) == 1


def test_others_than_root_are_told_so(call: Call, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_machine, "BOOTED", tmp_path)
    monkeypatch.setattr(service_machine, "UNIT", tmp_path / "unit")
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "needs root" in call("service", "install", "-c", str(file), code=1)


def test_what_others_may_change_is_not_run_as_root(tmp_path: Path) -> None:
    open_to_all = tmp_path / "packages"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    with pytest.raises(Failure) as raised:
        service_machine.check_places(Places("/usr/bin/python3", str(open_to_all)))
    assert str(open_to_all) in raised.value.message and "pipx install --global" in raised.value.message
    if os.geteuid() == 0:
        open_to_all.chmod(0o755)
        service_machine.check_places(Places("/usr/bin/python3", str(open_to_all)))
        link = tmp_path / "theirs" / "python3"
        link.parent.mkdir()
        link.symlink_to("/usr/bin/python3")
        service_machine.check_places(Places(str(link), str(open_to_all)))
        os.chown(link.parent, 65534, 65534)
        with pytest.raises(Failure):  # they could have the link lead elsewhere
            service_machine.check_places(Places(str(link), str(open_to_all)))
        os.chown(open_to_all, 65534, 65534)
        with pytest.raises(Failure):
            service_machine.check_places(Places("/usr/bin/python3", str(open_to_all)))


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    """A folder of root's that nobody else may change."""
    if os.geteuid() != 0:
        pytest.skip("files of other users need root")
    folder = tmp_path / "roots"
    folder.mkdir(mode=0o755)
    return folder


def refused(file: Path) -> str:
    with pytest.raises(Failure) as raised:
        service_machine.check_file(file)
    assert raised.value.message.endswith(".")
    return raised.value.message


def test_a_configuration_that_others_may_change_is_refused(roots: Path) -> None:
    file = roots / "edgeturn.conf"
    service_machine.check_file(file)  # that isn't there yet
    file.write_text("")
    service_machine.check_file(file)
    os.chown(file, 65534, 65534)
    assert "isn't a file of root's alone" in refused(file)
    os.chown(file, 0, 0)
    os.link(file, roots / "other")
    assert "isn't a file of root's alone" in refused(file)
    (roots / "other").unlink()
    os.chown(roots, 65534, 65534)
    assert str(roots) in refused(file) and "/etc/edgeturn/edgeturn.conf" in refused(file)
    os.chown(roots, 0, 0)
    roots.chmod(0o777)
    assert str(roots) in refused(file)


def test_a_link_to_a_configuration_is_refused(roots: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "edgeturn.conf").write_text("")
    file = roots / "edgeturn.conf"
    file.symlink_to(theirs / "edgeturn.conf")
    assert "is a link to" in refused(file)
    (roots / "folder").symlink_to(theirs)
    os.chown(theirs, 65534, 65534)
    assert "can be changed by others" in refused(roots / "folder" / "edgeturn.conf")


def test_no_link_is_followed_and_no_file_of_others_handed_over(roots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_machine, "USER", "nogroup")
    shadow, theirs, key, file = (roots / name for name in ("shadow", "theirs.crt", "own.key", "edgeturn.conf"))
    for path in (shadow, theirs, key, file):
        path.write_text("")
        path.chmod(0o600)
    os.chown(theirs, 65534, 0)
    link = roots / "link.crt"
    link.symlink_to(shadow)
    for certificate in (link, theirs):
        text = f"config relay 'main'\n\toption certificate '{certificate}'\n\toption key '{key}'\n"
        service_machine.give_files(file, Configuration(text, str(file)))
    assert [path.stat().st_mode & 0o777 for path in (shadow, theirs, key, file)] == [0o600, 0o600, 0o640, 0o640]
    assert theirs.stat().st_uid == 65534 and shadow.stat().st_gid == 0 != file.stat().st_gid
