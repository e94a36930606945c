"""A self-signed certificate beside the configuration, for who has no other yet.

Rule 1: nothing is overwritten; certificate, key and the lines in the configuration are made together or not at all.
Rule 2: it is valid for ten years. Nothing renews it, and each new one has to be brought to every client by hand; a
        shorter life would only be an outage nobody thought of. (Apple's systems want at most 825 days: `--days`.)
Rule 3: it can issue no other certificates, so that who trusts it trusts this relay and nothing else.
"""

import datetime
import ipaddress
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgeturn.cli import addresses, change, files, place
from edgeturn.cli.failure import Failure, Wrong, reason
from edgeturn.command.edit import Document
from edgeturn.protocol.address import format_ip, ip_of
from edgeturn.relay.configuration import Configuration

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

DAYS = 3650
WARNING = (
    "Browsers refuse it: WebRTC then doesn't use this relay over TLS, and says nothing. For browsers use a certificate "
    "that ACME gets for your domain name. Other clients can be given {} to trust."
)
_NAME = re.compile(
    r"(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?", re.IGNORECASE
)
_UCI_FOLDER, _OTHER_FOLDER = Path("/etc/config"), Path("/etc/edgeturn")  # all in the former is read as UCI
_LONGEST_COMMON_NAME = 64  # RFC 5280, ub-common-name
_WITHOUT = (
    "the Python package 'cryptography' makes certificates, and isn't installed: `pip install cryptography`. Or make "
    "one by `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj /CN=NAME "
    "-addext subjectAltName=DNS:NAME -keyout KEY -out CERTIFICATE` and set the options certificate and key"
)


@dataclass(frozen=True)
class Made:
    """What was made: both files, the names that are in the certificate, its last day."""

    certificate: Path
    key: Path
    names: tuple[str, ...]
    ends: str


def check_library() -> None:
    """Raise a Failure where certificates can't be made."""
    try:
        import cryptography.x509  # noqa: F401
    except ImportError:
        raise Failure(f"{_WITHOUT}.") from None


def checked(name: str) -> str:
    """Return a domain name or IP address as it is written in a certificate; ValueError where it is neither."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        pass
    if len(name) > 253 or not _NAME.fullmatch(name):
        raise ValueError("is neither a domain name nor an IP address")
    return name.lower()


def paths(file: Path) -> tuple[Path, Path]:
    """Return where certificate and key of a configuration are put."""
    folder = file.absolute().parent
    folder = _OTHER_FOLDER if folder == _UCI_FOLDER else folder
    return folder / f"{file.stem}.crt", folder / f"{file.stem}.key"


def check_free(file: Path) -> None:
    """Raise Wrong where a certificate is there already."""
    settings = place.read(file) if place.exists(file) else None
    used = settings and (settings.text("certificate") or settings.text("key"))
    if used:
        raise Wrong(f"{file} names a certificate already: {used}; `{place.command('check', file)}` judges it.")
    for path in paths(file):
        if place.exists(path):
            raise Wrong(f"{path} exists already and is not overwritten: move it away, or name it in {file}.")


def create(file: Path, given: tuple[str, ...], days: int) -> Made:
    """Make certificate and key for the relay of a configuration, and name them there."""
    settings = place.read(file)
    names = tuple(dict.fromkeys([*(given or _own_name()), *_reached_at(settings)]))
    if not names:
        raise Wrong("this machine has neither a domain name nor an address; give one by --name.")
    certificate, key = paths(file)
    signed, private = _sign(names, days)
    made: list[Path] = []
    try:
        for path, text, mode in ((key, _key_text(private), 0o600), (certificate, _text(signed), 0o644)):
            files.create(path, text)
            made.append(path)
            _own(path, file, mode)
        change.apply(file, lambda document: _write(document, certificate, key, given))
    except Failure:
        for path in made:
            path.unlink()
        raise
    return Made(certificate, key, names, (_now() + datetime.timedelta(days=days)).date().isoformat())


def _write(document: Document, certificate: Path, key: Path, given: tuple[str, ...]) -> None:
    document.set("certificate", str(certificate))
    document.set("key", str(key))
    known = {entry.value for entry in document.entries("tls_names")}
    for name in given:
        if name not in known:
            document.add("tls_names", name)


def _own(path: Path, file: Path, mode: int) -> None:
    """Let a file belong to whom the configuration belongs to."""
    try:
        owner = file.stat()
        if (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()):
            os.chown(path, owner.st_uid, owner.st_gid)
        path.chmod(mode)
    except OSError as error:
        raise Failure(f"{path} can't be given to the owner of {file}: {reason(error)}.") from None


def _own_name() -> list[str]:
    """Return this machine's domain name, none where it has none."""
    name = socket.gethostname().lower()
    return [name] if "." in name and _NAME.fullmatch(name) and not name.endswith(".localdomain") else []


def _reached_at(settings: Configuration) -> list[str]:
    """Return the addresses at which clients reach the relay."""
    return [format_ip(ip_of(addresses.announced(settings, each))) for each in addresses.best(settings)]


def _sign(names: tuple[str, ...], days: int) -> "tuple[x509.Certificate, EllipticCurvePrivateKey]":
    """Return a new certificate and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    called = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:_LONGEST_COMMON_NAME])])
    now = _now()
    builder = x509.CertificateBuilder(called, called, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1))  # clients' clocks aren't all right
    builder = builder.not_valid_after(now + datetime.timedelta(days=days))
    for extension, critical in _extensions(names, key):
        builder = builder.add_extension(extension, critical)
    return builder.sign(key, hashes.SHA256()), key


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


def _extensions(names: tuple[str, ...], key: "EllipticCurvePrivateKey") -> "list[tuple[x509.ExtensionType, bool]]":
    """Return what the certificate is for, and whether who doesn't understand it must refuse it."""
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    signing_only = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    return [
        (x509.SubjectAlternativeName([_general(name) for name in names]), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (signing_only, True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
    ]


def _general(name: str) -> "x509.GeneralName":
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _text(certificate: "x509.Certificate") -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM).decode()


def _key_text(key: "EllipticCurvePrivateKey") -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
