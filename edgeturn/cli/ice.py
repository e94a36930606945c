"""Time-limited credentials, and the iceServers that applications are given."""

import time
from dataclasses import dataclass

from edgeturn.cli import addresses, uri
from edgeturn.protocol import address, credentials
from edgeturn.protocol.listener import UDP
from edgeturn.relay.configuration import Configuration

LIFETIME = 86400  # seconds that a credential lasts if nobody says otherwise
SHORT_LIFETIME = 600  # seconds, of one that is used at once


@dataclass(frozen=True)
class Login:
    """A username with its password, and the Unix time at which it ends; 0 where it doesn't."""

    username: str
    password: str
    expires: int = 0


def mint(secret: str, name: str, seconds: int) -> Login:
    """Return a time-limited credential; the name is what quotas are counted by, "" gives none."""
    expires = int(time.time()) + seconds
    username = f"{expires}:{name}" if name else str(expires)
    password = credentials.time_limited_password(secret.encode(), username.encode()).decode()
    return Login(username, password, expires)


def login(settings: Configuration, name: str, seconds: int) -> Login | None:
    """Return a credential that a configuration admits: minted, or its first user's; None where it has none."""
    secrets = settings.items("secret")
    if secrets:
        return mint(str(secrets[0]), name, seconds)
    for user in settings.users:
        if user.password:
            return Login(user.name, user.password)
    return None


def urls(settings: Configuration) -> list[str]:
    """Return the URIs of a relay (RFC 7064, RFC 7065): STUN, and TURN by each transport, for each family."""
    found = []
    for server in addresses.servers(settings):
        place = address.format(addresses.announced(settings, server.place))
        host, _, port = place.rpartition(":")
        found.append((server.transport, server.name or host, int(port)))
    stun = [uri.form(False, host, port, UDP) for transport, host, port in found if transport == UDP]
    turn = [uri.form(True, host, port, transport) for transport, host, port in found]
    return list(dict.fromkeys(stun + turn))


def servers(settings: Configuration, given: Login) -> dict[str, object]:
    """Return the document that RTCPeerConnection takes."""
    entry = {"urls": urls(settings), "username": given.username, "credential": given.password}
    return {"iceServers": [entry]}
