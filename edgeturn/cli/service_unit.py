"""The systemd unit of a relay, as text: what is started, and the sandbox that it lives in.

Rule 1: the daemon runs as a user of its own with no right that its configuration doesn't ask for. What needs rights
        (attaching, addresses, reading the file at a reload) is a `+` line: a process of root's that lives for a moment.
Rule 2: secrets don't come into the journal: the bare daemon is started, not `run`, which prints credentials.
Rule 3: the same configuration gives the same text; a line of the sandbox is a row of SANDBOX.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgeturn.cli.failure import Failure
from edgeturn.protocol.address import port_of
from edgeturn.relay import listeners, plan
from edgeturn.relay.configuration import Configuration

NAME = "edgeturn.service"
USER = "edgeturn"
HEAD = "# Made by `edgeturn service install`; `systemctl edit edgeturn` keeps what you add to it.\n"
_RUN = Path("/run")
_BPF = Path("/sys/fs/bpf")
_HOMES = tuple(Path(each) for each in ("/home", "/root", "/run/user"))
_FIRST_FREE_PORT = 1024

# systemd.exec(5). That it isn't there in an older systemd costs the row and no more.
SANDBOX = (
    ("NoNewPrivileges", "yes"),
    ("ProtectSystem", "strict"),
    ("PrivateTmp", "yes"),
    ("PrivateDevices", "yes"),
    ("PrivateMounts", "yes"),
    ("DevicePolicy", "closed"),
    ("ProtectClock", "yes"),
    ("ProtectControlGroups", "yes"),
    ("ProtectHostname", "yes"),
    ("ProtectKernelLogs", "yes"),
    ("ProtectKernelModules", "yes"),
    ("ProtectKernelTunables", "yes"),
    ("ProtectProc", "invisible"),
    ("ProcSubset", "pid"),
    ("RestrictNamespaces", "yes"),
    ("RestrictRealtime", "yes"),
    ("RestrictSUIDSGID", "yes"),
    ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK"),
    ("LockPersonality", "yes"),
    ("RemoveIPC", "yes"),
    ("KeyringMode", "private"),
    ("UMask", "0077"),
    ("TasksMax", "16"),
    ("SystemCallArchitectures", "native"),
    ("SystemCallFilter", "@system-service"),
    ("SystemCallFilter", "~@privileged @resources"),
    ("SystemCallErrorNumber", "EPERM"),
)


@dataclass(frozen=True)
class Places:
    """Where the interpreter and the package are; by default those that run this."""

    python: str = sys.executable
    package: str = str(Path(__file__).resolve().parents[2])


def text(settings: Configuration, file: Path, firewall: bool = False, places: Places | None = None) -> str:
    """Return the unit for a configuration.

    firewall: whether the relay may change the set of its live ports in nftables.
    """
    where = places or Places()
    parts = (
        ("Unit", tuple(_unit(file))),
        ("Service", (*_commands(settings, file, where), *_means(settings, file, where), *_sandbox(settings, firewall))),
        ("Install", (("WantedBy", "multi-user.target"),)),
    )
    return HEAD + "\n".join(f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in rows) for name, rows in parts)


def _unit(file: Path) -> Iterator[tuple[str, str]]:
    yield "Description", "STUN and TURN relay"
    yield "Wants", "network-online.target"
    yield "After", "network-online.target"
    yield "ConditionPathExists", _plain(str(file))


def _commands(settings: Configuration, file: Path, where: Places) -> Iterator[tuple[str, str]]:
    """Return what is started: before it and behind it what needs root, which a relay can do without (`-`)."""
    tool = [where.python, "-P", "-m", "edgeturn"]
    lean = [] if settings.values["dtls"] or settings.token_keys else ["-S"]
    yield "Type", "exec"
    if settings.text("kernel") != "off":
        yield from _way_to_pins(settings)
        yield "ExecStartPre", "+-" + _words([*tool, "kernel", "attach", "-c", str(file)])
    if settings.values["discovery"]:
        yield "ExecStartPre", "+-" + _words([*tool, "discovery", "attach", "-c", str(file)])
        yield "ExecStopPost", "+-" + _words([*tool, "discovery", "detach", "-c", str(file)])
    yield "ExecStart", _words([where.python, *lean, "-P", "-m", "edgeturn.relay", "-c", str(file)])
    yield "ExecReload", "+" + _words([*tool, "reload", "-c", str(file)])
    yield "Restart", "on-failure"
    yield "RestartSec", "2"
    yield "RestartPreventExitStatus", "2"  # a wrong configuration gets no better by itself


def _way_to_pins(settings: Configuration) -> Iterator[tuple[str, str]]:
    """Let the user pass through /sys/fs/bpf to its own folder: systemd mounts it closed to all but root.

    A bind of that folder alone would do, too, but `ProtectKernelTunables` lies over it (systemd 252).
    """
    pins = settings.text("kernel_pins")
    if _BPF in Path(pins).parents:
        yield "ExecStartPre", f"+-chgrp {USER} {_BPF}"
        yield "ExecStartPre", f"+-chmod g+x {_BPF}"
        yield "ExecStartPre", "+-" + _words(["mkdir", "--parents", "--mode=0755", pins])  # whatever UMask says


def _means(settings: Configuration, file: Path, where: Places) -> Iterator[tuple[str, str]]:
    """Return who it is, and what it has from the system."""
    limits = settings.limits()
    yield "User", USER
    yield "Environment", _quoted(f"PYTHONPATH={where.package}")
    yield "LimitNOFILE", str(plan.open_files(limits, 2) + plan.held_files(limits, 2))
    control = Path(settings.text("control")).parent
    if control.parent == _RUN:
        yield "RuntimeDirectory", _quoted(control.name)
        yield "RuntimeDirectoryMode", "0750"
    else:
        yield "ReadWritePaths", _quoted(str(control))
    read = [Path(each) for each in (where.python, where.package, str(file), *files_of(settings))]
    yield "ProtectHome", "read-only" if any(home in each.parents for home in _HOMES for each in read) else "yes"


def _sandbox(settings: Configuration, firewall: bool) -> Iterator[tuple[str, str]]:
    rights = capabilities(settings, firewall)
    yield "CapabilityBoundingSet", " ".join(rights)
    yield "AmbientCapabilities", " ".join(rights)
    if not rights:  # a right in a user namespace of one's own is none on the network of the machine
        yield "PrivateUsers", "yes"
    if not settings.values["dtls"]:  # pyOpenSSL's callbacks are made at run time (cffi)
        yield "MemoryDenyWriteExecute", "yes"
    yield from SANDBOX
    if settings.text("kernel") != "off":
        yield "SystemCallFilter", "bpf"


def capabilities(settings: Configuration, firewall: bool) -> list[str]:
    """Return the rights that a configuration can't do without."""
    wanted = listeners.wanted(settings)
    names = ["CAP_NET_BIND_SERVICE"] if any(0 < port_of(each) < _FIRST_FREE_PORT for each in wanted) else []
    return names + ["CAP_NET_ADMIN"] * firewall


def files_of(settings: Configuration) -> list[str]:
    """Return the files that a configuration names and the relay has to read."""
    return [path for name in ("certificate", "key") if (path := settings.text(name))]


def _words(words: list[str]) -> str:
    """Return words as systemd reads them in a command."""
    return " ".join(_quoted(word).replace("$", "$$") for word in words)


def _quoted(word: str) -> str:
    escaped = _plain(word).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if any(each in word for each in " \t'\"\\;") else escaped


def _plain(value: str) -> str:
    """Return a value in which a percent sign is one; Failure where it would begin another line of the unit."""
    if not value.isprintable():
        raise Failure(f"the unit of a service can't name {value!r}: choose a path without control characters.")
    return value.replace("%", "%%")
