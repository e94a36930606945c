"""One probe from its beginning to its end: gather, find out about the NAT, ask the router."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from edgeturn.diagnose.evidence import IceError
from edgeturn.probing import behaviour, candidate, outside
from edgeturn.probing.behaviour import Behaviour
from edgeturn.probing.candidate import Gathered
from edgeturn.probing.gathering import Gathering, Wanted
from edgeturn.probing.picture import Picture
from edgeturn.protocol.address import ip_of
from edgeturn.protocol.mapping.judgement import is_loopback
from edgeturn.relay import network

Tell = Callable[[Gathered | IceError], None]


def own_addresses() -> list[bytes]:
    """Return the addresses of this machine that a browser gathers hosts from, the preferred first."""
    ips = [each.ip for each in network.interfaces() if each.can_listen() and not is_loopback(each.ip)]
    return candidate.preferred(ips, network.default_sources())


def run(wanted: list[Wanted], tell: Tell) -> Picture:
    """Probe servers; tell of each candidate and error as it comes. KeyboardInterrupt ends it with what was found."""
    picture = Picture(wanted)
    try:
        for found in Gathering(own_addresses()).run(wanted):
            picture.add(found)
            if isinstance(found, (Gathered, IceError)):
                tell(found)
        _look_around(picture)
    except KeyboardInterrupt:
        picture.stopped = True
    return picture


def _look_around(picture: Picture) -> None:
    """Find out about NATs, and what routers say of themselves."""
    sources = {ip_of(each.base) for each in picture.sights}
    with ThreadPoolExecutor() as pool:
        outer = pool.submit(outside.outer_addresses, [ip for ip in sources if not is_loopback(ip)])
        picture.behaviours = _behaviours(picture)
        picture.outer = outer.result()


def _behaviours(picture: Picture) -> list[Behaviour]:
    """Find out about the NAT of each family, by all servers that answered over UDP."""
    asked: dict[bytes, list[bytes]] = {}
    for each in picture.sights:
        asked.setdefault(ip_of(each.base), []).append(each.server)
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda ip: behaviour.discover(list(dict.fromkeys(asked[ip])), ip), asked))
