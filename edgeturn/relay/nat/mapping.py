"""The ports that the gateway maps to us: asked for, renewed at half their time, made anew if it forgot them, withdrawn.

    off      nothing is mapped
    seeking  protocols are tried, one after the other, until the gateway answers one
    working  the gateway answers
    none     it answers nothing; tried again later
    leaving  what was mapped is withdrawn

Rule 1: one question at a time, so that no gateway is flooded (RFC 6886 §3); an answer lets the next one go.
Rule 2: silence changes nothing until a mapping's time is over; who begins anew has lost them all (RFC 6887 §8.5).
Rule 3: mappings are kept by the place that they lead to; there's one for each relay and each listener, no more.
"""

from edgeturn import seam
from edgeturn.protocol.address import join, port_of
from edgeturn.protocol.mapping.gateway import FORBIDDEN, GRANTED, UNSUPPORTED, Answer, Epoch, Wish
from edgeturn.protocol.mapping.judgement import is_host
from edgeturn.relay.nat.gateway import Announcements, Datagrams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeturn.relay.nat.upnp import Services

_NOTHING, _ADDRESS, _MAPPING, _LOOKING = "", "address", "mapping", "looking"  # what was asked
OFF, SEEKING, WORKING, NONE, LEAVING = "off", "seeking", "working", "none", "leaving"
PROTOCOLS = ("pcp", "nat-pmp", "upnp")
_LIFETIME = 1800  # seconds; what a killed relay leaves behind at most
_SHORTEST = 20  # seconds until a mapping is renewed, however short its lifetime
_LOOK = 30  # seconds between two looks whether the gateway has begun anew
_REMAKES = 4  # times in that time that all mappings are made anew at once; a broken gateway has always lost them
_WAITS = (2, 2, 4)  # seconds until a question is asked again, and at last given up; the clock's begin anywhere
_SILENT = 10  # seconds until the next question, after one without answer
_DEAF = 8  # questions in a row without answer, before the protocols are tried again
_REFUSED = 60  # seconds until a mapping that was refused is asked for again, and others that are new
_SEEK_AGAIN = 300  # seconds
_MOST_WITHDRAWN = 256
_YOUNG = 10  # seconds since a gateway has begun


class Mapping(Wish):
    """A mapping: where it leads, its external port||ip once it's granted, until when, and when to ask again."""

    __slots__ = ("due", "granted", "place", "until", "waits")

    def __init__(self, protocol: int, place: bytes, secret: bytes) -> None:
        """Take UDP or TCP, the port||ip that it leads to, and what the nonce is made of.

        The gateway lets only the nonce of a mapping change it: a relay that was killed has to know it again.
        """
        nonce = seam.sha256(secret + bytes([protocol]) + place)
        super().__init__(protocol, port_of(place), nonce[:12])
        self.place = place
        self.granted = b""
        self.until = self.due = 0
        self.waits = False  # whether it's its turn sometime


