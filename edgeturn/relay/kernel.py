"""The daemon's side of the kernel path: opens the maps that an attaching process has pinned, and follows them.

    off      option 'kernel' says so, or this interpreter can't call bpf(2)
    absent   nobody has attached
    on       flows are written as channels are bound
    failed   the maps are there and can't be used; a sentence says why

Maps that aren't used are emptied: nobody would end what a relay before this one left in them.

Rule 1: the maps are opened before privileges are dropped, and a write proves afterwards that it's still allowed.
Rule 2: whatever fails here, Python carries on; what is owed to the kernel then is tried again each second.
Rule 3: what writes flows is loaded once there are maps.
"""

import os

from edgeturn import seam
from edgeturn.protocol.address import ip_of
from edgeturn.protocol.pool import Allocation
from edgeturn.relay import sockets
from edgeturn.relay.traffic import Traffic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.kernel.bpf import Map
    from edgeturn.kernel.carrier import Carrier
    from edgeturn.kernel.maps import Maps
    from edgeturn.protocol.state import State
    from edgeturn.relay.configuration import Configuration
    from edgeturn.relay.log import Log
    from edgeturn.relay.observers import Observers

OFF, ABSENT, ON, FAILED = "off", "absent", "on", "failed"
_NOTHING, _POLICY, _RATES = 0, 1, 2  # what is owed to the kernel; the last is both
_ENOENT, _EACCES, _ENOTDIR = 2, 13, 20
_PRIVILEGED = "/proc/sys/kernel/unprivileged_bpf_disabled"
_RELEASE = "/proc/sys/kernel/osrelease"
_OFFSETS = "/proc/self/timens_offsets"
_NO_LONGER = (5, 19)  # Linux; from then on maps that are open may be written by anybody
_NEEDS = "as another user bpf(2) needs Linux 5.19, or sysctl kernel.unprivileged_bpf_disabled=0; or leave out `user`"
_SMALLER = "the maps were made for smaller limits; `edgeturn kernel attach` makes larger ones"
_CLOCK = "this time namespace has another clock than the kernel"


