"""How one TCP connection of a capture went; times are seconds of the capture's clock, places ADDRESS:PORT."""

from dataclasses import dataclass


@dataclass
class Connection:
    """A TCP connection to a server."""

    at: float
    client: str
    server: str
    kind: str = ""  # what the client sent first: stun, tls, "" where nothing
    tries: int = 1  # SYNs
    opened: bool = False  # the handshake of TCP was done
    answered: bool = False  # bytes came back after the first that were sent
    ended: str = ""  # refused (RST to the SYN), reset, closed
    ended_by: str = ""  # client, server
    ended_at: float = 0.0