class Mappings:
    """All mappings of one address of ours on one gateway."""

    def __init__(self, poller: "seam.Poller", choice: str, secret: bytes) -> None:
        """Take the poller, `auto` or the one protocol to speak, and a secret that a restart doesn't change."""
        self._secret = secret
        self.state = OFF
        self.outside = b""  # the gateway's external address, as far as it says so
        self.refused = 0  # how many mappings the gateway doesn't grant
        self.changed: "Callable[[], None]" = lambda: None  # state or external address
        self.mapped: "Callable[[Mapping], None]" = lambda mapping: None  # granted otherwise than before, or no longer
        self._poller = poller
        self._choice = PROTOCOLS if choice == "auto" else (choice,)
        self._own = self.gateway = b""
        self._mappings: dict[tuple[int, bytes], Mapping] = {}
        self._waiting: list[Mapping] = []
        self._gone: list[Mapping] = []
        self._dialect: "Datagrams | Services | None" = None
        self._announcements: Announcements | None = None
        self._candidates: list[str] = []
        self._epoch = Epoch()
        self._asked = _NOTHING
        self._about: Mapping | None = None  # what was asked about
        self._lifetime = self._tried = self._again_at = 0
        self._heard_at = self._remade_at = -_LOOK
        self._look_at = self._new_at = self._quiet_until = self._deaf = self._remakes = 0

    @property
    def protocol(self) -> str:
        """The protocol that is spoken, "" where none is."""
        return self._dialect.name if self._dialect is not None and self.state == WORKING else ""

    def start(self, own: bytes, gateway: bytes) -> None:
        """Begin, or begin anew with other addresses; what was mapped at another gateway is forgotten."""
        self._close()
        self._own, self.gateway = own, gateway
        for mapping in self._mappings.values():
            mapping.due = mapping.until = 0
            self._grant(mapping, b"")
        self.outside = b""
        self._announcements = Announcements(self._poller, gateway, self._heard)
        self._seek()

    def stop(self) -> None:
        """Forget everything, without telling the gateway."""
        self._close()
        self._mappings.clear()
        self.state, self.outside, self.gateway = OFF, b"", b""

    def withdraw(self) -> None:
        """Begin to give everything back."""
        self._give_back()
        if self.state == WORKING:
            self.state = LEAVING
            self._forget_question()
            self._next()

    def _give_back(self) -> None:
        granted = [each for each in self._mappings.values() if each.granted or each is self._about]
        self._mappings.clear()
        self._waiting = []
        self._gone += granted  # bounded: one a mapping

    def leave(self) -> None:
        """End; what isn't given back yet is told without waiting for answers, where that's a datagram each."""
        self._give_back()
        if isinstance(self._dialect, Datagrams):
            for mapping in self._gone:
                self._dialect.ask(mapping, 0)
        self.stop()

    def is_leaving(self) -> bool:
        """Say whether there's still something to give back."""
        return self.state == LEAVING and bool(self._asked or self._gone)

    def want(self, protocol: int, place: bytes, external: int = 0) -> None:
        """Ask for a mapping to port||ip, once it's its turn; external: the port that's liked best, 0 for the same."""
        if (protocol, place) not in self._mappings:
            mapping = self._mappings[(protocol, place)] = Mapping(protocol, place, self._secret)
            mapping.external = external or mapping.port
            self._wait(mapping)
            self._next()

    def drop(self, protocol: int, place: bytes) -> None:
        """Give a mapping back."""
        mapping = self._mappings.pop((protocol, place), None)
        if mapping is None:
            return
        if mapping.waits:
            self._waiting.remove(mapping)
        may_be_there = mapping.granted or mapping is self._about
        if may_be_there and self.state == WORKING:
            self._gone = self._gone[-_MOST_WITHDRAWN:] + [mapping]  # what is forgotten ends by itself
            self._next()

    def granted(self, protocol: int, place: bytes) -> bytes:
        """Return the external port||ip of a mapping, b"" where there's none that works."""
        mapping = self._mappings.get((protocol, place))
        return mapping.granted if mapping is not None and mapping.granted[2:] == self.outside else b""

    def count(self) -> "tuple[int, int]":
        """Return how many mappings are granted, and how many are wanted."""
        return sum([bool(each.granted) for each in self._mappings.values()]), len(self._mappings)

    def wanted_in(self) -> int:
        """Return in how many seconds the next tick is due at the latest."""
        return 1 if self._asked or self._waiting or self.state in (SEEKING, LEAVING) else 10

    def tick(self, now: int) -> None:
        """Do what is due by time."""
        if self.state == NONE and now >= self._look_at:
            self._seek()
        if self._asked and now >= self._again_at:
            self._try_again(now)
        if self.state == WORKING and not self._asked:
            self._renew(now)
        self._next()

    # Which question is next.

    def _seek(self) -> None:
        self.state = SEEKING
        self._candidates = list(self._choice)
        self._deaf = 0
        self._seek_on()

    def _seek_on(self) -> None:
        """Try the next protocol; where all were tried, none is spoken."""
        self._forget_question()
        if self._dialect is not None:
            self._dialect.close()
            self._dialect = None
        while self._candidates and self._dialect is None:
            try:
                self._dialect = self._open(self._candidates.pop(0))
            except OSError:
                pass
        if self._dialect is None:
            self.state = NONE
            self._look_at = seam.clock() + _SEEK_AGAIN
            self.changed()
            return
        self._epoch = Epoch()
        self._look_at = 0
        self._next()

    def _open(self, name: str) -> "Datagrams | Services":
        if name == "upnp":
            from edgeturn.relay.nat.upnp import Services

            return Services(self._poller, self._own, self.gateway, self._answered)
        return Datagrams(name, self._poller, self._own, self.gateway, self._answered)

    def _next(self) -> None:
        """Ask the next question, if it's time for one."""
        now = seam.clock()
        if self._dialect is None or self._asked or now < self._quiet_until:
            return
        if self.state != LEAVING and now >= self._look_at:
            self._look_at = now + _LOOK
            self._ask_look()
        elif self._gone:
            self._ask(_MAPPING, self._gone.pop(0), 0)
        elif self._waiting and self.state == WORKING:
            self._waiting[0].waits = False
            self._ask(_MAPPING, self._waiting.pop(0), _LIFETIME)

    def _ask_look(self) -> None:
        """Ask what tells whether the gateway is there and still the same: its address, with PCP the first mapping."""
        assert self._dialect is not None
        if self._dialect.asks_address:
            self._ask(_ADDRESS, None, 0)
            return
        first = self._first()
        if first is not None:
            if first.waits:
                first.waits = False
                self._waiting.remove(first)
            self._ask(_MAPPING, first, _LIFETIME)
        else:
            self._look_at = 0

    def _first(self) -> "Mapping | None":
        """Return a mapping that is granted, else any."""
        found = None
        for mapping in self._mappings.values():
            if mapping.granted:
                return mapping
            found = found or mapping
        return found

    def _ask(self, question: str, mapping: "Mapping | None", lifetime: int) -> None:
        self._asked, self._about, self._lifetime, self._tried = question, mapping, lifetime, 0
        self._send()

    def _send(self) -> None:
        self._again_at = seam.clock() + _WAITS[self._tried]
        self._tried += 1
        assert self._dialect is not None
        if self._asked == _ADDRESS:
            self._dialect.ask_address()
        elif self._asked == _LOOKING and self._about is not None:
            self._dialect.look(self._about)
        elif self._about is not None:
            self._about.ip = self.outside or bytes(4)
            self._dialect.ask(self._about, self._lifetime)

    def _forget_question(self) -> None:
        self._asked, self._about = _NOTHING, None
        self._lifetime = self._tried = self._again_at = 0

    def _try_again(self, now: int) -> None:
        """Ask again what wasn't answered, or give up."""
        most = 1 if self.state == LEAVING else 2 if self.state == SEEKING else len(_WAITS)
        if self._tried < most:
            self._send()
        else:
            self._give_up(now)

    def _give_up(self, now: int) -> None:
        """Go on after a question that nobody answered."""
        mapping = self._about
        self._forget_question()
        if self.state == SEEKING:
            self._seek_on()
        elif self.state == WORKING:
            self._deaf += 1
            self._quiet_until = now + _SILENT
            if mapping is not None and self._is_wanted(mapping):
                self._wait(mapping)
            if self._deaf >= _DEAF:
                self._quiet_until = 0
                self._seek()

    def _renew(self, now: int) -> None:
        """Line up what is due, and tell of what has ended."""
        for mapping in list(self._mappings.values()):
            if mapping.due <= now and (mapping.granted or now >= self._new_at):
                self._wait(mapping)
            if mapping.granted and mapping.until <= now:
                self._grant(mapping, b"")

    def _wait(self, mapping: Mapping) -> None:
        if not mapping.waits:
            mapping.waits = True
            self._waiting.append(mapping)

    def _is_wanted(self, mapping: Mapping) -> bool:
        return self._mappings.get((mapping.protocol, mapping.place)) is mapping

    # Answers.

    def _heard(self, epoch: int) -> None:
        """Look at once, for the gateway announces something; one that has just begun has no mappings."""
        now = seam.clock()
        if self.state == WORKING:
            self._look_at = self._quiet_until = 0
            if 0 <= epoch < _YOUNG and now >= self._heard_at + _LOOK:
                self._heard_at = now
                self._remake(now)
        elif self.state == NONE and self._look_at > seam.clock() + _LOOK:
            self._look_at = seam.clock()
        self._next()

    def _answered(self, answer: "Answer | None") -> None:
        """Take what came from the gateway, None for an error instead."""
        if not self._asked:
            return
        if answer is None:
            if self.state == SEEKING:
                self._again_at = seam.clock()  # nobody there: the tick that follows goes on
                self._tried = len(_WAITS)
            return
        if self._fits(answer):
            now = seam.clock()
            self._deaf = 0
            self._take(answer, now)
            self._next()

    def _fits(self, answer: Answer) -> bool:
        """Say whether an answer is for the question that was asked."""
        if answer.meaning == UNSUPPORTED:
            return True
        if self._about is not None and self._asked == _MAPPING:
            return answer.is_for(self._about)
        return answer.protocol == 0

    def _take(self, answer: Answer, now: int) -> None:
        asked, mapping, lifetime = self._asked, self._about, self._lifetime
        self._forget_question()
        if answer.meaning in (UNSUPPORTED, FORBIDDEN) and self.state == SEEKING:
            self._seek_on()
            return
        if answer.meaning == UNSUPPORTED and self.state == WORKING:  # another gateway has the address now
            self._seek()
            return
        if self._epoch.is_lost(answer.epoch, now) or answer.is_lost:
            self._remake(now)
        if asked == _ADDRESS:
            self._take_address(answer)
        elif asked == _MAPPING and mapping is not None and lifetime and self._is_wanted(mapping):
            self._take_mapping(mapping, answer, now)
        if self.state == SEEKING:
            self.state = WORKING
            self.changed()

    def _take_address(self, answer: Answer) -> None:
        """Take the external address, and have a look at a mapping where nothing else tells that they're gone."""
        if answer.meaning == GRANTED and is_host(answer.ip):
            self._set_outside(answer.ip)
        first = self._first()
        if self.state != WORKING or first is None or not first.granted:
            return
        if self._dialect is not None and self._dialect.look(first):
            self._asked, self._about, self._tried = _LOOKING, first, 1
            self._again_at = seam.clock() + 2

    def _take_mapping(self, mapping: Mapping, answer: Answer, now: int) -> None:
        ip = answer.ip or self.outside
        if answer.meaning != GRANTED or not answer.lifetime or not answer.external or not is_host(ip):
            mapping.due = now + _REFUSED
            if not mapping.granted:
                self._refuse(now)
            return
        if answer.ip and (not self.outside or mapping is self._first()):
            self._set_outside(ip)
        mapping.external = answer.external
        mapping.until = now + answer.lifetime
        mapping.due = now + max(min(answer.lifetime, _LIFETIME) // 2, _SHORTEST)
        self._grant(mapping, join(ip, answer.external))

    def _refuse(self, now: int) -> None:
        """Ask for nothing new for a while: the gateway has no more to give."""
        self._new_at = now + _REFUSED
        new = [each for each in self._waiting if not each.granted]
        for mapping in new:
            mapping.due, mapping.waits = self._new_at, False
        self._waiting = [each for each in self._waiting if each.granted]
        granted, wanted = self.count()
        if self.refused != wanted - granted:
            self.refused = wanted - granted
            self.changed()

    def _grant(self, mapping: Mapping, granted: bytes) -> None:
        if mapping.granted != granted:
            mapping.granted = granted
            self.mapped(mapping)
        if self.refused and not self._waiting:
            self._count_refused()

    def _count_refused(self) -> None:
        count, wanted = self.count()
        if self.refused != wanted - count:
            self.refused = wanted - count
            self.changed()

    def _set_outside(self, ip: bytes) -> None:
        if self.outside != ip:
            self.outside = ip
            self._remake(seam.clock())
            self.changed()

    def _remake(self, now: int) -> None:
        """Ask for all mappings anew: the gateway has lost them."""
        if now >= self._remade_at + _LOOK:
            self._remade_at, self._remakes = now, 0
        self._remakes += 1
        self._new_at = 0
        for mapping in self._mappings.values():
            if self._remakes <= _REMAKES:
                mapping.due = now
                self._wait(mapping)
            else:
                mapping.due = min(mapping.due, self._remade_at + _LOOK)

    def _close(self) -> None:
        self._forget_question()
        if self._dialect is not None:
            self._dialect.close()
        if self._announcements is not None:
            self._announcements.close()
        self._dialect = self._announcements = None
        for mapping in self._waiting:
            mapping.waits = False
        self._waiting, self._gone = [], []
        self._quiet_until = self._new_at = 0
