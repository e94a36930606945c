"""What counts as news of the machine's addresses, and what is made of the kernel's silence."""

import socket
from struct import pack

from edgeturn import seam
from edgeturn.relay import addresses, network

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NEW_LINK, NEW_ADDRESS, DELETE_ADDRESS, NEW_ROUTE, DELETE_ROUTE, ERROR = 16, 20, 21, 24, 25, 2
IPV4, BRIDGE = 2, 7
GATEWAY = pack("HH", 8, 5) + b"\xc0\0\2\1"
ENOBUFS = 105

# what the kernel tells, type and body, whether that is news
EVENTS = (
    ("an address", NEW_ADDRESS, bytes(8), True),
    ("an address is gone", DELETE_ADDRESS, bytes(8), True),
    ("a link", NEW_LINK, bytes(16), True),
    ("a bridge's port", NEW_LINK, bytes([BRIDGE]) + bytes(15), False),
    ("the default route", NEW_ROUTE, bytes([IPV4, 0]) + bytes(10) + GATEWAY, True),
    ("the default route is gone", DELETE_ROUTE, bytes([IPV4, 0]) + bytes(10) + GATEWAY, True),
    ("a subnet", NEW_ROUTE, bytes([IPV4, 24]) + bytes(10), True),
    ("a route by a gateway", NEW_ROUTE, bytes([IPV4, 24]) + bytes(10) + GATEWAY, False),
    ("an error", ERROR, bytes(4), False),
)


class Told:
    """A watch, and the kernel in its place: each event is an answer or an error number."""

    def __init__(self, *events: "bool | int") -> None:
        self._events = list(events)
        self.read: "Callable[[int], None]" = lambda number: None
        network.events, network.is_news = self._open, self._next  # type: ignore[assignment]
        self.watch = addresses.Watch(self)  # type: ignore[arg-type]
        self.watch.is_wanted = False

    def register(self, sock: object, handler: "Callable[[int], None]") -> None:
        self.read = handler

    def _open(self) -> object:
        return self

    def _next(self, sock: object) -> bool:
        if not self._events:
            raise OSError(seam.EAGAIN)
        event = self._events.pop(0)
        if event is True or event is False:
            return event
        raise OSError(event)


def is_wanted(*events: "bool | int") -> bool:
    """Say whether a watch that is told these events wants a look."""
    events_of, is_news = network.events, network.is_news
    try:
        told = Told(*events)
        told.read(1)
        return told.watch.is_wanted
    finally:
        network.events, network.is_news = events_of, is_news


def test_events_that_matter() -> None:
    link = connected_to_itself()
    for what, kind, body, is_news in EVENTS:
        link.send(pack("IHHII", 16 + len(body), kind, 0, 0, 0) + body)
        assert network.is_news(link) == is_news, what
    link.close()


def connected_to_itself() -> "seam.Socket":
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(seam.native(b"\0\0\x7f\0\0\1"))
    name = bytearray(16)
    seam.call("getsockname", sock.fileno(), name, bytearray(pack("I", len(name))))
    sock.connect(seam.native(bytes(name[2:8])))
    return sock


def test_any_news_of_many_is_enough() -> None:
    assert not is_wanted() and not is_wanted(False, False)
    assert is_wanted(False, True, False)


def test_events_that_were_lost_are_news() -> None:
    assert is_wanted(False, ENOBUFS, False)


def test_what_was_before_the_watch_is_news() -> None:
    events = network.events
    try:
        network.events = no_netlink
        assert addresses.Watch(seam.Poller()).is_wanted
    finally:
        network.events = events


def no_netlink() -> "seam.Socket":
    raise OSError(93)
