"""What a running relay is asked by its control socket: status, sessions, kick, drain, reload."""

import time
from pathlib import Path
from typing import Any

import click

from edgeturn.cli import control, external_report, place
from edgeturn.cli.failure import Failure, Wrong
from edgeturn.cli.output import (
    bytes_text,
    counted,
    json_option,
    of_the_relay_before,
    print_json,
    print_table,
    seconds_text,
)
from edgeturn.kernel.attaching import inspection
from edgeturn.relay.configuration import Configuration

_LOOK_AGAIN = 1.0  # seconds
_WORTH_A_LOOK = ("reservations", "unsent_packets", "lost_log_lines", "failures")  # mostly 0, and then not shown


@click.command("status")
@place.with_file
@json_option
def status_command(file: Path, as_json: bool) -> None:
    """Show what the relay is and does."""
    answer: dict[str, Any] = control.ask(place.read(file), "status")
    if as_json:
        print_json(answer)
        return
    for name, value in _status_rows(answer):
        click.echo(f"{name:<15} {value}")


def _status_rows(answer: dict[str, Any]) -> list[tuple[str, object]]:
    """Return what is shown of a status, with the names of its lines."""
    state = "draining" if answer["draining"] else "running"
    return [
        ("edgeturn", f"{answer['version']} on {answer['interpreter']}, process {answer['process']}, {state}"),
        ("running for", seconds_text(answer["uptime_seconds"])),
        ("configuration", answer["configuration"]),
        ("realm", answer["realm"]),
        ("listening on", ", ".join(answer["listening"])),
        ("", _transports(answer)),
        *[("", reason) for reason in answer["not_listening"]],
        ("relaying from", ", ".join(answer["relay_addresses"])),
        *[("", f"{ip} is away now: no new allocation there") for ip in answer["addresses_away"]],
        *_external(answer["external"]),
        ("allocations", f"{answer['allocations']} of {answer['max_allocations']}, {answer['allocated_ever']} so far"),
        *_connections(answer),
        *_traffic(answer["traffic"]),
        ("refused", _counts(answer["refused"])),
        ("dropped", _counts(answer["dropped"])),
        ("kernel path", _kernel(answer["kernel"])),
        *_certificate(answer["certificate"]),
        *[(name.replace("_", " "), answer[name]) for name in _WORTH_A_LOOK if answer[name]],
        ("memory", bytes_text(answer["memory_bytes"])),
    ]


@click.command("sessions")
@place.with_file
@json_option
def sessions_command(file: Path, as_json: bool) -> None:
    """List the allocations."""
    answer: dict[str, Any] = control.ask(place.read(file), "sessions")
    if as_json:
        print_json(answer["sessions"])
        return
    if not answer["sessions"]:
        click.echo("No session.")
        return
    print_table(
        ("ID", "USER", "CLIENT", "BY", "RELAYED", "AGE", "IDLE", "ENDS IN", "UP", "DOWN", "CHANNELS", "IN KERNEL"),
        [_row(each) for each in answer["sessions"]],
    )


@click.command("kick")
@click.argument("session", type=int, required=False, metavar="[ID]")
@click.option("--user", metavar="NAME", help="End all sessions of this user.")
@place.with_file
def kick_command(session: int | None, user: str | None, file: Path) -> None:
    """End a session by the ID that `edgeturn sessions` shows, or all of a user.

    The client may allocate again at once; remove its user or secret to keep it away.
    """
    if (session is None) == (user is None):
        raise Wrong(f"say which: `{place.command('kick ID', file)}` or `{place.command('kick --user NAME', file)}`.")
    wanted: dict[str, object] = {"session": session} if user is None else {"user": user}
    try:
        answer: dict[str, Any] = control.ask(place.read(file), "kick", **wanted)
    except control.Refused as error:
        raise Failure(f"{error.message.removesuffix('.')}; `{place.command('sessions', file)}` lists all.") from None
    click.echo(f"Ended {', '.join(str(each) for each in answer['ended'])}.")


@click.command("drain")
@click.option("--wait", is_flag=True, help="Wait until the last allocation is gone and the relay has ended.")
@place.with_file
def drain_command(wait: bool, file: Path) -> None:
    """Admit no new allocations; the relay ends when none is left."""
    settings = place.read(file)
    left: Any = control.ask(settings, "drain")["allocations"]
    click.echo(_left(left))
    if wait:
        _wait(settings, left)
        click.echo("The relay has ended.")


@click.command("reload")
@place.with_file
@json_option
def reload_command(file: Path, as_json: bool) -> None:
    """Apply the configuration file; allocations stay, unless their address is taken away.

    Says what was applied and what needs a restart. A file that is wrong changes nothing.
    """
    text = place.read_text(file)
    try:
        settings = place.parse(text, file)
    except Wrong as error:
        raise Wrong(f"nothing was changed: {error.message}") from None
    _check_same(control.ask(settings, "status"), file)
    answer: dict[str, Any] = control.ask(settings, "reload", configuration=text)
    if as_json:
        print_json(answer)
        return
    click.echo(f"Applied: {', '.join(answer['applied']) or 'nothing new'}.")
    if answer["needs_restart"]:
        click.echo(f"Needs a restart: {', '.join(answer['needs_restart'])}.")
    for reason in answer["not_listening"]:
        click.echo(f"{reason[:1].upper()}{reason[1:]}. The relay tries again each second.")


