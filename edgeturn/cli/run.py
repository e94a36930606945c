"""`edgeturn run`: set up, attach to the kernel, say what a person needs next, and become the daemon.

Rule 1: the daemon replaces this process, so nothing of the tool stays in memory; it runs without site packages, which
        take 3 MB, unless the configuration asks for what only they have.
Rule 2: that a file was made is said at once; what would keep it from starting is said instead of what comes next,
        which the daemon prints when it's ready.
"""

import os
import resource
import shlex
import sys
import time
from pathlib import Path

import click

from edgeturn.cli import discovery, identity, kernel, obstacles, place, web
from edgeturn.cli.failure import Failure
from edgeturn.cli.output import bytes_text, counted, pool_text
from edgeturn.command import caveat, ice
from edgeturn.command.output import json_text
from edgeturn.relay import anycast, attacher, plan
from edgeturn.relay.configuration import Configuration

_ROOT = Path(__file__).resolve().parents[2]
_SAID = "EDGETURN_SAID"  # as in edgeturn/relay/main.py, which imports the whole daemon


@click.command("run")
@place.with_file
@click.option("-v", "--verbose", is_flag=True, help="Log every message decoded, whatever `log_level` says.")
def run_command(file: Path, verbose: bool) -> None:
    """Start a relay in the foreground.

    Where the configuration file doesn't exist, it's made first: a realm, one secret and one user, kept for later.
    Prints the iceServers to paste into an application, and logs to standard error. Ctrl-C or SIGTERM end it.

    \b
    Examples:
      edgeturn run
      edgeturn run -c ./my.conf --verbose
    """
    if not place.exists(file):
        identity.create(file, identity.Answers(identity.found_realm()))
        click.echo(f"Made {file} with a realm, one secret and one user; keep it, it is the relay's identity.\n")
    settings = place.read(file)
    obstacles.check(settings, file)
    _raise_file_limit(settings)
    lines = _next(settings, file)
    lines += kernel.at_start(settings, file) + discovery.at_start(settings) + web.start_beside(settings, file)
    _become_daemon(settings, file, verbose, "\n".join([*lines, ""]))


def _next(settings: Configuration, file: Path) -> list[str]:
    login = ice.login(settings, settings.users[0].name if settings.users else "guest", ice.LIFETIME)
    if login is None:
        lines = [f"No secret and no user with a password: nobody can log in; `{place.command('secret add', file)}`.\n"]
    else:
        until = ""
        if login.expires:
            ends = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(login.expires))
            until = f", valid until {ends} (`{place.command('credentials', file)}` mints more)"
        lines = [f"For your application{until}:\n", json_text(ice.servers(settings, login)), ""]
    lines += [f"{line}\n" for line in caveat.left_out(settings) + caveat.clock() + caveat.way_out()]
    return [*lines, _holds(settings), f"Proves that it works: {place.command('check', file)}\n"]


def _holds(settings: Configuration) -> str:
    limits = settings.limits()
    estimate = plan.Estimate(plan.CPYTHON, limits, 2)
    return (
        f"Holds {counted(limits.max_allocations, 'allocation')}, each with {pool_text(limits)}, "
        f"in {estimate.total} bytes "
        f"({bytes_text(estimate.pool + estimate.streams)} of pools, the rest is Python).{_library(settings)}"
    )


def _library(settings: Configuration) -> str:
    """Return what comes on top, as a sentence."""
    if settings.values["dtls"]:
        return " TLS and DTLS take 21 MB more."
    return " TLS takes 6 MB more." if settings.text("certificate") else ""


def _raise_file_limit(settings: Configuration) -> None:
    """Allow as many open files as the relay's sockets need, best also after a restart; Failure where that can't be."""
    limits = settings.limits()
    needed = plan.open_files(limits, 2)
    if not _allows(needed + plan.held_files(limits, 2)) and not _allows(needed):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        raise Failure(
            f"max_allocations {settings.number('max_allocations')} needs {needed} open files and this system "
            f"allows {hard}: raise that (`ulimit -n {needed}`, LimitNOFILE) or lower max_allocations."
        )


def _allows(files: int) -> bool:
    """Raise the limit of open files to a number where it's lower, and say whether that can be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        if files > soft:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, max(files, hard)))
    except (OSError, ValueError):
        return False
    return True


def _become_daemon(settings: Configuration, file: Path, verbose: bool, said: str) -> None:
    sys.stdout.flush()
    os.environ[_SAID] = str(_readable(said))
    lean = [] if settings.values["dtls"] or settings.token_keys else ["-S"]
    arguments = [sys.executable, *lean, "-P", "-u", "-m", "edgeturn.relay", "-c", os.path.abspath(file)]
    os.environ["PYTHONPATH"] = str(_ROOT)
    os.environ[attacher.COMMAND] = shlex.join(kernel.again(file))
    os.environ[anycast.COMMAND] = shlex.join(discovery.again(file))
    os.execv(sys.executable, arguments + ["--verbose"] * verbose)


def _readable(text: str) -> int:
    """Return a descriptor from which whoever this process becomes reads a text, and nobody else."""
    holds = os.memfd_create("said", 0)  # and no pipe, which takes 64 KB
    os.write(holds, text.encode(errors="surrogateescape"))
    os.lseek(holds, 0, os.SEEK_SET)
    return holds
