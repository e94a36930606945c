"""What really leaves: IP packets seen on the loopback interface by an AF_PACKET socket, which needs root."""

import socket
from dataclasses import dataclass

import pytest

from tests.blackbox.relay import Address, until

_ETH_P_ALL = 0x0003
_ETHERNET = 14
_IPV4 = b"\x08\x00"
_UDP = 17
_DF = 0x40


@dataclass
class Packet:
    """An IPv4 packet with UDP in it."""

    df: bool
    tos: int  # DSCP and ECN
    ttl: int
    source: Address
    destination: Address
    data: bytes


class Capture:
    """Packets on the loopback interface since it was opened; a context manager."""

    def __init__(self) -> None:
        try:
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        except PermissionError:
            pytest.skip("a packet socket needs root")
        self.sock.bind(("lo", 0))
        self.sock.setblocking(False)
        self.packets: list[Packet] = []

    def __enter__(self) -> "Capture":
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def find(self, data: bytes) -> Packet:
        """Wait for the packet with a payload."""
        found = until(lambda: self._look(data), f"a packet with {data!r}")
        assert found is not None
        return found

    def _look(self, data: bytes) -> Packet | None:
        try:
            while True:
                self._keep(self.sock.recv(65535))
        except BlockingIOError:
            return next((packet for packet in self.packets if packet.data == data), None)

    def _keep(self, frame: bytes) -> None:
        ip = frame[_ETHERNET:]
        if frame[12:_ETHERNET] != _IPV4 or ip[9] != _UDP:
            return
        udp = ip[4 * (ip[0] & 15) :]
        source, destination, size = (int.from_bytes(udp[at : at + 2], "big") for at in (0, 2, 4))
        places = (socket.inet_ntoa(ip[12:16]), source), (socket.inet_ntoa(ip[16:20]), destination)
        self.packets.append(Packet(bool(ip[6] & _DF), ip[1], ip[8], *places, udp[8:size]))
