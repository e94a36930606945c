"""The relay's certificate, judged: what keeps it from serving, and what clients won't like about it.

Rule 1: a remark is one sentence that begins with the file: what is wrong, and what to do.
Rule 2: a pair that can't serve is Unusable. One that clients may refuse serves all the same, with a remark.
Rule 3: remarks are made for a time, so those of a day that comes can be asked for.
"""

import os

from edgeturn import seam
from edgeturn.protocol import certificate
from edgeturn.protocol.address import format_ip, parse_ip
from edgeturn.protocol.certificate import BadCertificate, Block, Certificate, date
from edgeturn.relay.describe import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    Remark = tuple[str, str]

ERROR, WARNING, INFO = "error", "warning", "info"  # clients refuse it; some do, or will; good to know

NEAR = 14 * 86400  # seconds before the end from which on it is said
_EACCES = 13
_FILE_SIZE = 65536  # a chain with its key has 4 to 8 kB
_TYPE, _REGULAR = 0o170000, 0o100000
_MODE, _UID, _GID, _SIZE = 0, 4, 5, 6  # of os.stat


class Unusable(Exception):
    """Why a certificate and its key can't serve: a sentence that begins with the file."""


class Told:
    """What clients are told to connect to: names that are configured, and the relay's own addresses."""

    def __init__(self, names: "list[str]", addresses: "list[str]") -> None:
        """Take both as text."""
        self.names = names
        self.addresses = addresses


class Reader:
    """Who will have to read the files again when they are renewed."""

    def __init__(self, name: str, uid: int, gid: int) -> None:
        """Take a user's name and numbers."""
        self.name = name
        self.uid = uid
        self.gid = gid


class Chain:
    """Certificates as they're shown to clients, the server's own first, and the name of where they come from."""

    def __init__(self, certificates: "list[Certificate]", source: str) -> None:
        """Take at least one certificate, and a file or server."""
        self.certificates = certificates
        self.leaf = certificates[0]
        self.source = source

    def names(self) -> "list[str]":
        """Return the names and addresses that it is for."""
        return [printable(name) for name in self.leaf.dns] + [format_ip(ip) for ip in self.leaf.ips]

    def issuer(self) -> str:
        """Return who issued it."""
        return called(self.leaf.issuer)

    def stage(self, now: int) -> int:
        """Return where a time stands: -1 before it is valid, 0 within, 1 near its end, 2 behind."""
        if now < self.leaf.not_before:
            return -1
        return (now >= self.leaf.not_after - NEAR) + (now >= self.leaf.not_after)

    def remarks(self, told: "Told", now: int) -> "list[Remark]":
        """Return what is to be said of it at a time, where clients are told some names."""
        return self.validity(now) + self._from_here(self._of_names(told) + self._of_issuers(now))

    def validity(self, now: int) -> "list[Remark]":
        """Return what is to be said of its validity at a time."""
        return self._from_here(self._of_time(now))

    def _from_here(self, found: "list[Remark]") -> "list[Remark]":
        return [(level, f"{self.source}: {sentence}") for level, sentence in found]

    def _of_time(self, now: int) -> "list[Remark]":
        stage, leaf = self.stage(now), self.leaf
        if stage < 0:
            clock = f"until then clients refuse it; or this machine's clock ({date(now)}) is wrong"
            return [(ERROR, f"isn't valid before {date(leaf.not_before)}: {clock}")]
        if stage == 2:
            return [(ERROR, f"has expired on {date(leaf.not_after)}: clients refuse it; renew it")]
        if stage == 1:
            return [(WARNING, f"expires on {date(leaf.not_after)}: see why it wasn't renewed, and renew it")]
        return []

    def _of_names(self, told: "Told") -> "list[Remark]":
        known = ", ".join(self.names())
        if not known:
            return [(ERROR, "is for no name: clients look at subjectAltName only; get one with the relay's name in it")]
        missed = [name for name in told.names if not _covers(self.leaf, name)]
        found = [
            (ERROR, f"isn't for {name}, which clients are told, but for {known}: they refuse it") for name in missed
        ]
        if not told.names and told.addresses and not any(_covers(self.leaf, each) for each in told.addresses):
            which = f"is for {known}, not for {', '.join(told.addresses)}"
            found.append((INFO, f"{which}: tell clients the name; in option tls_names it is checked"))
        return found

    def _of_issuers(self, now: int) -> "list[Remark]":
        if self.leaf.is_self_issued():
            return [(WARNING, "is self-signed: browsers refuse it without a word, others have to be told to trust it")]
        order = self._disorder()
        found = [order] if order else []
        for each in self.certificates[1:]:
            if now >= each.not_after:
                name = called(each.subject)
                found.append(
                    (WARNING, f'holds the issuer "{name}", expired on {date(each.not_after)}: get the chain anew')
                )
        return found

    def _disorder(self) -> "Remark | None":
        """Return what is wrong with who follows whom."""
        below, rest = self.leaf, self.certificates[1:]
        while rest and rest[0].subject == below.issuer:
            below, rest = rest[0], rest[1:]
        name = called(below.issuer)
        if any(each.subject == below.issuer for each in rest):
            return WARNING, f'holds its issuers in the wrong order: "{name}" must follow what it issued'
        if below is not self.leaf:
            return None  # what is left belongs to another chain, and clients leave it out
        refusal = "clients that don't know that refuse it; use the file with the whole chain (fullchain)"
        return WARNING, f'lacks the certificate of its issuer "{name}": {refusal}'


