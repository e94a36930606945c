"""Time-limited credentials, and the iceServers that applications are given."""

from edgeturn import seam
from edgeturn.command import addresses
from edgeturn.protocol import address, credentials
from edgeturn.protocol.listener import DTLS, TCP, TLS, UDP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.relay.configuration import Configuration

LIFETIME = 86400  # seconds that a credential lasts if nobody says otherwise
SHORT_LIFETIME = 600  # seconds, of one that is used at once


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
    """Return the URIs of a relay (RFC 7064, RFC 7065): STUN, and TURN by each transport, for each family."""
    stun, turn = [], []
    for transport, place in addresses.places(settings):
        told = address.format(addresses.announced(settings, place))
        host, _, port = told.rpartition(":")
        if transport in (TLS, DTLS):
            host = addresses.tls_name(settings) or host
        stun += [form(False, host, int(port), transport)] if transport == UDP else []
        turn.append(form(True, host, int(port), transport))
    found: list[str] = []
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
