"""What a running relay is asked by its control socket: status, sessions, kick, drain, reload."""

import time

from edgeturn.command import control, place, report
from edgeturn.command.calling import number
from edgeturn.command.failure import Failure, Wrong
from edgeturn.command.output import counted, print_json, print_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from edgeturn.command.calling import Given
    from edgeturn.relay.configuration import Configuration

_LOOK_AGAIN = 1  # seconds
_MOST_SESSIONS = (1 << 30) - 1


def status(given: "Given") -> None:
    """Show what the relay is and does."""
    print_status(control.ask(place.read(given.file), "status"), given.flag("--json"))


def print_status(answer: "dict[str, Any]", as_json: bool) -> None:
    """Print a status."""
    if as_json:
        print_json(answer)
        return
    for name, value in report.status_rows(answer):
        print(f"{name:<15} {value}")


def sessions(given: "Given") -> None:
    """List the allocations."""
    print_sessions(given.file, given.flag("--json"))


def print_sessions(file: str, as_json: bool) -> None:
    """Print the allocations of the relay that runs with a file."""
    answer: Any = control.ask(place.read(file), "sessions")
    if as_json:
        print_json(answer["sessions"])
    elif not answer["sessions"]:
        print("No session.")
    else:
        print_table(report.SESSION_HEADER, [report.session_row(each) for each in answer["sessions"]])


def kick(given: "Given") -> None:
    """End a session, or all of a user."""
    typed = given.text("[ID]")
    session = None if typed is None else number(typed, 0, _MOST_SESSIONS, "ID")
    end(given.file, session, given.text("--user"))


def end(file: str, session: "int | None", user: "str | None") -> None:
    """End a session, or all of a user."""
    if (session is None) == (user is None):
        raise Wrong(f"say which: `{place.command('kick ID', file)}` or `{place.command('kick --user NAME', file)}`.")
    settings = place.read(file)
    try:
        if user is None:
            answer: Any = control.ask(settings, "kick", session=session)
        else:
            answer = control.ask(settings, "kick", user=user)
    except control.Refused as error:
        raise Failure(f"{error.message.rstrip('.')}; `{place.command('sessions', file)}` lists all.")
    print(f"Ended {', '.join([str(each) for each in answer['ended']])}.")


def drain(given: "Given") -> None:
    """Admit no new allocations; the relay ends when none is left."""
    end_slowly(given.file, given.flag("--wait"))


def end_slowly(file: str, wait: bool) -> None:
    """Drain the relay of a file; wait: until it has ended."""
    settings = place.read(file)
    left: Any = control.ask(settings, "drain")["allocations"]
    print(_left(left))
    if wait:
        _wait(settings, left)
        print("The relay has ended.")


def reload(given: "Given") -> None:
    """Apply the configuration file."""
    apply(given.file, given.flag("--json"))


def apply(file: str, as_json: bool) -> None:
    """Have the relay apply its file; Wrong, and nothing changed, where that is wrong."""
    text = place.read_text(file)
    try:
        settings = place.parse(text, file)
    except Wrong as error:
        raise Wrong(f"nothing was changed: {error.message}")
    _check_same(control.ask(settings, "status"), file)
    answer: Any = control.ask(settings, "reload", configuration=text)
    if as_json:
        print_json(answer)
        return
    print(f"Applied: {', '.join(answer['applied']) or 'nothing new'}.")
    if answer["needs_restart"]:
        print(f"Needs a restart: {', '.join(answer['needs_restart'])}.")
    for reason in answer["not_listening"]:
        print(f"{reason[:1].upper()}{reason[1:]}. The relay tries again each second.")


def _check_same(status: "dict[str, Any]", file: str) -> None:
    """Refuse to give a relay the file of another."""
    used = status["configuration"]
    if used.startswith("/") and not place.is_same(used, file):
        way = place.service("reload", file)
        hint = f"; `{way}` has it take a new copy" if way.startswith("service ") else ""
        raise Failure(f"the relay at this control socket runs with {used}, not with {file}: nothing was changed{hint}.")


def _left(count: int) -> str:
    if not count:
        return "No allocation is left; the relay ends."
    return f"{counted(count, 'allocation')} left; the relay ends with the last."


def _wait(settings: "Configuration", left: int) -> None:
    while True:
        time.sleep(_LOOK_AGAIN)
        try:
            now: Any = control.ask(settings, "status")["allocations"]
        except control.Unreachable:
            return
        if now != left:
            print(_left(now))
        left = now
