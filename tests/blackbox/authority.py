"""An authority of the tests' own: a root, an issuing CA under it, and certificates with anything wrong in them.

Rule 1: what they have is what strict clients ask for, as Python is from 3.13 on: key identifiers, and a CA's key usage.

authority = Authority()
authority.issue("turn.example.org").write(folder)      folder/turn.crt with its chain, folder/turn.key
"""

import datetime
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

EC, RSA, ED25519 = "ec", "rsa", "ed25519"
_SIGNS = x509.KeyUsage(False, False, False, False, False, True, True, False, False)


def new_key(kind: str = EC) -> Key:
    """Return a new private key."""
    if kind == RSA:
        return rsa.generate_private_key(65537, 2048)
    return ed25519.Ed25519PrivateKey.generate() if kind == ED25519 else ec.generate_private_key(ec.SECP256R1())


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@dataclass(frozen=True)
class Issued:
    """A certificate with what comes behind it, and its key."""

    certificate: x509.Certificate
    key: Key
    chain: tuple[x509.Certificate, ...] = ()

    def text(self, *instead: x509.Certificate) -> bytes:
        """Return the PEM of the certificate and its chain, or of others instead."""
        every = instead or (self.certificate, *self.chain)
        return b"".join(each.public_bytes(Encoding.PEM) for each in every)

    def key_text(self, kind: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
        return self.key.private_bytes(Encoding.PEM, kind, NoEncryption())

    def write(self, folder: Path, name: str = "turn") -> tuple[Path, Path]:
        """Put both into a folder as acme does, each at once by a rename; return where."""
        made = folder / f"{name}.crt", folder / f"{name}.key"
        for path, text in zip(made, (self.text(), self.key_text()), strict=True):
            put(path, text)
        return made


def put(path: Path, text: bytes) -> Path:
    """Give a file another content at once, mode 0600."""
    new = path.with_suffix(path.suffix + ".new")
    new.write_bytes(text)
    new.chmod(0o600)
    os.rename(new, path)
    return path


class Authority:
    """A root and an issuing CA."""

    def __init__(self) -> None:
        self._root_key, self._issuing_key = new_key(), new_key()
        self.root = _sign("Test root", self._root_key, "Test root", self._root_key, (), (-9, 9000), True)
        self.issuing = _sign("Test CA", self._issuing_key, "Test root", self._root_key, (), (-9, 900), True)

    def issue(self, *names: str, days: tuple[float, float] = (-1, 90), kind: str = EC) -> Issued:
        """Return a certificate for some names, valid from one day to another, today being 0."""
        key = new_key(kind)
        made = _sign(names[0] if names else "nobody", key, "Test CA", self._issuing_key, names, days, False)
        return Issued(made, key, (self.issuing,))

    def trust(self, folder: Path) -> Path:
        """Return a file with the root."""
        return put(folder / "root.crt", self.root.public_bytes(Encoding.PEM))


def self_signed(*names: str, days: tuple[float, float] = (-1, 90), kind: str = EC) -> Issued:
    """Return a certificate that nobody vouches for."""
    key = new_key(kind)
    name = names[0] if names else "nobody"
    return Issued(_sign(name, key, name, key, names, days, False), key)


def _sign(
    subject: str, key: Key, issuer: str, by: Key, names: tuple[str, ...], days: tuple[float, float], is_ca: bool
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    first, last = (now + datetime.timedelta(days=day) for day in days)
    builder = x509.CertificateBuilder(named(issuer), named(subject), key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(first).not_valid_after(last)
    builder = builder.add_extension(x509.BasicConstraints(is_ca, None), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), False)
    if is_ca:
        builder = builder.add_extension(_SIGNS, critical=True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([alternative(name) for name in names]), False)
    return builder.sign(by, None if isinstance(by, ed25519.Ed25519PrivateKey) else hashes.SHA256())
