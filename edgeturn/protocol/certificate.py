"""X.509 certificates and private keys, read as far as a server has to judge its own (RFC 5280, 5915, 5958, 7468, 8017).

    -----BEGIN CERTIFICATE-----      SEQUENCE                       tbsCertificate
    MIIB…                       ──►    SEQUENCE                ──►    [0] version, serial, algorithm,
    -----END CERTIFICATE-----          algorithm, signature           issuer, validity, subject, key, [3] extensions

Rule 1: this reads and compares; signatures are verified by the TLS library of who connects.
Rule 2: what can't be read is BadCertificate, whatever the bytes are.
Rule 3: a private key is looked at for its public half only, and nothing of it is kept.
"""

from edgeturn.seam import from_base64

_INTEGER, _BITS, _OCTETS, _OID, _SEQUENCE, _SET = 0x02, 0x03, 0x04, 0x06, 0x30, 0x31
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_VERSION, _EXTENSIONS = 0xA0, 0xA3  # context tags of tbsCertificate
_EC_PUBLIC = 0xA1  # of ECPrivateKey
_DNS, _IP = 0x82, 0x87  # of GeneralName
_LONGEST_LENGTH = 4

RSA = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"
EC = b"\x2a\x86\x48\xce\x3d\x02\x01"
_COMMON_NAME, _ORGANIZATION = b"\x55\x04\x03", b"\x55\x04\x0a"
_SUBJECT_ALT_NAME = b"\x55\x1d\x11"
_DAY = 86400
_UTC_PIVOT = 50  # RFC 5280 §4.1.2.5.1: years from 50 on are of the last century


class BadCertificate(Exception):
    """Why bytes are no certificate or key."""


class Block:
    """A block of a PEM file: what it says it is, its DER, whether a passphrase is needed for it."""

    def __init__(self, label: bytes, der: bytes, is_encrypted: bool) -> None:
        """Take the three."""
        self.label = label
        self.der = der
        self.is_encrypted = is_encrypted

    def is_certificate(self) -> bool:
        """Say whether it holds a certificate."""
        return self.label in (b"CERTIFICATE", b"X509 CERTIFICATE")

    def is_key(self) -> bool:
        """Say whether it holds a private key."""
        return self.label.endswith(b"PRIVATE KEY")


def blocks(data: bytes) -> "list[Block]":
    """Return the blocks of a PEM file (RFC 7468); what stands between them is left out."""
    found = []
    for part in data.split(b"-----BEGIN ")[1:]:
        label, _, rest = part.partition(b"-----")
        body, end, _ = rest.partition(b"-----END " + label + b"-----")
        if not end:
            raise BadCertificate("a block in it has no end")
        encrypted = label == b"ENCRYPTED PRIVATE KEY" or b"Proc-Type:" in body  # RFC 1421 headers of old OpenSSL
        found.append(Block(label, b"" if encrypted else _decode(body), encrypted))
    return found


def _decode(body: bytes) -> bytes:
    try:
        return from_base64(body)
    except ValueError:
        raise BadCertificate("a block in it is no base64")


class PublicKey:
    """A public key: its algorithm's OID, and what tells it from others of the same, b"" where that isn't known."""

    def __init__(self, algorithm: bytes, value: bytes) -> None:
        """Take both; the value is the modulus of RSA, the point of EC."""
        self.algorithm = algorithm
        self.value = value

    def differs(self, other: "PublicKey") -> bool:
        """Say whether two keys are certainly not the same one."""
        if self.algorithm != other.algorithm:
            return True
        if not self.value or not other.value or (self.algorithm == EC and self.value[0] != other.value[0]):
            return False  # one is unknown, or a compressed point
        return self.value != other.value


class Certificate:
    """A certificate: subject and issuer as DER names, validity in Unix seconds, public key, the names it is for."""

    def __init__(self, der: bytes) -> None:
        """Read a certificate's DER; BadCertificate where it's none."""
        fields = _elements(_take(_elements(_only(der)), 0, _SEQUENCE))
        at = 1 if fields and fields[0][0] == _VERSION else 0
        _take(fields, at, _INTEGER)
        self.issuer = _take(fields, at + 2, _SEQUENCE)
        validity = _elements(_take(fields, at + 3, _SEQUENCE))
        if len(validity) != 2:
            raise BadCertificate("it has no validity")
        self.not_before, self.not_after = _time(*validity[0]), _time(*validity[1])
        self.subject = _take(fields, at + 4, _SEQUENCE)
        self.key = _public_key(_take(fields, at + 5, _SEQUENCE))
        self.dns: list[bytes] = []
        self.ips: list[bytes] = []
        for tag, value in fields[at + 6 :]:
            if tag == _EXTENSIONS:
                self._read_names(_elements(_only(value)))

    def is_self_issued(self) -> bool:
        """Say whether it names itself as its issuer."""
        return self.subject == self.issuer

    def covers(self, name: bytes) -> bool:
        """Say whether it is for a domain name; a * stands for one whole label (RFC 9525 §6.3)."""
        name = name.lower()
        label, dot, parent = name.partition(b".")
        wildcard = b"*" + dot + parent if label and parent else b""
        return any(known.lower() in (name, wildcard) for known in self.dns)

    def _read_names(self, extensions: "list[tuple[int, bytes]]") -> None:
        for _, extension in extensions:
            parts = _elements(extension)
            if _take(parts, 0, _OID) != _SUBJECT_ALT_NAME:
                continue
            for tag, value in _elements(_only(_take(parts, len(parts) - 1, _OCTETS))):
                if tag == _DNS:
                    self.dns.append(value)
                elif tag == _IP and len(value) in (4, 16):
                    self.ips.append(value)


