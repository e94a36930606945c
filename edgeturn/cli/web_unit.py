"""The systemd unit of the page, beside that of the relay (edgeturn/cli/service_unit.py), whose sandbox it shares.

Rule 1: the process that reads no network stays root with what it can't do without: to reach the relay's socket and to
        keep owner and mode of the configuration. The other one becomes the relay's user by itself.
Rule 2: it's stopped with the relay's unit, and runs on while a relay that failed is started again.
"""

from collections.abc import Iterator
from pathlib import Path

from edgeturn.cli import service_machine, service_unit
from edgeturn.cli.failure import Failure
from edgeturn.cli.service_unit import SANDBOX, Places

NAME = "edgeturn-web.service"
_RIGHTS = "CAP_SETUID CAP_SETGID CAP_DAC_OVERRIDE CAP_CHOWN CAP_FOWNER CAP_NET_BIND_SERVICE"
_TASKS = "64"  # both processes with their threads
_NEEDLESS = ("TasksMax", "ProcSubset", "ProtectProc")


def text(file: Path, places: Places | None = None) -> str:
    """Return the unit for a configuration file; Failure where a service must not run what is there."""
    where = places or Places()
    service_machine.check_places(where)
    if any(each in str(file) for each in "\n%\"\\' "):
        raise Failure(f"the unit of a service can't name {str(file)!r}: choose a path without spaces and quotes.")
    parts = (
        ("Unit", tuple(_unit())),
        ("Service", tuple(_service(file, where))),
        ("Install", (("WantedBy", "multi-user.target"),)),
    )
    lines = (f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in rows) for name, rows in parts)
    return "# Made by `edgeturn web --unit`.\n" + "\n".join(lines)


def _unit() -> Iterator[tuple[str, str]]:
    yield "Description", "Page of the STUN and TURN relay"
    yield "PartOf", service_unit.NAME
    yield "After", service_unit.NAME


def _service(file: Path, where: Places) -> Iterator[tuple[str, str]]:
    yield "Type", "exec"
    yield "ExecStart", f"{where.python} -P -m edgeturn web -c {file}"
    yield "Environment", f"PYTHONPATH={where.package}"
    yield "Restart", "on-failure"
    yield "RestartSec", "5"
    yield "RestartPreventExitStatus", "1 2"  # what a person has to correct
    yield "KillMode", "mixed"
    yield "CapabilityBoundingSet", _RIGHTS
    yield "ReadWritePaths", str(file.parent)
    yield "ProtectHome", "read-only" if any(each in file.parents for each in map(Path, ("/home", "/root"))) else "yes"
    yield "TasksMax", _TASKS
    yield from (row for row in SANDBOX if row[0] not in _NEEDLESS)
