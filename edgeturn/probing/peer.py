"""The other end of a relayed path: a socket of this machine where the policy allows it, else a second allocation."""

import socket
import time
from typing import Protocol

from edgeturn.probing.client import Client
from edgeturn.protocol import address
from edgeturn.seam import address_of, native


class Peer(Protocol):
    """What a client of the relay talks to."""

    address: bytes

    def receive(self, seconds: float) -> tuple[bytes, bytes] | None:
        """Return where data came from, port||ip, and the data; None where none came in time."""

    def send(self, destination: bytes, data: bytes) -> None:
        """Send data to port||ip."""

    def close(self) -> None:
        """End it."""


class LocalPeer:
    """A UDP socket of this machine."""

    def __init__(self, ip: bytes) -> None:
        """Bind a socket to an IP address of this machine."""
        self._socket = socket.socket(socket.AF_INET if len(ip) == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
        self._socket.bind(native(address.join(ip, 0)))
        self.address = address_of(self._socket.getsockname())

    def receive(self, seconds: float) -> tuple[bytes, bytes] | None:
        """Return sender and data."""
        self._socket.settimeout(seconds)
        try:
            data, source = self._socket.recvfrom(65536)
        except OSError:
            return None
        return address_of(source), data

    def send(self, destination: bytes, data: bytes) -> None:
        """Send a datagram."""
        self._socket.sendto(data, native(destination))

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class RelayedPeer:
    """A second client of the same relay, with an allocation of its own that admits the first."""

    def __init__(self, client: Client, first_relayed: bytes) -> None:
        """Allocate, and permit the first client's relayed address."""
        self._client = client
        try:
            self.address = client.allocate(address.family(address.ip_of(first_relayed)))
            client.permit(first_relayed)
        except BaseException:
            client.close()
            raise

    def receive(self, seconds: float) -> tuple[bytes, bytes] | None:
        """Return sender and data."""
        received = self._client.receive(seconds)
        return (received.peer, received.data) if received else None

    def send(self, destination: bytes, data: bytes) -> None:
        """Send by a Send indication."""
        self._client.send(destination, data)

    def close(self) -> None:
        """Release the allocation."""
        try:
            self._client.refresh(0)
        finally:
            self._client.close()


def source_towards(ip: bytes) -> bytes:
    """Return the IP address from which this machine speaks to another; b"" where there is no way."""
    probe = socket.socket(socket.AF_INET if len(ip) == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
    try:
        probe.connect(native(address.join(ip, 9)))
        return address.ip_of(address_of(probe.getsockname()))
    except OSError:
        return b""
    finally:
        probe.close()


def wait_for(peer: Peer, data: bytes, seconds: float) -> bytes | None:
    """Return the port||ip that certain data came from, None where it didn't come in time."""
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        received = peer.receive(left)
        if received is not None and received[1] == data:
            return received[0]
    return None
