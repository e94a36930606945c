"""`edgeturn run`: set up, have the kernel attached, say what a person needs next, and be the daemon.

Rule 1: the daemon is this very process; before it begins, all that the tool has loaded is forgotten.
Rule 2: that a file was made is said at once; a port that can't be had is said before anything is attached, and what
        comes next by the relay, where nothing keeps it from starting.
"""

import struct
import sys

from edgeturn import seam
from edgeturn.command import caveat, control, files, ice, identity, place
from edgeturn.command.failure import Failure
from edgeturn.command.output import bytes_text, counted, date_text, json_text, pool_text
from edgeturn.protocol import anycast
from edgeturn.protocol.address import ip_of
from edgeturn.relay import attacher, listeners, network, plan
from edgeturn.relay.streams import sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.command.calling import Given
    from edgeturn.relay.configuration import Configuration

_FILES = 5 if seam.EADDRINUSE == 125 else 7  # RLIMIT_NOFILE, which is another number on MIPS
_LAYOUTS = ("QQ", "LL")  # of struct rlimit: musl has 64 bits on every machine, others a long


def run(given: "Given") -> int:
    """Start a relay in this process; return its exit code."""
    file = given.file
    if not place.exists(file):
        identity.create(file, identity.found_realm())
        print(f"Made {file} with a realm, one secret and one user; keep it, it is the relay's identity.\n")
    settings = place.read(file)
    _check_alone(settings, file)
    _check_listeners(settings)
    _raise_file_limit(settings)
    lines = _next(settings, file)
    settings.file = identity.absolute(file)
    said = "\n".join(lines + _attach(settings) + [""])
    verbose = given.flag("--verbose")
    _forget()
    from edgeturn.relay.main import serve

    return serve(settings, verbose, said)


def _check_alone(settings: "Configuration", file: str) -> None:
    running = control.is_served(settings)
    if running is not None:
        raise Failure(
            f"a relay with this control socket runs already, process {running['process']}: "
            f"`{place.command('status', file)}` shows it; for a second one use another file with other "
            "`listen` and `control`."
        )


def _check_listeners(settings: "Configuration") -> None:
    """Open and close what the relay will listen on; an address that isn't there yet keeps it only from that one."""
    absent, opened = "", False
    for each in listeners.addresses(settings, network.interfaces()):
        if ip_of(each) in anycast.ADDRESSES:  # those come with the relay
            continue
        over = ""
        try:
            listeners.open_at(each).close()
            over = " over TCP"
            if listeners.serves_tcp(settings, each):
                sockets.listener(each).close()
            opened = True
        except OSError as error:
            absent = listeners.trouble(each, over, error)
            if error.args[0] != seam.EADDRNOTAVAIL:
                raise Failure(f"{absent}.")
    if absent and not opened:
        raise Failure(f"{absent}.")


def _next(settings: "Configuration", file: str) -> "list[str]":
    login = ice.login(settings, settings.users[0].name if settings.users else "guest", ice.LIFETIME)
    if login is None:
        lines = [f"No secret and no user with a password: nobody can log in; `{place.command('secret add', file)}`.\n"]
    else:
        until = ""
        if login.expires:
            more = place.command("credentials", file)
            until = f", valid until {date_text(login.expires)} (`{more}` mints more)"
        lines = [f"For your application{until}:\n", json_text(ice.servers(settings, login)), ""]
    lines += [f"{line}\n" for line in caveat.left_out(settings) + caveat.clock() + caveat.way_out()]
    return lines + [_holds(settings), f"Proves that it works: {place.command('check', file)}\n"]


def _holds(settings: "Configuration") -> str:
    limits = settings.limits()
    estimate = plan.Estimate(seam.INTERPRETER.split(" ")[0], limits, 2)
    return (
        f"Holds {counted(limits.max_allocations, 'allocation')}, each with {pool_text(limits)}, "
        f"in {estimate.total} bytes ({bytes_text(estimate.pool + estimate.streams)} of pools, the rest is Python)."
    )


def _raise_file_limit(settings: "Configuration") -> None:
    """Allow as many open files as the relay's sockets need, best also after a restart; Failure where that can't be."""
    if not seam.CALLS:
        return
    limits = settings.limits()
    needed = plan.open_files(limits, 2)
    if not _allows(needed + plan.held_files(limits, 2)) and not _allows(needed):
        raise Failure(
            f"max_allocations {settings.number('max_allocations')} needs {needed} open files and this system "
            f"allows fewer: raise that (`ulimit -n {needed}`, LimitNOFILE) or lower max_allocations."
        )


def _allows(files: int) -> bool:
    """Raise the limit of open files to a number where it's lower, and say whether that can be."""
    buffer = bytearray(16)
    seam.call("getrlimit", _FILES, buffer)
    # In the narrow layout the second half stays empty.
    layout = _LAYOUTS[0] if any(buffer[2 * struct.calcsize("L") :]) else _LAYOUTS[1]
    if struct.calcsize("L") == 8:
        layout = _LAYOUTS[0]
    soft, hard = struct.unpack_from(layout, buffer)
    if files <= soft:
        return True
    struct.pack_into(layout, buffer, 0, files, max(files, hard))
    try:
        seam.call("setrlimit", _FILES, buffer)
    except OSError:
        return False
    return True


def _attach(settings: "Configuration") -> "list[str]":
    """Have the kernel carry media, where it may; return what to say of it."""
    if settings.text("kernel") == "off":
        return []
    attacher.command = f"{_program()} kernel attach --following -c {place.quoted(settings.file)}"
    from edgeturn.kernel.direct import attachment  # here, because it takes memory

    lines: list[str] = attachment.at_start(settings, lambda words: place.command(words, settings.file))
    return lines


def _program() -> str:
    """Return how a shell calls this tool."""
    interpreter = getattr(sys, "executable", "")  # the firmware has none: it's a program by itself
    if interpreter:
        return f"{place.quoted(interpreter)} -m edgeturn.command"
    return place.quoted(files.target("/proc/self/exe"))


def _forget() -> None:
    """Let go of what the tool has loaded; what the daemon needs of it is loaded again."""
    for name in list(sys.modules):
        if name.startswith("edgeturn.command") or name.startswith("edgeturn.kernel.direct"):
            del sys.modules[name]
