"""Observers: who is told of every change of state, and can't fail the core.

A log, statistics, the sockets, and later the kernel path and the journal override the events that they need.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.protocol.pool import Allocation, Channel, PeerConnection, Relay
    from edgeturn.protocol.request import Request
    from edgeturn.protocol.stun import Reject


class Observer:
    """Does nothing at any event."""

    def allocated(self, relay: "Relay") -> None:
        """A relayed transport address was given to a client, or reserved for one."""

    def freed(self, relay: "Relay") -> None:
        """A relayed transport address is about to be taken back."""

    def permitted(self, relay: "Relay", ip: bytes) -> None:
        """A permission for an IP address on the wire was installed or refreshed."""

    def bound(self, channel: "Channel") -> None:
        """A channel was bound or refreshed, or its time to carry has changed."""

    def unbound(self, channel: "Channel") -> None:
        """A channel no longer carries data."""

    def moved(self, owner: "Allocation", former: bytes) -> None:
        """An allocation was resumed from another 5-tuple; former: the client's port||ip until then (RFC 8016)."""

    def connecting(self, connection: "PeerConnection") -> None:
        """A TCP connection with a peer is to be made; Turn.connected takes what becomes of it (RFC 6062 §5.2)."""

    def joined(self, connection: "PeerConnection") -> None:
        """A client's connection is from now on one with a peer's (RFC 6062 §5.4)."""

    def disconnected(self, connection: "PeerConnection") -> None:
        """A TCP connection with a peer is about to be forgotten, and has to be closed."""

    def refused(self, request: "Request", reject: "Reject") -> None:
        """A request is answered by an error."""

    def answered(self, request: "Request", answer: bytes) -> None:
        """A request was answered; the answer as it is sent."""