class KernelPath:
    """The kernel path of one daemon."""

    def __init__(self, settings: "Configuration", log: "Log") -> None:
        """Take the configuration and the log."""
        self.carrier: Carrier | None = None
        self.state = OFF if settings.text("kernel") == OFF or not seam.BPF else ABSENT
        self.reason = ""
        self._log = log
        self._pins = settings.text("kernel_pins")
        self._control = settings.text("control")
        self._detach = f"`edgeturn kernel detach -c {settings.file}`"
        self._folder = ""
        self._names: "list[str]" = []
        self._opened: "tuple[int, ...]" = ()  # what told the pins apart when they were opened
        self._told: object = None  # where it stood when the log was told
        self._kept: list[Carrier] = []  # that hold addresses of flows which couldn't be deleted
        self._owed = _NOTHING
        self._tried = 0  # when what is owed was tried last

    def start(
        self, state: "State", observers: "Observers", listeners: "dict[int, bytes]", relay_ips: "list[bytes]"
    ) -> None:
        """Open the maps if they're there, and take over what a relay before this one left in them."""
        self._core = state
        self._observers = observers
        self._listeners = listeners
        self._relay_ips = relay_ips
        from edgeturn.kernel import maps

        self._folder = maps.folder(self._pins, maps.instance(self._control))
        self._names = list(maps.RELAYS)
        if self.state == OFF:
            self.reason = self._empty_pinned()
        else:
            self._follow()

    def announce(self) -> None:
        """Log where the kernel path stands, if that isn't known already."""
        told = (self.state, self.reason, self._opened)
        if told == self._told or (self.state == OFF and not self.reason):
            return
        self._told = told
        words = [f"kernel-path state={self.state} folder={self._folder}"]
        if self.reason:
            words.append(f"reason='{self.reason}'")
        if self.carrier is not None:
            words.append(f"channels={self.carrier.channels} orphans={self.carrier.orphans.count}")
        self._log.write("warning" if self.state in (OFF, FAILED) else "info", " ".join(words))

    def look(self) -> None:
        """Follow the pins, where they have come, gone or changed."""
        if self.state != OFF and self._pinned() != self._opened:
            self._follow()
            self.announce()

    def resume(self) -> None:
        """Follow the pins, and write all flows anew."""
        if self.state == OFF:
            return
        if not self._follow() and self.carrier is not None:
            self.carrier.rewrite()
        self.announce()

    def before_dropping(self) -> None:
        """Give up while that can be done in order, where bpf(2) won't be allowed to another user."""
        if self.carrier is not None and _needs_privilege():
            self._close()
            self._fail(_NEEDS)

    def prove(self) -> None:
        """Write something that nobody reads, to know whether flows may be written as this user."""
        if self.carrier is None:
            return
        try:
            self.carrier.prove()
        except OSError as error:
            self._observers.remove(self.carrier)
            self.carrier.abandon()
            self._kept.append(self.carrier)
            self.carrier = None
            self._fail(f"{seam.reason(error)}; {_NEEDS}")

    def tick(self, now: int) -> None:
        """End what has expired of what a relay before this one left, and do what failed before."""
        if self.carrier is None:
            return
        if self._owed and now != self._tried:
            self._tried = now
            self._pay()
        try:
            self.carrier.tick(now)
        except (OSError, MemoryError):
            self.carrier.failed()
            seam.settle()
        if self._owed:
            self._core.schedule(now + 1)

    def follow(self, relay_ips: "list[bytes]") -> None:
        """Take other IP addresses to relay from, and the listeners that there are now."""
        self._relay_ips = relay_ips
        try:
            if self.carrier is not None:
                self.carrier.follow(relay_ips)
        except (OSError, MemoryError):
            assert self.carrier is not None
            self.carrier.failed()

    def reconsider(self) -> None:
        """Apply another peer policy to what a relay before this one left."""
        self._owed = max(self._owed, _POLICY)
        self._pay()

    def reload(self) -> None:
        """Apply other rates: which of them are unlimited stands in the flows."""
        self._owed = _RATES
        self._pay()

    def give_way(self) -> bool:
        """End all orphans, whose sockets may be too many; say whether there were any."""
        if self.carrier is None or not self.carrier.orphans.count:
            return False
        try:
            self.carrier.orphans.clear()
        except (OSError, MemoryError):
            self.carrier.failed()
        return True

    def traffic(self, owner: Allocation) -> Traffic:
        """Return what a session carried."""
        return Traffic(owner, self.carrier)

    def describe(self) -> "dict[str, object]":
        """Return where it stands, for those who look at the relay."""
        carrier = self.carrier
        return {
            "state": self.state,
            "reason": self.reason,
            "folder": self._folder,
            "channels": carrier.channels if carrier else 0,
            "orphans": carrier.orphans.count if carrier else 0,
            "failures": carrier.failures if carrier else 0,
        }

    def farewell(self, now: int) -> str:
        """Return what the last log line says of channels that go on without the daemon."""
        if self.carrier is None:
            return ""
        count, ends = self.carrier.remaining(now)
        if not count:
            return f" kernel-program=attached hint='{self._detach} takes it away'"
        return f" kernel-channels={count} for-seconds={ends - now} hint='{self._detach} ends them at once'"

    def _pay(self) -> None:
        """Do what is owed to the kernel; what fails stays owed."""
        carrier = self.carrier
        try:
            if carrier is not None and self._owed:
                carrier.reconsider()
                if self._owed == _RATES:
                    carrier.rewrite()
            self._owed = _NOTHING
        except (OSError, MemoryError):
            assert carrier is not None
            carrier.failed()
            seam.settle()

    # Opening and closing.

    def _pinned(self) -> "tuple[int, ...]":
        """Return what tells the pins apart from others at their place; nothing where they aren't all there."""
        try:
            return tuple([os.stat(f"{self._folder}/{name}")[1] for name in self._names])
        except OSError as error:
            return () if error.args[0] in (_ENOENT, _ENOTDIR) else self._opened or (error.args[0],)

    def _follow(self) -> bool:
        """Close what is no longer pinned and open what is; say whether anything was done."""
        pinned = self._pinned()
        if pinned == self._opened and (self.carrier is not None or not pinned):
            return False
        self._close()
        self._opened = pinned
        self.state, self.reason = ABSENT, ""
        if pinned:
            self._open()
        return True

    def _open(self) -> None:
        """Open the maps and let flows be written; where that can't be, leave none in them."""
        found: Maps | None = None
        try:
            from edgeturn.kernel import maps

            found = maps.open_all(self._folder, maps.RELAYS)
            trouble = self._use(found)
        except ImportError as error:  # a user that may not read Python's files
            trouble = f"{error}; a restart of the relay loads it"
        except (OSError, MemoryError) as error:
            trouble = f"can't open the maps: {_sentence(error)}"
        if trouble:
            left = self._empty_pinned() if found is None else _empty(found.flows)
            if found is not None:
                found.close()
            self._fail(f"{trouble}; {left}" if left else trouble)

    def _use(self, found: "Maps") -> str:
        """Let flows be written into maps that are open; return what keeps that from being, "" where nothing does."""
        from edgeturn.kernel import carrier, maps

        wanted = maps.sizes(self._core.limits)
        if any(found.by_name[name].entries < wanted[name] for name in maps.RELAYS):
            return _SMALLER
        if _has_other_clock():
            return _CLOCK
        made = carrier.Carrier(found, self._core, self._listeners, seam.clock, _hold)
        try:
            made.start(self._relay_ips)
        except (OSError, MemoryError) as error:
            self._stop(made)
            return f"can't write flows: {_sentence(error)}"
        self._observers.add(made)
        self.carrier = made
        self.state = ON
        return ""

    def _close(self) -> None:
        carrier, self.carrier = self.carrier, None
        if carrier is not None:
            self._observers.remove(carrier)
            self._stop(carrier)
            carrier.maps.close()

    def _stop(self, carrier: "Carrier") -> None:
        """Take everything back into Python."""
        try:
            carrier.stop()
        except (OSError, MemoryError):
            carrier.failed()
        if _empty(carrier.maps.flows):
            self._kept.append(carrier)

    def _empty_pinned(self) -> str:
        """Delete the flows of maps that aren't open; return why some go on, "" where none does."""
        path = f"{self._folder}/flows"
        try:
            os.stat(path)
        except OSError as error:
            return "" if error.args[0] in (_ENOENT, _ENOTDIR, _EACCES) else _left(_sentence(error))
        if not seam.BPF:
            return _left("this interpreter can't call bpf(2)")
        try:
            from edgeturn.kernel import bpf

            table = bpf.open_pinned(path)
        except (ImportError, OSError, MemoryError) as error:
            return _left(_sentence(error))
        trouble = _empty(table)
        table.close()
        return trouble

    def _fail(self, reason: str) -> None:
        self.state, self.reason = FAILED, reason


