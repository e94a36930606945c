"""Two machines and a cable: the container's network, and the one of somebody who calls.

caller  192.0.2.11 ──── 192.0.2.1  container
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.lab.network import PREFIX, Namespace, NetworkError, ip, remove_leftovers

RELAY, CALLER = "192.0.2.1", "192.0.2.11"


@contextmanager
def street() -> Iterator[tuple[Namespace, Namespace]]:
    """Give the namespaces of the container and of the caller."""
    remove_leftovers()
    relay, caller = (Namespace(f"{PREFIX}-{os.getpid()}-0-{role}") for role in ("container", "caller"))
    try:
        for each in (relay, caller):
            ip("netns", "add", each.name)
            each.ip("link", "set", "lo", "up")
        relay.ip("link", "add", "uplink", "type", "veth", "peer", "name", "uplink", "netns", caller.name)
        for each, own, other in ((relay, RELAY, CALLER), (caller, CALLER, RELAY)):
            each.ip("link", "set", "uplink", "up")
            each.ip("address", "add", f"{own}/24", "dev", "uplink")
            each.ip("route", "add", "default", "via", other)
        yield relay, caller
    finally:
        for each in (caller, relay):
            with suppress(NetworkError):
                each.remove()
