"""The certificate in force, and its files, which others renew whenever they like: acme, certbot, a person with cp.

Rule 1: the files are looked at once a second; a pair that can serve is used for whoever connects from then on.
Rule 2: files may be half written: what can't serve is looked at again in the next second before anybody complains.
Rule 3: until a pair can serve, the one before it does, and the log and `status` say why. No connection is dropped.
Rule 4: what clients refuse, or will soon, is said when a certificate is taken; its end is said each day.
"""

from edgeturn import seam
from edgeturn.protocol.address import format_ip, ip_of
from edgeturn.relay.log import Log
from edgeturn.relay.passwd import find_user
from edgeturn.relay.tls.certificates import INFO, Pair, Reader, Told, Unusable, status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeturn.relay.configuration import Configuration
    from edgeturn.relay.tls.certificates import Remark

    Stamp = tuple[int, ...]

_DAY = 86400
_MODE, _INODE, _UID, _GID, _SIZE, _MTIME, _CTIME = 0, 1, 4, 5, 6, 8, 9  # of os.stat


class Renewal:
    """Follows the certificate and key of a configuration."""

    def __init__(self, settings: "Configuration", log: Log) -> None:
        """Read the files of a configuration; Unusable where they can't serve."""
        self._settings, self._log = settings, log
        self._file, self._key_file = settings.text("certificate"), settings.text("key")
        self._reader = reader(settings)
        self._stamp, self._read_at = self._look(), seam.wall()  # of the files that were judged last
        self._served = self._stamp  # of the files that are in use
        self.pair = Pair(self._file, self._key_file, self._reader)
        self.trouble = ""  # why the files as they are now aren't used
        self._suspect: Stamp = ()  # of files that could not serve at the first look
        self._told_at = self._told_stage = 0

    def serve(self, places: "Callable[[], list[bytes]]", use: "Callable[[Pair], None]") -> None:
        """Say what is in use, and give each other pair from now on to what serves with it.

        places returns where the relay listens now; use raises OSError or ValueError where it can't use a pair.
        """
        self._places, self._use = places, use
        self._announce(seam.wall())

    def reload(self, settings: "Configuration") -> None:
        """Take the names that clients are told now, and look at the files again whatever became of them."""
        self._settings, self._stamp = settings, ()

    def tick(self, now: int) -> None:
        """Look whether the files are others, and whether the time has come for a remark; now: Unix seconds."""
        stamp = self._look()
        if stamp != self._stamp or self._is_young(stamp):
            self._read(stamp)
        stage = self.pair.chain.stage(now)
        if stage != self._told_stage or (stage and now - self._told_at >= _DAY):
            self._tell(self.pair.chain.validity(now), now)

    def describe(self, now: int) -> "dict[str, object]":
        """Return what is in force; now: Unix seconds."""
        chain = self.pair.chain
        problems = [text for level, text in self.pair.remarks(self._names(), now) if level != INFO]
        return {
            "file": self._file,
            "key": self._key_file,
            "names": chain.names(),
            "issuer": chain.issuer(),
            "expires_seconds": chain.leaf.not_after - now,
            "problems": ([self.trouble] if self.trouble else []) + problems,
        }

    def _names(self) -> Told:
        return told(self._settings, self._places())

    def _look(self) -> "Stamp":
        """Return what changes when the files do, links followed."""
        found: list[int] = []
        for path in (self._file, self._key_file):
            try:
                known = status(path)
            except OSError as error:
                found.append(error.args[0])
                continue
            found += [known[at] for at in (_MODE, _INODE, _UID, _GID, _SIZE, _MTIME, _CTIME)]
        return tuple(found)

    def _is_young(self, stamp: "Stamp") -> bool:
        """Say whether the files changed in the second in which they were read: a stamp knows no part of a second."""
        return self._read_at - 1 in stamp or self._read_at in stamp

    def _read(self, stamp: "Stamp") -> None:
        self._read_at = seam.wall()
        try:
            pair = Pair(self._file, self._key_file, self._reader)
            if pair.digest != self.pair.digest:
                self._exchange(pair)
            elif self.trouble:
                self._log.write("info", f"certificate file={self._file} is again the one in use")
            self.pair = pair  # with the modes that its files have now
        except Unusable as error:
            self._refuse(stamp, str(error))
            return
        except MemoryError:
            self._complain(f"{self._file}: no memory is left to read it; it is tried again each second")
            return
        self.trouble, self._stamp, self._served, self._suspect = "", stamp, stamp, ()

    def _refuse(self, stamp: "Stamp", reason: str) -> None:
        """Keep what is in force; complain of files that are at the second look what they were at the first."""
        if stamp == self._served:
            self._stamp = stamp  # they serve already, and who we've become may not read them
            return
        if stamp != self._suspect:
            self._suspect = stamp
            return
        self._stamp = stamp
        self._complain(reason)

    def _complain(self, reason: str) -> None:
        if reason != self.trouble:
            self._log.write("error", f"certificate-kept reason='{reason}'")
        self.trouble = reason

    def _exchange(self, pair: Pair) -> None:
        """Serve with another pair from now on; Unusable where the TLS library can't."""
        try:
            self._use(pair)
        except (OSError, ValueError) as error:
            said = seam.reason(error) if isinstance(error, OSError) else str(error)
            raise Unusable(f"{self._file}: the TLS library can't use it: {said}")
        self.pair = pair
        self._announce(seam.wall())

    def _announce(self, now: int) -> None:
        chain = self.pair.chain
        names, days = ",".join(chain.names()), (chain.leaf.not_after - now) // _DAY
        self._log.write(
            "info", f"certificate file={self._file} names={names} issuer='{chain.issuer()}' days-left={days}"
        )
        self._tell(self.pair.remarks(self._names(), now), now)

    def _tell(self, remarks: "list[Remark]", now: int) -> None:
        self._told_at, self._told_stage = now, self.pair.chain.stage(now)
        for level, sentence in remarks:
            self._log.write(level, f"certificate reason='{sentence}'")


def told(settings: "Configuration", places: "list[bytes]") -> Told:
    """Return what clients are told of a relay that listens at some places."""
    ips: list[str] = []
    for place in places:
        ip = format_ip(settings.announced(ip_of(place)))
        if ip not in ips and not ip.startswith("127.") and ip != "::1":
            ips.append(ip)
    return Told([str(name) for name in settings.items("tls_names")], ips)


def reader(settings: "Configuration") -> "Reader | None":
    """Return who a relay that is started as root becomes, None where it stays who it is."""
    name = settings.text("user")
    ids = find_user(name) if name and seam.user_id() == 0 else None
    return Reader(name, ids[0], ids[1]) if ids else None
