"""Which addresses of this machine only its local networks reach, so that no firewall has to let the internet in there.

Rule 1: it's a private address on an interface by which no default route leaves. Behind another NAT the outer address
        is private, too; and an address that isn't there yet may become anything.
Rule 2: the loopback and the anycast addresses of RFC 8155 are never for others.

OpenWrt's service does the same by the router's own means (firmware/openwrt/edgeturn/files/edgeturn.init).
"""

from pyroute2 import IPRoute

from edgeturn.protocol.anycast import ADDRESSES
from edgeturn.protocol.mapping.judgement import is_loopback, is_private
from edgeturn.relay import network


class Neighbourhood:
    """This machine's addresses and default routes, as they are now."""

    def __init__(self) -> None:
        """Ask the kernel."""
        self._interfaces = network.interfaces()
        sources = network.default_sources()
        self._outward = {each.number for each in self._interfaces if each.ip in sources} | _of_default_routes()

    def is_local(self, ip: bytes) -> bool:
        """Say whether only local networks, or this machine alone, reach an address."""
        if is_loopback(ip) or ip in ADDRESSES:
            return True
        numbers = {each.number for each in self._interfaces if each.ip == ip}
        return is_private(ip) and bool(numbers) and not numbers & self._outward


def _of_default_routes() -> set[int]:
    """Return the numbers of the interfaces by which a default route of any table leaves."""
    with IPRoute() as link:
        routes = [row for row in link.get_routes() if not row["dst_len"]]
    ways = {way["oif"] for row in routes for way in row.get_attr("RTA_MULTIPATH") or ()}
    return ways | {row.get_attr("RTA_OIF") for row in routes} - {None}
