"""A request on its way through its handler."""

from edgeturn.protocol.stun import Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.protocol.authentication import Identity
    from edgeturn.protocol.pool import Allocation


class Request:
    """What was received, by which listener and from whom; identity and allocation are found on the way."""

    def __init__(self, message: Message, via: int, source: bytes) -> None:
        """Take the message, the listener's number and the client's port||ip."""
        self.message = message
        self.via = via
        self.source = source
        self.identity: "Identity | None" = None
        self.allocation: "Allocation | None" = None
