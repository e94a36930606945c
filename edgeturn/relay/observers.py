"""Observers: one that stands for many, so that none of them can fail the core."""

from edgeturn import seam
from edgeturn.protocol import stun
from edgeturn.protocol.observer import Observer
from edgeturn.protocol.pool import Allocation, Channel, PeerConnection, Relay
from edgeturn.protocol.request import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Observers(Observer):
    """Tells each of some observers, in their order."""

    def __init__(self, observers: "list[Observer]") -> None:
        """Take the observers."""
        self._observers = observers

    def add(self, observer: Observer) -> None:
        """Tell one more, before the others."""
        self._observers.insert(0, observer)

    def remove(self, observer: Observer) -> None:
        """Tell one no longer."""
        self._observers.remove(observer)

    def allocated(self, relay: Relay) -> None:
        self._tell(lambda observer: observer.allocated(relay))

    def freed(self, relay: Relay) -> None:
        self._tell(lambda observer: observer.freed(relay))

    def permitted(self, relay: Relay, ip: bytes) -> None:
        self._tell(lambda observer: observer.permitted(relay, ip))

    def bound(self, channel: Channel) -> None:
        self._tell(lambda observer: observer.bound(channel))

    def unbound(self, channel: Channel) -> None:
        self._tell(lambda observer: observer.unbound(channel))

    def moved(self, owner: Allocation, former: bytes) -> None:
        self._tell(lambda observer: observer.moved(owner, former))

    def connecting(self, connection: PeerConnection) -> None:
        self._tell(lambda observer: observer.connecting(connection))

    def joined(self, connection: PeerConnection) -> None:
        self._tell(lambda observer: observer.joined(connection))

    def disconnected(self, connection: PeerConnection) -> None:
        self._tell(lambda observer: observer.disconnected(connection))

    def refused(self, request: Request, reject: stun.Reject) -> None:
        self._tell(lambda observer: observer.refused(request, reject))

    def answered(self, request: Request, answer: bytes) -> None:
        self._tell(lambda observer: observer.answered(request, answer))

    def _tell(self, event: "Callable[[Observer], None]") -> None:
        for observer in self._observers:
            try:
                event(observer)
            except Exception as error:  # whatever an observer does wrong, the relay goes on and says so
                seam.print_trace(error)