def _hold(place: bytes) -> "seam.Socket":
    """Return a socket that is bound to port||ip and keeps next to nothing of what comes; OSError where it can't be."""
    sock: seam.Socket = sockets.udp_socket(ip_of(place))
    try:
        sock.bind(seam.native(place))
    except OSError:
        sock.close()
        raise
    sockets.set_receive_buffer(sock, 0)
    return sock


def _empty(table: "Map") -> str:
    """Delete all flows of a map; return why some go on, "" where none does."""
    trouble = ""
    try:
        keys = table.keys()
        for key in keys:
            try:
                table.delete(key)
            except OSError as error:
                trouble = _left(_sentence(error))
    except (OSError, MemoryError) as error:
        trouble = _left(_sentence(error))
    return trouble


def _left(reason: str) -> str:
    """Return what is said of flows that can't be deleted."""
    return f"flows that are in them go on until they expire: {reason}"


def _sentence(error: Exception) -> str:
    return seam.reason(error) if isinstance(error, OSError) else str(error) or "no memory"


def _has_other_clock() -> bool:
    """Say whether this process's monotonic clock isn't the kernel's, which the program compares with."""
    rows = [line.split() for line in _text(_OFFSETS).split("\n")]
    return any(row[0] in ("monotonic", "1") and row[1:] != ["0", "0"] for row in rows if row)


def _needs_privilege() -> bool:
    """Say whether this kernel refuses bpf(2) to others than root, also for maps that are open already."""
    return _number(_text(_PRIVILEGED)) != 0 and _release() < _NO_LONGER


def _release() -> "tuple[int, int]":
    """Return the first two numbers of the kernel's version."""
    major, _, rest = _text(_RELEASE).partition(".")
    return _number(major), _number(rest)


def _number(text: str) -> int:
    """Return the number that a text begins with, 0 where there's none."""
    digits = 0
    while text[digits : digits + 1].isdigit():
        digits += 1
    return int(text[:digits] or "0")


def _text(path: str) -> str:
    try:
        with open(path) as stream:
            return stream.read()
    except OSError:
        return ""
