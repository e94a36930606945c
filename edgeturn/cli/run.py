"""`edgeturn run`: set up, say what a person needs next, and become the daemon.

Rule 1: the daemon replaces this process, so nothing of the tool stays in memory; it runs without site packages, which
        take 3 MB.
Rule 2: what would keep it from starting is said before anything else is printed.
"""

import os
import resource
import sys
import time
from pathlib import Path

import click

from edgeturn import seam
from edgeturn.cli import addresses, control, ice, identity, place
from edgeturn.cli.failure import Failure
from edgeturn.cli.output import bytes_text, print_json
from edgeturn.protocol import address
from edgeturn.relay import plan
from edgeturn.relay.configuration import Configuration

_CREDENTIAL_LIFETIME = 86400  # seconds
_ROOT = Path(__file__).resolve().parents[2]


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
    made = not place.exists(file)
    if made:
        identity.create(file, identity.Answers(identity.found_realm()))
    settings = place.read(file)
    _check_start(settings, file)
    if made:
        click.echo(f"Made {file} with a realm, one secret and one user; keep it, it is the relay's identity.\n")
    _raise_file_limit(settings)
    _print_next(settings, file)
    _become_daemon(file, verbose)


def _check_start(settings: Configuration, file: Path) -> None:
    running = control.is_served(settings)
    if running is not None:
        raise Failure(
            f"a relay with this control socket runs already, process {running['process']}: "
            f"`{place.command('status', file)}` shows it; for a second one use another file with other `listen` and `control`."  # noqa: E501
        )
    for each in addresses.listening(settings):
        _try_to_listen(each)


def _try_to_listen(each: bytes) -> None:
    sock = seam.udp_socket(address.ip_of(each))
    try:
        sock.bind(seam.native(each))
    except OSError as error:
        why = seam.reason(error)
        hint = "; give it the right to ports below 1024, or set `listen` to a higher one"
        if error.errno == seam.EADDRINUSE:
            hint = "; is another TURN server running? End it, or set `listen` to another port"
        raise Failure(f"can't listen on {address.format(each)}: {why}{hint}.") from None
    finally:
        sock.close()


def _print_next(settings: Configuration, file: Path) -> None:
    login = ice.login(settings, settings.users[0].name if settings.users else "guest", _CREDENTIAL_LIFETIME)
    if login is None:
        click.echo(
            f"No secret and no user with a password: nobody can log in; `{place.command('secret add', file)}`.\n"
        )
    else:
        until = ""
        if login.expires:
            ends = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(login.expires))
            until = f", valid until {ends} (`{place.command('credentials', file)}` mints more)"
        click.echo(f"For your application{until}:\n")
        print_json(ice.servers(settings, login))
        click.echo()
    click.echo(_holds(settings))
    click.echo(f"Proves that it works: {place.command('check', file)}\n")


def _holds(settings: Configuration) -> str:
    limits = settings.limits()
    estimate = plan.Estimate(plan.CPYTHON, limits, 2)
    return (
        f"Holds {limits.max_allocations} allocations, each with {limits.max_permissions} permissions and "
        f"{limits.max_channels} channels, in {estimate.total} bytes "
        f"({bytes_text(estimate.pool)} of pools and sockets, the rest is Python)."
    )


def _raise_file_limit(settings: Configuration) -> None:
    """Allow as many open files as the relay's sockets need; Failure where the system doesn't."""
    needed = plan.open_files(settings.limits(), 2)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if needed > soft:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, max(needed, hard)))
        except (OSError, ValueError):
            raise Failure(
                f"max_allocations {settings.number('max_allocations')} needs {needed} open files and this system "
                f"allows {hard}: raise that (`ulimit -n {needed}`, LimitNOFILE) or lower max_allocations."
            ) from None


def _become_daemon(file: Path, verbose: bool) -> None:
    sys.stdout.flush()
    arguments = [sys.executable, "-S", "-P", "-m", "edgeturn.relay", "-c", os.path.abspath(file)]
    os.environ["PYTHONPATH"] = str(_ROOT)
    os.execv(sys.executable, arguments + ["--verbose"] * verbose)
