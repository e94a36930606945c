"""What a service needs of the machine: systemd, a user, a configuration and an edgeturn that this user may read.

Rule 1: each step looks first whether its work is done, and then does nothing.
Rule 2: root starts nothing that another user could change: that would make this user root.
"""

import errno
import grp
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from edgeturn.cli import change, files, identity, place, service_unit
from edgeturn.cli.failure import Failure, reason
from edgeturn.cli.service_unit import NAME, USER, Places
from edgeturn.relay.configuration import Configuration

UNIT = Path("/etc/systemd/system") / NAME
PACKAGED = Path("/lib/systemd/system") / NAME
BOOTED = Path("/run/systemd/system")  # sd_booted(3)
_FILE_MODE = 0o640
_PATIENCE = 60
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_ELSEWHERE = "`pipx install --global` of the wheel, or the Debian package, puts it where that is so"


def check_systemd(for_what: str) -> None:
    """Raise a Failure where systemd doesn't run this machine, or its commands are missing."""
    if not place.exists(BOOTED) or shutil.which("systemctl") is None:
        raise Failure(
            f"systemd doesn't run this machine, so {for_what}. On OpenWrt the package brings its own service "
            "(`service edgeturn enable`); elsewhere have `edgeturn run` started by what starts services there."
        )


def check_root(for_what: str) -> None:
    """Raise a Failure for others than root."""
    if os.geteuid() != 0:
        raise Failure(f"{for_what} needs root: call this as root (`sudo`).")


def check_unit() -> None:
    """Raise a Failure where the unit's place is taken by what we haven't made: a mask, or a unit of somebody's own."""
    if UNIT.is_symlink():
        raise Failure(f"{UNIT} is a link to {os.readlink(UNIT)}: `systemctl unmask {NAME}` or `rm {UNIT}` removes it.")
    if place.exists(UNIT) and not installed().startswith(service_unit.HEAD):
        raise Failure(f"{UNIT} wasn't made by `edgeturn service install`, and is left as it is: move it away first.")


def check_places(places: Places) -> None:
    """Raise a Failure where somebody else than root could change what the service runs, or a link on the way there."""
    for each in (places.python, places.package):
        part = _open_part(Path(each))
        if part is not None:
            raise Failure(
                f"{part} can be changed by others than root, and a service must not run what is there: install "
                f"edgeturn for the whole machine; {_ELSEWHERE}."
            )


def check_file(file: Path) -> None:
    """Raise a Failure where somebody else than root could change the configuration, or have it lead elsewhere."""
    move = f"move it to {place.SYSTEM_FILE}, as root's, and leave out `-c`"
    if file.is_symlink():
        raise Failure(f"{file} is a link to {os.readlink(file)}, which root doesn't follow: name the file itself.")
    part = _open_part(file.parent)
    if part is not None:
        raise Failure(f"{part} can be changed by others than root, so a service must not be run by {file}: {move}.")
    if place.exists(file) and not _is_roots(file.stat()):
        raise Failure(f"{file} isn't a file of root's alone: have a look at it, and then {move}.")


def _open_part(path: Path) -> Path | None:
    """Return what others than root could change of a path, or of where its links lead; None where it's safe."""
    absolute = Path(os.path.abspath(path))
    for each in (absolute, absolute.resolve()):
        for part in (each, *each.parents):
            if not place.exists(part):  # root makes it
                continue
            found = part.stat()
            open_to_all = found.st_mode & _OTHERS_WRITE and not found.st_mode & stat.S_ISVTX
            if found.st_uid != 0 or open_to_all:
                return part
    return None


def _is_roots(found: os.stat_result) -> bool:
    """Say whether a file is root's, and has no second name by which it's somewhere else, too."""
    return stat.S_ISREG(found.st_mode) and found.st_uid == 0 and found.st_nlink == 1


def has_user() -> bool:
    """Say whether the service's user is there."""
    try:
        pwd.getpwnam(USER)
    except KeyError:
        return False
    return True


def make_user() -> None:
    """Make the service's user, as systemd's own means does on each distribution."""
    if not has_user():
        _run(["systemd-sysusers", "-"], f'u {USER} - "STUN and TURN relay" -\n')


def make_configuration(file: Path) -> None:
    """Make a configuration where there is none, and name the user in it, to whom attaching gives the maps."""
    if not place.exists(file):
        identity.create(file, identity.Answers(identity.found_realm()))
    if place.read(file).text("user") != USER:
        change.apply(file, lambda document: document.set("user", USER))


