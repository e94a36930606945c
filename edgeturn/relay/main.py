"""Starting the daemon from a configuration file, with one sentence for everything that keeps it from starting."""

from edgeturn import seam
from edgeturn.relay import configuration
from edgeturn.relay.administration import Administration
from edgeturn.relay.daemon import Daemon
from edgeturn.relay.relays import StartError
from edgeturn.relay.uci import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.relay.configuration import Configuration

_SAID = "EDGETURN_SAID"  # in the environment: the descriptor from which it comes
_USAGE = "usage: -m edgeturn.relay -c FILE [--verbose]"


def main(arguments: "list[str]") -> int:
    """Run a relay; return 0 after an ordinary end, 1 where it can't start, 2 for a wrong configuration."""
    verbose = arguments[2:] == ["--verbose"]
    if arguments[:1] != ["-c"] or len(arguments) != 2 + verbose:
        seam.write_error(_USAGE + "\n")
        return 2
    try:
        settings = configuration.read(arguments[1])
    except ConfigError as error:
        seam.write_error(f"{error}\n")
        return 2
    return serve(settings, verbose, seam.handed_over(_SAID))


def serve(settings: "Configuration", verbose: bool, said: str) -> int:
    """Run a relay with a configuration; return as main does.

    verbose: log every message decoded; said: what is printed once nothing keeps it from starting any more.
    """
    try:
        if verbose:
            settings.values["log_level"] = "debug"
        daemon = Daemon(settings)
        daemon.administer(Administration(daemon).commands())
        daemon.run(said)
    except ConfigError as error:
        seam.write_error(f"{error}\n")
        return 2
    except StartError as error:
        seam.write_error(f"edgeturn: {error}\n")
        return 1
    return 0
