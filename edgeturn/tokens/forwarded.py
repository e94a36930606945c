"""Who asks, where proxies stand in front: the address behind those proxies that are named in the configuration.

Rule 1: X-Forwarded-For counts only from an address that `forwarded_from` names, and is read from its end: what stands
        in front of the last address that isn't a named proxy's was written by whoever liked to.
"""

import ipaddress
from collections.abc import Sequence

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def client(peer: str, header: str, proxies: Sequence[str]) -> str:
    """Return the address of who asks, "" where there is none.

    peer: the address of who connects; header: X-Forwarded-For, "" if there's none; proxies: addresses and prefixes.
    """
    address = _address(peer)
    trusted = [ipaddress.ip_network(each) for each in proxies]
    for hop in reversed(header.split(",") if header else []):
        if address is None or not any(address in each for each in trusted):
            break
        named = _address(hop.strip())
        if named is None:
            break
        address = named
    return str(address) if address else ""


def _address(text: str) -> _Address | None:
    try:
        found = ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, ipaddress.IPv6Address) else found