def _check_same(status: dict[str, Any], file: Path) -> None:
    """Refuse to give a relay the file of another."""
    used = Path(status["configuration"])
    if used.is_absolute() and used.resolve() != file.resolve():
        raise Failure(f"the relay at this control socket runs with {used}, not with {file}: nothing was changed.")


def _row(each: dict[str, Any]) -> tuple[object, ...]:
    return (
        each["session"],
        each["user"],
        each["client"],
        each["transport"].upper(),
        ", ".join(each["relayed"]),
        seconds_text(each["age_seconds"]),
        seconds_text(each["idle_seconds"]),
        seconds_text(each["expires_seconds"]),
        bytes_text(each["up_bytes"]),
        bytes_text(each["down_bytes"]),
        each["channels"],
        f"{each['kernel_channels']}, {bytes_text(each['kernel_bytes'])}",
    )


def _transports(answer: dict[str, Any]) -> str:
    """Return by which transports clients come in, and where, if that isn't everywhere."""
    datagrams = "by UDP and DTLS" if answer["dtls"] else "by UDP"
    streams = "TCP and TLS" if answer["certificate"] else "TCP"
    places = answer["listening_tcp"]
    if not places:
        return datagrams
    if len(places) == len(answer["listening"]):
        return f"{datagrams}, {streams}"
    return f"{datagrams}; by {streams} at {', '.join(places)} only"


def _connections(answer: dict[str, Any]) -> list[tuple[str, object]]:
    """Return how full the pools of connections and sessions are, those that there are."""
    streams, dtls = answer["streams"], answer["dtls"]
    rows: list[tuple[str, object]] = []
    if streams:
        kinds = ", ".join(f"{streams[kind]} by {kind.upper()}" for kind in ("tcp", "tls"))
        handed = f", {streams['spliced']} handed to a backend" if streams["max_spliced"] and streams["spliced"] else ""
        rows.append(("connections", f"{streams['connections']} of {streams['max_connections']}: {kinds}{handed}"))
    if dtls:
        rows.append(("DTLS sessions", f"{dtls['sessions']} of {dtls['max_sessions']}"))
    return rows


def _traffic(counts: dict[str, int]) -> list[tuple[str, object]]:
    """Return what was relayed."""
    ways = (("relayed up", "up"), ("relayed down", "down"), ("of it in kernel", "kernel"))
    return [(name, _carried(counts[f"{way}_packets"], counts[f"{way}_bytes"])) for name, way in ways]


def _carried(packets: int, size: int) -> str:
    return f"{counted(packets, 'packet')}, {bytes_text(size)}"


def _external(found: list[dict[str, Any]]) -> list[tuple[str, object]]:
    """Return how the world knows the relay where that isn't by its own addresses, and what is wrong with it."""
    rows: list[tuple[str, object]] = []
    for each in found:
        if each["address"] != each["relay_address"] or each["problems"]:
            rows += [("known as", external_report.words(each)), *[("", problem) for problem in each["problems"]]]
    return rows


def _kernel(path: dict[str, Any]) -> str:
    """Return where the kernel path stands, in words."""
    words = [path["state"]]
    if path["reason"]:
        words.append(path["reason"])
    if path["state"] == "on":
        carried = counted(path["channels"], "channel") + of_the_relay_before(path["orphans"])
        words = [f"attached; carries {carried}"]
        closed = _came_up_for_forwarding(path["folder"])
        if closed:
            words.append(f"{counted(closed, 'packet')} came up to Python because forwarding was off")
    if path["failures"]:
        words.append(f"{counted(path['failures'], 'failed call')}")
    return ", ".join(words)


def _certificate(found: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Return the lines about the certificate: what it is and how long, and what is wrong with it."""
    if found is None:
        return []
    left = found["expires_seconds"]
    ends = f"expires in {seconds_text(left)}" if left > 0 else "has expired"
    about = f"{', '.join(found['names']) or 'no name'}, issued by {found['issuer']}, {ends}"
    return [("certificate", about), *[("", problem) for problem in found["problems"]]]


def _came_up_for_forwarding(folder: str) -> int:
    """Return how many packets couldn't be sent on, 0 where that may not be read."""
    try:
        found = inspection.inspect(Path(folder))
    except OSError:
        return 0
    return found.outcomes["forwarding"] if found else 0


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in counts.items()) or "none"


def _left(count: int) -> str:
    if not count:
        return "No allocation is left; the relay ends."
    return f"{counted(count, 'allocation')} left; the relay ends with the last."


def _wait(settings: Configuration, left: int) -> None:
    while True:
        time.sleep(_LOOK_AGAIN)
        try:
            now: Any = control.ask(settings, "status")["allocations"]
        except control.Unreachable:
            return
        if now != left:
            click.echo(_left(now))
        left = now