def give_files(file: Path, settings: Configuration) -> None:
    """Let the user read the configuration, and what lies beside it and is named there; root goes on owning them.

    What is a link, or isn't root's, stays as it is: `unreadable` tells of it.
    """
    group = grp.getgrnam(USER).gr_gid
    beside = [Path(each) for each in service_unit.files_of(settings) if Path(each).parent == file.parent]
    for each in (file, *beside):
        try:
            _give(each, group)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise Failure(f"{each} can't be given to group {USER}: {reason(error)}.") from None


def _give(path: Path, group: int) -> None:
    """Give a file of root's to a group; by its descriptor, so that it's the one that was looked at."""
    opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if _is_roots(os.fstat(opened)):
            os.fchown(opened, 0, group)
            os.fchmod(opened, _FILE_MODE)
    finally:
        os.close(opened)


def unreadable(paths: Sequence[str]) -> list[str]:
    """Return those of some files that the user may not read."""
    return [path for path in paths if not _may(["test", "-r", path])]


def check_start(file: Path, places: Places) -> None:
    """Raise a Failure where the user can't start the relay's code or read its configuration."""
    if not _may([places.python, "-S", "-P", "-c", "import edgeturn.relay.main"], {"PYTHONPATH": places.package}):
        raise Failure(
            f"user {USER} may not run {places.python} with what is in {places.package}: a folder above is closed to "
            f"others; install edgeturn for the whole machine; {_ELSEWHERE}."
        )
    if unreadable([str(file)]):
        raise Failure(
            f"user {USER} can't reach {file}, for a folder above is closed to others: move it to {place.SYSTEM_FILE}."
        )


def installed() -> str:
    """Return the text of the unit that we have installed, "" where there's none."""
    return UNIT.read_text() if place.exists(UNIT) else ""


def packaged() -> str:
    """Return the text of the unit that a package has installed, "" where there's none."""
    return PACKAGED.read_text() if place.exists(PACKAGED) else ""


def write_unit(text: str) -> None:
    """Write the unit and have systemd read it."""
    if installed() != text:
        if not place.exists(UNIT):
            files.create(UNIT, "")
        UNIT.chmod(0o644)
        files.replace(UNIT, text)
        systemctl("daemon-reload")


def remove_unit() -> None:
    """End the service, and remove its unit."""
    systemctl("disable", "--now", NAME)
    UNIT.unlink()
    systemctl("daemon-reload")


def systemctl(*words: str) -> None:
    """Call systemctl; Failure with its words where it fails."""
    _run(["systemctl", "--quiet", *words])


def property_of(name: str) -> str:
    """Return what systemd says of a property of the service."""
    shown = ["systemctl", "show", NAME, f"--property={name}", "--value"]
    return subprocess.run(shown, capture_output=True, text=True, timeout=_PATIENCE).stdout.strip()


def exposure(text: str) -> float | None:
    """Return how exposed systemd finds a unit, 0 to 10; None where nothing here can tell."""
    if shutil.which("systemd-analyze") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        unit = Path(folder, NAME)
        unit.write_text(text)
        rate = ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(unit)]
        said = subprocess.run(rate, capture_output=True, text=True, timeout=_PATIENCE).stdout
    found = re.search(r"exposure level for .*: ([0-9.]+)", said)
    return float(found[1]) if found else None


def unit_for(file: Path, firewall: bool) -> str:
    """Return the unit for a file; for a file that isn't there yet, that of a configuration as it would be made."""
    settings = place.read(file) if place.exists(file) else Configuration(_EMPTY, str(file))
    return service_unit.text(settings, file.absolute(), firewall)


_EMPTY = "config relay 'main'\n\toption realm 'edgeturn'\n"


def _may(command: list[str], environment: dict[str, str] | None = None) -> bool:
    """Say whether a command succeeds as the user."""
    found = pwd.getpwnam(USER)
    try:
        done = subprocess.run(
            command,
            user=found.pw_uid,
            group=found.pw_gid,
            extra_groups=[],
            env={"PATH": os.defpath} | (environment or {}),
            capture_output=True,
            cwd="/",
            timeout=_PATIENCE,
        )
    except PermissionError:
        return False
    return done.returncode == 0


def _run(command: list[str], given: str = "") -> None:
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=_PATIENCE)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failure(f"`{' '.join(command)}` failed: {error}.") from None
    if done.returncode:
        raise Failure(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
