"""Where clients reach a relay: of its listening addresses the ones to tell to others."""

from edgeturn.command import control
from edgeturn.protocol import address, anycast
from edgeturn.protocol.listener import DTLS, TCP, TLS, UDP
from edgeturn.protocol.peers import Peers
from edgeturn.relay import listeners, network
from edgeturn.relay.nat.external import AUTO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from edgeturn.relay.configuration import Configuration

_FAMILIES = (address.IPV4, address.IPV6)
_LOOPBACK = 4


def best(settings: "Configuration") -> "list[bytes]":
    """Return for each family the listening port||ip that most clients reach over UDP."""
    return _best(listeners.addresses(settings, network.interfaces()))


def places(settings: "Configuration") -> "list[tuple[str, bytes]]":
    """Return a relay as its clients reach it: for each transport and family the place that most of them use."""
    listening = listeners.addresses(settings, network.interfaces())
    tls = [place for place in listening if listeners.is_asked(place, listeners.wanted_for_tls(settings))]
    rows = (
        (UDP, listening),
        (TCP, [place for place in listening if listeners.serves_tcp(settings, place)]),
        (TLS, tls),
        (DTLS, tls if settings.values["dtls"] else []),
    )
    return [(transport, place) for transport, found in rows for place in _best(found)]


def tls_name(settings: "Configuration") -> str:
    """Return the name that clients ask for over TLS: the first that is configured, else the certificate's own."""
    return named(settings)[0]


def named(settings: "Configuration") -> "tuple[str, bool, bool]":
    """Return that name, whether browsers may believe the certificate, and whether the name is surely the relay's own.

    A certificate of several names may be that of a web server elsewhere.
    """
    names = [str(each) for each in settings.items("tls_names")]
    own, issued = bool(names), True
    if not names:
        names, issued = _certified_names(settings.text("certificate"))
        own = issued and len(names) == 1
    for name in names:
        if "*" not in name:
            return name, issued, own
    return "", issued, False


def announced(settings: "Configuration", place: bytes) -> bytes:
    """Return the port||ip under which clients on the other side of a one-to-one NAT know a listening one."""
    learn(settings)
    return address.join(settings.announced(address.ip_of(place)), address.port_of(place))


def learn(settings: "Configuration") -> None:
    """Take over which external addresses the running relay has found, so that `announced` says it."""
    if AUTO in settings.items("external_address") and not settings.found:
        for each in known(settings):
            if each["address"]:
                settings.found[address.parse_ip(each["relay_address"])] = address.parse_ip(each["address"])


def known(settings: "Configuration") -> "list[dict[str, Any]]":
    """Return what the running relay says of its relay addresses, nothing where none runs."""
    status: dict[str, Any] = control.is_served(settings) or {}
    found: list[dict[str, Any]] = status.get("external", [])
    return found


def _certified_names(file: str) -> "tuple[list[str], bool]":
    """Return the domain names of a certificate, and whether another has issued it; what's wrong is said elsewhere."""
    if not file:
        return [], False
    try:
        from edgeturn.protocol import certificate  # here, because it takes memory
    except ImportError:  # built without TLS
        return [], False
    from edgeturn.relay.describe import printable

    try:
        with open(file, "rb") as stream:
            blocks = certificate.blocks(stream.read())
        leaf = next(certificate.Certificate(block.der) for block in blocks if block.is_certificate())
    except (OSError, StopIteration, certificate.BadCertificate):
        return [], False
    return [printable(name) for name in leaf.dns], not leaf.is_self_issued()


def _best(listening: "list[bytes]") -> "list[bytes]":
    sources, policy = network.default_sources(), Peers()
    chosen = []
    for family in _FAMILIES:
        ranked = [
            (_rank(address.ip_of(place), sources, policy), number, place)
            for number, place in enumerate(listening)
            if address.family(address.ip_of(place)) == family and address.ip_of(place) not in anycast.ADDRESSES
        ]
        chosen += [min(ranked)] if ranked else []
    far = [each for each in chosen if each[0] != _LOOPBACK]
    return [place for _, _, place in far or chosen]


def _rank(ip: bytes, sources: "list[bytes]", policy: Peers) -> int:
    rule = policy.denies(ip)
    if rule == "loopback":
        return _LOOPBACK
    if rule == "link local":
        return 3
    if ip in sources:
        return 0
    return 2 if rule else 1
