"""Time-limited credentials, and the iceServers that applications are given.

Rule 1: no more URIs than browsers take without a warning, each being a server to gather from; where there are more,
        each transport stays, UDP of both families too. What that loses: IPv6 over TCP for who has neither IPv4 nor UDP.
Rule 2: option `ice_uri` says it all instead.
"""

from edgeturn import seam
from edgeturn.command import addresses
from edgeturn.protocol import address, credentials
from edgeturn.protocol.listener import DTLS, TCP, TLS, UDP
from edgeturn.protocol.peers import Peers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.relay.configuration import Configuration

LIFETIME = 86400  # seconds that a credential lasts if nobody says otherwise
MOST = 4  # URIs; Firefox warns of five
SHORT_LIFETIME = 600  # seconds, of one that is used at once
STUN = "stun"
# Which URIs are told of too many: the first or second of a kind. IPv6 has no NAT, so one of STUN is enough; TLS goes
# where plain TCP goes. No browser speaks DTLS.
_ORDER = ((STUN, 0), (UDP, 0), (UDP, 1), (TLS, 0), (TCP, 0))


class Login:
    """A username with its password, and the Unix time at which it ends; 0 where it doesn't."""

    def __init__(self, username: str, password: str, expires: int = 0) -> None:
        """Take the three."""
        self.username = username
        self.password = password
        self.expires = expires


def mint(secret: str, name: str, seconds: int) -> Login:
    """Return a time-limited credential; the name is what quotas are counted by, "" gives none."""
    expires = seam.wall() + seconds
    username = f"{expires}:{name}" if name else str(expires)
    password = credentials.time_limited_password(secret.encode(), username.encode()).decode()
    return Login(username, password, expires)


def login(settings: "Configuration", name: str, seconds: int) -> "Login | None":
    """Return a credential that a configuration admits: minted, or its first user's; None where it has none."""
    secrets = settings.items("secret")
    if secrets:
        return mint(str(secrets[0]), name, seconds)
    for user in settings.users:
        if user.password:
            return Login(user.name, user.password)
    return None


def urls(settings: "Configuration") -> "list[str]":
    """Return the URIs that applications are told (RFC 7064, RFC 7065)."""
    return [str(each) for each in settings.items("ice_uri")] or chosen(every(settings))


def left_out(settings: "Configuration") -> "list[str]":
    """Return the URIs of a relay that applications aren't told."""
    told = urls(settings)
    return [url for _, url in every(settings) if url not in told]


def every(settings: "Configuration") -> "list[tuple[str, str]]":
    """Return all URIs of a relay, each behind its kind: STUN, and TURN by each transport, for each family."""
    name, issued, own = addresses.named(settings)
    found = _rows(settings, name, issued, "")
    return _rows(settings, name, issued, name) if own and len(found) > MOST else found


def chosen(rows: "list[tuple[str, str]]") -> "list[str]":
    """Return of all URIs those to tell."""
    picked = []
    for kind, number in _ORDER if len(rows) > MOST else ():
        picked += [url for its, url in rows if its == kind][number : number + 1]
    picked = (picked + [url for _, url in rows if url not in picked])[:MOST]
    return [url for _, url in rows if url in picked]


def _rows(settings: "Configuration", name: str, issued: bool, host: str) -> "list[tuple[str, str]]":
    """Return kind and URI; name: the one for TLS, which browsers believe if it's issued; host: for all, if any."""
    public: list[tuple[str, bytes]] = []
    private: list[tuple[str, bytes]] = []
    policy = Peers()
    for transport, place in addresses.places(settings):
        told = addresses.announced(settings, place)
        (private if policy.denies(address.ip_of(told)) else public).append((transport, told))
    stun, turn = [], []
    for transport, told in public + private:
        secure = transport in (TLS, DTLS)
        at = host or (secure and name) or address.format(told).rpartition(":")[0]
        port = address.port_of(told)
        stun += [(STUN, form(False, at, port, transport))] if transport == UDP else []
        turn.append(("" if secure and not issued else transport, form(True, at, port, transport)))
    found: list[tuple[str, str]] = []
    for each in stun + turn:
        found += [] if each in found else [each]
    return found


def form(turn: bool, host: str, port: int, transport: str) -> str:
    """Return the URI of a server; the host of IPv6 stands in brackets already."""
    secure = "s" if transport in (TLS, DTLS) else ""
    if not turn:
        return f"stun{secure}:{host}:{port}"
    return f"turn{secure}:{host}:{port}?transport={'tcp' if transport in (TCP, TLS) else 'udp'}"


def servers(settings: "Configuration", given: Login) -> "dict[str, object]":
    """Return the document that RTCPeerConnection takes."""
    entry = {"urls": urls(settings), "username": given.username, "credential": given.password}
    return {"iceServers": [entry]}
