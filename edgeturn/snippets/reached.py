"""Where a relay's clients reach it, as its configuration and this machine say, or under a name that somebody gives.

Rule 1: where there's a name for TLS, it's the host of everything: one name has both families, and outlives addresses.
        Where there's none, no more URIs are told than browsers take without a warning (edgeturn/command/ice.py).
Rule 2: TLS is named only under a name: no browser trusts a certificate of an address. DTLS isn't: browsers have none.
"""

from edgeturn.command import addresses, ice, place
from edgeturn.command.failure import Wrong
from edgeturn.protocol import address
from edgeturn.protocol.listener import TCP, TLS, UDP
from edgeturn.protocol.mapping import dns
from edgeturn.protocol.peers import Peers
from edgeturn.relay.configuration import Configuration
from edgeturn.snippets.application import Reached

Places = list[tuple[str, bytes]]


def reached(settings: Configuration, name: str = "") -> Reached:
    """Return where clients reach a relay; Wrong where a name is no host."""
    places = _places(settings)
    if not any(transport == UDP for transport, _ in places):
        raise Wrong(f"{settings.file}: the relay listens on none of this machine's addresses now; `{place.command('check', settings.file)}` says more.")  # fmt: skip  # noqa: E501
    named = _host(name) if name else addresses.tls_name(settings)
    if not named:
        places = [each for each in places if each[0] != TLS]
    first: dict[str, bytes] = {}
    for transport, at in places:
        first.setdefault(transport, at)
    stun, turn = _uris(places, named)
    return Reached(
        named or address.format_ip(address.ip_of(first[UDP])),
        address.port_of(first[UDP]),
        TCP in first,
        address.port_of(first[TLS]) if TLS in first else 0,
        tuple(stun),
        tuple(turn),
    )


def obstacles(settings: Configuration, found: Reached, wants_tls: bool) -> list[str]:
    """Return what an application will miss of a relay, a sentence each, with the command that changes it."""
    missing = []
    rule = _rule(found.host)
    if rule:
        auto = place.command("config add external_address auto", settings.file)
        missing.append(
            f"{found.host} is no address that the internet reaches ({rule}): calls from outside need `{auto}`, "
            "or `--name HOST` with the name or address under which it is reached."
        )
    if wants_tls and not found.tls_port:
        missing.append(_without_tls(settings))
    return missing


def _places(settings: Configuration) -> Places:
    told = (UDP, TCP, TLS)
    listening = [each for each in addresses.places(settings) if each[0] in told]
    return [(transport, addresses.announced(settings, at)) for transport, at in listening]


def _uris(places: Places, named: str) -> tuple[list[str], list[str]]:
    stun, turn = [], []
    for transport, at in places:
        host = _bracketed(named) if named else address.format(at).rpartition(":")[0]
        stun += [(ice.STUN, ice.form(False, host, address.port_of(at), transport))] if transport == UDP else []
        turn.append((transport, ice.form(True, host, address.port_of(at), transport)))
    told = ice.chosen(list(dict.fromkeys(stun + turn)))
    return [each for each in told if each.startswith("stun")], [each for each in told if each.startswith("turn")]


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _host(name: str) -> str:
    bare = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    try:
        return address.format_ip(address.parse_ip(bare))
    except ValueError:
        pass
    if not dns.is_name(bare):
        raise Wrong(f"--name: '{name}' is neither a domain name nor an address; a port is none of it.")
    return bare


def _rule(host: str) -> str:
    """Return why the internet doesn't reach a host, "" where it does or where it's a name."""
    try:
        return Peers().denies(address.parse_ip(host)) or ""
    except ValueError:
        return ""


def _without_tls(settings: Configuration) -> str:
    if settings.text("certificate"):
        add = place.command("config add tls_names turn.example.org", settings.file)
        return f"No turns: in it, for the certificate has no domain name; `--name HOST` or `{add}` says which."
    certificate = place.command("config set certificate FILE", settings.file)
    key = place.command("config set key FILE", settings.file)
    return (
        "No turns: in it, for the relay has no certificate: networks that let only TLS through stay closed to it. "
        f"With a domain name's certificate: `{certificate}` and `{key}`."
    )
