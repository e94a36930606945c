"""What limits count strangers by: an IPv4 address, the /64 of an IPv6 one, which is what one subscriber has."""

import ipaddress

_IPV6_PREFIX = 64


def source(address: str) -> str:
    """Return what limits count an address by; what is no address counts as itself."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or ipaddress.ip_network((found, _IPV6_PREFIX), strict=False))
