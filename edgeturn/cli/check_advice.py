"""What a failed step of `check` means, and what to do next.

A row: the step and what happened ("" is any), what that means, what to do. The first row that fits is told.
A {name} in a row is a command to type, a row of COMMANDS; nothing stands there for a server that isn't ours.
"""

from pathlib import Path

from edgeturn.cli import place
from edgeturn.probing.fault import SILENT, UNTRUSTED

LOST = "data lost"
ALTERED = "data altered"
GRANTED = "granted"
WRONG_PEER = "wrong sender"
SHARED = "address given twice"
REFUSED = "can't connect: connection refused"
NOT_TRUSTED = "its certificate isn't trusted"
NO_HANDSHAKE = "no TLS handshake"
NO_PACKAGE = "the Python package"
NO_AUTHORITY = "the file"
HANGS_UP = "the server closed the connection"
NO_NAME = "the name '"
NO_ROUTE = "no way there"

_CLOSE_IT = "turn its authentication on: an open relay is found and abused within days"
_REPORT = "report this as a defect of the relay, with the lines of its log around this"

COMMANDS = (
    ("status", "status", " (`{}`)"),
    ("reload", "reload", " (`{}` where the file was changed)"),
    ("allow", "config add allow_peer PREFIX", "; `{}` opens it if it's meant to be reached"),
    ("kick", "kick --user NAME", " (`{}`)"),
    ("plan", "plan", " (`{}` says what that costs)"),
)

ROWS = (
    (
        "connection",
        REFUSED,
        "the machine is there, and nothing listens at this port for this transport",
        "see whether the relay runs{status} and listens there (options `listen`, `listen_tls`, `tcp`, `dtls`)",
    ),
    (
        "connection",
        NOT_TRUSTED,
        "a browser or an application wouldn't connect either, unless it was told to trust this certificate",
        (
            "serve a certificate of a public authority (ACME) for the name that clients use, with its whole chain; "
            "`--ca FILE` trusts one of your own, `--insecure` any"
        ),
    ),
    (
        "connection",
        NO_PACKAGE,
        "this tool can't speak DTLS; that says nothing of the server",
        "install it, and run the check again",
    ),
    (
        "connection",
        NO_AUTHORITY,
        "this tool can't read what it is to trust; that says nothing of the server",
        "give it a file with certificates in PEM by `--ca`",
    ),
    (
        "connection",
        NO_HANDSHAKE,
        "something answers there, but it doesn't speak TLS with us",
        "see whether `certificate` and `key` are set{status}, and whether another program holds this port",
    ),
    (
        "connection",
        HANGS_UP,
        "something answers at this port that is no TURN server, or a proxy stands between",
        "see what listens there; try another network, and the server by UDP",
    ),
    (
        "connection",
        NO_NAME,
        "this machine's DNS doesn't know that name, so no address is known to ask",
        "check its spelling; see by `getent hosts NAME` whether other names are known, or give the server's address",
    ),
    (
        "connection",
        NO_ROUTE,
        "a client on this machine can't use this server at all",
        "see by `ip route` and `ip -6 route` what there is, or give the server an address of the other family",
    ),
    (
        "connection",
        "",
        "nothing answers at this address and port",
        "see whether the relay runs{status}; open the port in the firewall, for TCP where it is TCP or TLS",
    ),
    (
        "Binding",
        SILENT,
        "nothing answers at this address and port",
        (
            "see whether the relay runs{status} and listens there (option `listen`); open the "
            "port for UDP in the firewall"
        ),
    ),
    (
        "",
        HANGS_UP,
        "something answers at this port that is no TURN server, or a proxy stands between",
        "see what listens there; try another network, and the server by UDP",
    ),
    ("challenge", GRANTED, "the relay gives allocations to anybody, without credentials", _CLOSE_IT),
    ("wrong password", GRANTED, "the relay accepts any password", _CLOSE_IT),
    (
        "",
        SILENT,
        (
            "the relay answered before and is silent now: it ended, packets are lost, or this network asked "
            "too often without credentials"
        ),
        "look at its log; raise `unauthenticated_rate` if that is low; run the check again",
    ),
    (
        "",
        "401",
        (
            "the relay doesn't accept username and password: one of them is wrong, expired, or made with a "
            "secret that the relay doesn't have"
        ),
        ("compare secrets, users and realm with the relay's{reload}, and the clocks of both machines"),
    ),
    (
        "",
        "403",
        "the relay's policy forbids the peer",
        "its log names the rule{allow}",
    ),
    (
        "",
        "437",
        "the relay doesn't know the allocation any more",
        "see in its log whether it was restarted or the session was ended during the check; run the check again",
    ),
    (
        "",
        "438",
        "the relay calls each of its own nonces stale",
        "see whether several relays share this address, or something between changes your source port",
    ),
    ("", "442", "the server relays no UDP", "use another server, or let it relay UDP"),
    (
        "",
        "486",
        "this user has as many allocations as it may",
        "end some{kick}, raise `user_quota`, or check with another user",
    ),
    (
        "",
        "508",
        "all allocations are in use, or the relay is being drained",
        "see how many are left and whether it is drained{status}; raise `max_allocations`{plan}",
    ),
    ("", "300", "the server sends clients to another one", "check that one"),
    ("", "420", "the server is older than what was asked of it", "bring it up to date: this is part of RFC 8656"),
    (
        "",
        UNTRUSTED,
        "the answer isn't signed with your password: something between changes packets, or the server is broken",
        "check from the relay's own machine; if that passes, look for a gateway that rewrites addresses (ALG)",
    ),
    (
        "relay to relay",
        LOST,
        "two clients of this relay don't reach each other through it",
        (
            "behind a one-to-one NAT set `external_address` to RELAY=ANNOUNCED; see in the firewall whether "
            "the machine may reach its own `relay_ports`"
        ),
    ),
    (
        "",
        LOST,
        "the relay granted everything, but the data doesn't arrive",
        (
            "open `relay_ports` for UDP in the firewall, in both directions; see whether the relayed "
            "address is one that the relay's machine really has"
        ),
    ),
    (
        "",
        ALTERED,
        "other bytes arrived than were sent",
        "check from the relay's own machine; if that passes, something between changes packets",
    ),
    (
        "",
        WRONG_PEER,
        "data came from another address than the relayed one",
        "see whether a NAT rewrites the relay's packets, and set `external_address` where it does",
    ),
    ("", SHARED, "two allocations have one relayed address", _REPORT),
    ("release", GRANTED, "an allocation lives on after it was released", _REPORT),
    ("", "", "the relay refused what every TURN server grants", _REPORT),
)


class Advice:
    """What to tell of a server: of our own, by its configuration file, with the commands to type."""

    def __init__(self, file: Path | None) -> None:
        """Take the server's configuration file, None where it isn't ours."""
        self._commands = {
            name: "" if file is None else words.format(place.command(command, file))
            for name, command, words in COMMANDS
        }

    def find(self, step: str, happened: str) -> tuple[str, str]:
        """Return what a failure means and what to do; what happened may go on behind the words of a row."""
        for row_step, row_happened, meaning, action in ROWS:
            if row_step in ("", step) and happened.startswith(row_happened):
                return meaning, action.format_map(self._commands)
        raise AssertionError

    def at_first(self, happened: str) -> tuple[str, str]:
        """Return what to tell of a server that failed when it was asked for the first time; an error by its code."""
        step = "Binding" if happened == SILENT else "" if happened.isdigit() else "connection"
        return self.find(step, happened)