class Pair:
    """A certificate file and a key file that belong together; a digest of both tells them from others."""

    def __init__(self, file: str, key_file: str, reader: "Reader | None" = None) -> None:
        """Read both; Unusable where they can't serve."""
        data, key_data = _read(file), _read(key_file)
        self.file, self.key_file = file, key_file
        self.digest = seam.sha256(data + key_data)
        self.chain = Chain(_certificates(file, data), file)
        self._check_key(_key(key_file, key_data))
        try:
            self._of_files = self._look_at_modes(reader)
        except OSError as error:  # it is being exchanged
            raise Unusable(f"{key_file}: can't be read: {seam.reason(error)}")

    def remarks(self, told: Told, now: int) -> "list[Remark]":
        """Return what is to be said of it at a time, where clients are told some names."""
        return self.chain.remarks(told, now) + self._of_files

    def _look_at_modes(self, reader: "Reader | None") -> "list[Remark]":
        found = []
        mode = status(self.key_file)[_MODE] & 0o777
        if mode & 0o004:
            advice = f"everybody on this machine may read it (mode {mode:04o}); `chmod o= {self.key_file}`"
            found.append((WARNING, f"{self.key_file}: {advice}"))
        for path in (self.file, self.key_file) if reader else ():
            if reader and not _is_readable(path, reader.uid, reader.gid):
                advice = f"a restart takes a renewed one, a reload can't; let group {reader.gid} read it"
                found.append((WARNING, f"{path}: user {reader.name} may not read it: {advice}"))
        return found

    def _check_key(self, key: Block) -> None:
        try:
            public = certificate.public_half(key)
        except BadCertificate as error:
            raise Unusable(f"{self.key_file}: the private key can't be read: {error}")
        if not public.differs(self.chain.leaf.key):
            return
        for number, each in enumerate(self.chain.certificates[1:], 2):
            if not public.differs(each.key):
                advice = "it must stand first, its issuers behind it"
                raise Unusable(f"{self.file}: the certificate of the key is number {number} of it; {advice}")
        raise Unusable(
            f"{self.key_file}: the private key doesn't belong to the certificate in {self.file}; "
            f"give both as they were made together"
        )


def called(name: bytes) -> str:
    """Return what a DER name is called, in one line."""
    try:
        words = certificate.common_name(name).split(b" ")
    except BadCertificate:
        words = []
    return " ".join([printable(word) for word in words if word]) or "-"


def _covers(leaf: Certificate, name: str) -> bool:
    try:
        return parse_ip(name) in leaf.ips
    except ValueError:
        return leaf.covers(name.encode())


# Files.


def status(path: str) -> "list[int]":
    """Return what stat(2) says, as both interpreters order it: mode, inode, device, links, user, group, size, times."""
    return [int(value) for value in os.stat(path)]


def _read(file: str) -> bytes:
    """Return what a file holds; Unusable where that can't be had."""
    try:
        known = status(file)
        if known[_MODE] & _TYPE != _REGULAR:  # a FIFO would never end
            raise Unusable(f"{file}: is no file; correct the path")
        if known[_SIZE] > _FILE_SIZE:
            raise Unusable(f"{file}: is larger than {_FILE_SIZE // 1024} kB, so it's neither certificate nor key")
        with open(file, "rb") as stream:
            data: bytes = stream.read(known[_SIZE] + 1)  # MicroPython takes memory for what is asked for
    except OSError as error:
        hint = f"; let user number {seam.user_id()} read it" if error.args[0] == _EACCES else ""
        raise Unusable(f"{file}: can't be read: {seam.reason(error)}{hint}")
    if not data:
        raise Unusable(f"{file}: is empty")
    return data


def _blocks(file: str, data: bytes) -> "list[Block]":
    if data[:1] == b"\x30":
        raise Unusable(f"{file}: is in DER form; `openssl x509` or `openssl pkey`, with `-inform der`, makes PEM of it")
    try:
        return certificate.blocks(data)
    except BadCertificate as error:
        raise Unusable(f"{file}: can't be read: {error}; it may be half written")


def _certificates(file: str, data: bytes) -> "list[Certificate]":
    blocks = _blocks(file, data)
    found = [block for block in blocks if block.is_certificate()]
    if not found:
        keys = any(block.is_key() for block in blocks)
        advice = (
            "a private key; see whether the options certificate and key are exchanged"
            if keys
            else "nothing in PEM form"
        )
        raise Unusable(f"{file}: holds no certificate, but {advice}")
    try:
        return [Certificate(block.der) for block in found]
    except BadCertificate as error:
        raise Unusable(f"{file}: the certificate can't be read: {error}")


def _key(file: str, data: bytes) -> Block:
    blocks = _blocks(file, data)
    found = [block for block in blocks if block.is_key()]
    if not found:
        advice = (
            "a certificate; see whether the options certificate and key are exchanged"
            if blocks
            else "nothing in PEM form"
        )
        raise Unusable(f"{file}: holds no private key, but {advice}")
    if len(found) > 1:
        raise Unusable(f"{file}: holds {len(found)} private keys; leave the one that belongs to the certificate")
    if found[0].is_encrypted:
        raise Unusable(f"{file}: needs a passphrase; `openssl pkey -in {file} -out NEW` takes it off")
    return found[0]


def _is_readable(path: str, uid: int, gid: int) -> bool:
    """Say whether a user may read a file, through all folders above it."""
    parts = path.split("/")
    folders = ["/".join(parts[:end]) or "/" for end in range(1, len(parts))] if path[:1] == "/" else []
    return _has(path, 4, uid, gid) and all(_has(folder, 1, uid, gid) for folder in folders)


def _has(path: str, bit: int, uid: int, gid: int) -> bool:
    known = status(path)
    shift = 6 if known[_UID] == uid else 3 if known[_GID] == gid else 0
    return bool(known[_MODE] >> shift & bit)
