"""
Two devices without an Ethernet header, joined: whatever goes into one comes out of the other, byte by byte.

    namespace ── tun ◄─── this process ───► tun ── namespace

A tun device may call itself PPP, which is what the kernel looks at when it asks for a link header.
"""

import fcntl
import os
import select
import threading
from struct import pack

from tests.kernel.lab.topology import Node

NO_HEADER, PPP = 0xFFFE, 512  # ARPHRD_NONE, ARPHRD_PPP
_TUNSETIFF, _TUNSETLINK = 0x400454CA, 0x400454CD
_TUN_WITHOUT_INFORMATION = 0x1001  # IFF_TUN | IFF_NO_PI


class Tunnel:
    """A point-to-point link between two namespaces; it ends with close()."""

    def __init__(self, near: Node, near_device: str, far: Node, far_device: str, kind: int = NO_HEADER) -> None:
        self._ends = [_open(near, near_device, kind), _open(far, far_device, kind)]
        self._stop, self._stopped = os.pipe()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def close(self) -> None:
        os.close(self._stopped)
        self._thread.join()
        for file in (*self._ends, self._stop):
            os.close(file)

    def _carry(self) -> None:
        """Carry packets until the pipe is closed."""
        one, other = self._ends
        while True:
            ready = select.select([one, other, self._stop], [], [])[0]
            if self._stop in ready:
                return
            for file in ready:
                os.write(other if file == one else one, os.read(file, 65536))


def _open(node: Node, device: str, kind: int) -> int:
    """Make a tun device and return its file."""
    with node.entered():
        file = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(file, _TUNSETIFF, pack("16sH22x", device.encode(), _TUN_WITHOUT_INFORMATION))
    fcntl.ioctl(file, _TUNSETLINK, kind)
    node.ip("link", "set", device, "up")
    return file
