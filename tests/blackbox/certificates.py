"""Certificates of the tests' own, made when they are needed: self-signed, so that a client trusts exactly this one."""

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

NAME = "turn.example.org"
_LOOPBACK = ("127.0.0.1", "::1")


@dataclass
class Certificate:
    """The files of a certificate and its key."""

    certificate: Path
    key: Path

    def settings(self) -> dict[str, str]:
        """Return the relay's options."""
        return {"certificate": str(self.certificate), "key": str(self.key)}


def make(
    folder: Path, name: str = NAME, use_rsa: bool = False, days: int = 30, hosts: Sequence[str] = _LOOPBACK
) -> Certificate:
    """Write a certificate for a name and some addresses into a folder."""
    key = rsa.generate_private_key(65537, 2048) if use_rsa else ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    names = [x509.DNSName(name), *(x509.IPAddress(ipaddress.ip_address(host)) for host in hosts)]
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(names), False)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )
    files = Certificate(folder / f"{name}.crt", folder / f"{name}.key")
    files.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files
