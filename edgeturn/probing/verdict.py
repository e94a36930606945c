"""What a browser makes of what was gathered: sentences for people.

A row of ROWS is a question to the picture; it answers with sentences, or none.
"""

import time
from collections.abc import Callable, Iterator

from edgeturn.diagnose.evidence import HOST, SRFLX
from edgeturn.probing.behaviour import ADDRESS_DEPENDENT, INDEPENDENT, NO_NAT, PORT_DEPENDENT, Behaviour
from edgeturn.probing.candidate import family_name
from edgeturn.probing.outside import NO_ADDRESS
from edgeturn.probing.picture import Picture
from edgeturn.protocol import address
from edgeturn.protocol.address import IPV6, format_ip, ip_of
from edgeturn.protocol.listener import DTLS, TCP, TLS
from edgeturn.protocol.mapping.judgement import is_loopback, is_private, is_shared

_MANY = 5  # servers, from which on Firefox warns that discovery gets slow
_SLOW = 1.0  # seconds, of DNS
_UNAUTHORIZED = 401
_SYMMETRIC = (
    "the NAT gives each destination another address, so calls go direct only to who has no NAT or an open one; "
    "with all others the relay is needed"
)
# Mapping, filtering ("" is any) -> what becomes of direct calls.
_DIRECT = (
    (NO_NAT, INDEPENDENT, "no NAT and no firewall: calls go direct with everybody who can send UDP"),
    (NO_NAT, "", "no NAT: calls go direct with everybody who can send UDP"),
    (INDEPENDENT, INDEPENDENT, "calls go direct with everybody, even behind a symmetric NAT"),
    (INDEPENDENT, ADDRESS_DEPENDENT, "calls go direct with everybody, even behind a symmetric NAT"),
    (INDEPENDENT, PORT_DEPENDENT, "calls go direct, but with those behind a symmetric NAT the relay is needed"),
    (INDEPENDENT, "", "calls go direct with most; with some behind a symmetric NAT the relay is needed"),
    ("", "", ""),
)


def conclude(picture: Picture) -> list[str]:
    """Return all there is to say."""
    return [f"{sentence[:1].upper()}{sentence[1:]}." for row in ROWS for sentence in row(picture)]


def _direct(picture: Picture) -> Iterator[str]:
    for each in picture.behaviours:
        family = family_name(ip_of(each.server))
        if is_loopback(ip_of(each.server)):
            yield f"over {family} the server is this machine itself: that says nothing of the way to others"
        elif each.mapping == NO_NAT and is_private(ip_of(each.mapped)):
            yield f"over {family} the server is in the same network: that says nothing of the NAT on the way out"
        elif each.mapping:
            yield f"over {family}: {_direct_by(each)}"
        elif each.mapped:
            yield f"over {family} there is a NAT of a kind that these servers can't tell: direct calls may work or not"


def _direct_by(behaviour: Behaviour) -> str:
    for mapping, filtering, sentence in _DIRECT:
        if behaviour.mapping == mapping and filtering in ("", behaviour.filtering):
            return sentence
    return _SYMMETRIC


def _blocked(picture: Picture) -> Iterator[str]:
    over = {each.candidate.relay_transport for each in picture.relays()}
    if not picture.sights and over & {TCP, TLS}:
        yield "UDP is blocked on the way to these servers: calls go through the relay over TCP or TLS, with more delay"
    elif not picture.sights and picture.errors and not over:
        yield "no server answers: a browser has its hosts only, and connects within this network at most"


def _relayed(picture: Picture) -> Iterator[str]:
    relays = picture.relays()
    if not any(each.relays for each in picture.wanted):
        yield "no TURN server is named: where there's no direct way there is no call, nor by iceTransportPolicy 'relay'"
    elif not relays:
        yield "a page with iceTransportPolicy 'relay' gets no candidate: it never connects"
    else:
        ways = ", ".join(dict.fromkeys(each.candidate.relay_transport.upper() for each in relays))
        families = " and ".join(sorted({f"IPv{each.candidate.family}" for each in relays}))
        yield f"a page with iceTransportPolicy 'relay' connects: relayed {families}, reached over {ways}"


def _only_datagrams(picture: Picture) -> Iterator[str]:
    over = {each.candidate.relay_transport for each in picture.relays()}
    if over and not over & {TCP, TLS}:
        yield "no relay over TCP or TLS: who is in a network that blocks UDP has no way in; add a turns: URI"
    if DTLS in over:
        yield "no browser speaks DTLS to a relay: turns:…?transport=udp is for other applications"


def _provider(picture: Picture) -> Iterator[str]:
    hosts = [each.candidate.address for each in picture.gathered if each.candidate.kind == HOST]
    shared = [text for text in hosts if is_shared(address.parse_ip(text))]
    shared += [format_ip(ip) for ip in picture.outer.values() if is_shared(ip)]
    shared += [format_ip(ip_of(each.mapped)) for each in picture.sights if is_shared(ip_of(each.mapped))]
    for text in dict.fromkeys(shared):
        yield f"{text} is of the provider's NAT (CGNAT, 100.64.0.0/10): over IPv4 nobody gets in unasked"


def _twice(picture: Picture) -> Iterator[str]:
    seen = {ip_of(each.base): each.candidate.address for each in picture.gathered if each.candidate.kind == SRFLX}
    for ip, outer in picture.outer.items():
        told = seen.get(ip, format_ip(outer))
        if outer == NO_ADDRESS:
            yield "the router says that it has no public address: a second NAT (CGNAT) seems to stand behind it"
        elif not is_shared(outer) and format_ip(outer) != told:
            yield f"two NATs in a row: the router's own address is {format_ip(outer)}, the server sees {told}"


def _inside(picture: Picture) -> Iterator[str]:
    places = {ip_of(each.server) for each in picture.sights}
    if places and all(is_private(ip) for ip in places):
        yield "the servers have private addresses only: nobody outside this network can use them"


def _names(picture: Picture) -> Iterator[str]:
    for each in picture.look_ups:
        if not each.name or _is_ip(each.name):
            continue
        families = {address.family(ip_of(place)) for place in each.places}
        if families == {IPV6}:
            yield f"the name {each.name} has no IPv4 address: who has no IPv6 doesn't reach it"
        if each.seconds > _SLOW:
            yield f"DNS took {each.seconds:.1f} s for {each.name}: each call begins that much later"


def _is_ip(name: str) -> bool:
    try:
        return bool(address.parse_ip(name))
    except ValueError:
        return False


def _expired(picture: Picture) -> Iterator[str]:
    if not any(each.code == _UNAUTHORIZED for each in picture.errors):
        return
    for each in picture.wanted:
        stamp = each.login.username.partition(":")[0] if each.login else ""
        if len(stamp) == 10 and stamp.isdigit() and int(stamp) < time.time():
            minutes = int(time.time() - int(stamp)) // 60
            yield f"the credential for {each.uri} ended {minutes} minutes ago, or this machine's clock is wrong"


def _many(picture: Picture) -> Iterator[str]:
    given = sum(each.given for each in picture.wanted)
    if given >= _MANY:
        yield f"{given} servers make gathering slow, and browsers warn of it: two or three do"


def _hidden(picture: Picture) -> Iterator[str]:
    if any(each.candidate.kind == HOST for each in picture.gathered):
        yield "a page without camera or microphone permission shows hosts as names that end in .local (mDNS)"


ROWS: tuple[Callable[[Picture], Iterator[str]], ...] = (
    _direct, _blocked, _relayed, _only_datagrams, _provider, _twice, _inside, _names, _expired, _many, _hidden,
)  # fmt: skip