def common_name(name: bytes) -> bytes:
    """Return what a DER name is called: its common name, else its organization, else b""."""
    found = {}
    for _, row in _elements(name):
        for _, pair in _elements(row):
            parts = _elements(pair)
            if len(parts) == 2:
                found[_take(parts, 0, _OID)] = parts[1][1]
    return found.get(_COMMON_NAME, found.get(_ORGANIZATION, b""))


def public_half(key: Block) -> PublicKey:
    """Return the public key that belongs to a private one (RFC 5958, 8017 §A.1.2, 5915)."""
    parts = _elements(_only(key.der))
    if key.label == b"RSA PRIVATE KEY":
        return PublicKey(RSA, _take(parts, 1, _INTEGER))
    if key.label == b"EC PRIVATE KEY":
        return PublicKey(EC, _point(parts))
    if key.label != b"PRIVATE KEY":
        return PublicKey(key.label, b"")
    algorithm = _take(_elements(_take(parts, 1, _SEQUENCE)), 0, _OID)
    inner = _take(parts, 2, _OCTETS)
    if algorithm == RSA:
        return PublicKey(RSA, _take(_elements(_only(inner)), 1, _INTEGER))
    return PublicKey(algorithm, _point(_elements(_only(inner))) if algorithm == EC else b"")


def _point(parts: "list[tuple[int, bytes]]") -> bytes:
    """Return the point of an ECPrivateKey, b"" where it isn't written down."""
    for tag, value in parts:
        if tag == _EC_PUBLIC:
            return _take(_elements(value), 0, _BITS)[1:]
    return b""


def _public_key(info: bytes) -> PublicKey:
    parts = _elements(info)
    algorithm = _take(_elements(_take(parts, 0, _SEQUENCE)), 0, _OID)
    value = _take(parts, 1, _BITS)[1:]  # behind the number of unused bits
    return PublicKey(algorithm, _take(_elements(_only(value)), 0, _INTEGER) if algorithm == RSA else value)


# DER.


def _elements(data: bytes) -> "list[tuple[int, bytes]]":
    """Return tag and value of the elements that stand one behind another."""
    found = []
    at = 0
    while at < len(data):
        size, start = _length(data, at + 1)
        if data[at] & 0x1F == 0x1F or start + size > len(data):
            raise BadCertificate("its DER is cut off or broken")
        found.append((data[at], data[start : start + size]))
        at = start + size
    return found


def _length(data: bytes, at: int) -> "tuple[int, int]":
    """Return a length and where it ends, which may be behind the data."""
    first = data[at] if at < len(data) else 0xFF
    if first < 0x80:
        return first, at + 1
    end = at + 1 + (first & 0x7F)
    if not 0x80 < first <= 0x80 + _LONGEST_LENGTH:
        raise BadCertificate("its DER is cut off or broken")
    return int.from_bytes(data[at + 1 : end], "big"), end


def _only(data: bytes) -> bytes:
    """Return the value of the one SEQUENCE that data is."""
    found = _elements(data)
    if len(found) != 1:
        raise BadCertificate("its DER is cut off or broken")
    return _take(found, 0, _SEQUENCE)


def _take(elements: "list[tuple[int, bytes]]", index: int, tag: int) -> bytes:
    """Return the value of the element at an index, which must have a tag."""
    if not 0 <= index < len(elements) or elements[index][0] != tag:
        raise BadCertificate("it is built otherwise than RFC 5280 says")
    return elements[index][1]


# Time.


def _time(tag: int, value: bytes) -> int:
    """Return a UTCTime or GeneralizedTime in Unix seconds (RFC 5280 §4.1.2.5)."""
    size = {_UTC_TIME: 2, _GENERALIZED_TIME: 4}.get(tag, 0)
    digits = value[:-1]
    if not size or len(digits) != size + 10 or value[-1:] != b"Z" or not digits.isdigit():
        raise BadCertificate("it has a time that can't be read")
    year = int(value[:size])
    if size == 2:
        year += 1900 if year >= _UTC_PIVOT else 2000
    month, day, hour, minute, second = [int(value[at : at + 2]) for at in range(size, size + 10, 2)]
    if not 0 < month < 13 or not 0 < day < 32 or hour > 23 or minute > 59 or second > 60:
        raise BadCertificate("it has a time that can't be read")
    return _days(year, month, day) * _DAY + hour * 3600 + minute * 60 + second


def _days(year: int, month: int, day: int) -> int:
    """Return the days from 1970-01-01 to a date; a year is counted from March, so the leap day is its last."""
    year -= month < 3
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return 365 * year + year // 4 - year // 100 + year // 400 + of_year - 719468


def date(seconds: int) -> str:
    """Return the day of Unix seconds as YYYY-MM-DD."""
    days = seconds // _DAY
    year = 1970 + days // 366  # never too late
    while _days(year + 1, 1, 1) <= days:
        year += 1
    month = 1
    while month < 12 and _days(year, month + 1, 1) <= days:
        month += 1
    return f"{year:04d}-{month:02d}-{days - _days(year, month, 1) + 1:02d}"
