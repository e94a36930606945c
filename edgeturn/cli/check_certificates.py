"""What `check` says of certificates: the files of a configuration, or what a server showed in its handshake.

    relay's files ──► Pair ──┐
                             ├──► remarks ──► results, as the other steps of `check` have them
    handshake ─► DER chain ──┘

Rule 1: the judgement is the relay's own (relay/tls/certificates.py); this only asks for it and words the results.
"""

import socket
import ssl
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgeturn.cli import addresses
from edgeturn.cli.check_steps import FAILED, PASSED, Result
from edgeturn.probing.server import Server, Trust
from edgeturn.probing.way import tls_context
from edgeturn.protocol import address
from edgeturn.protocol.certificate import BadCertificate, Certificate, date
from edgeturn.protocol.listener import TLS
from edgeturn.relay.configuration import Configuration
from edgeturn.relay.tls import renewal
from edgeturn.relay.tls.certificates import ERROR, WARNING, Chain, Pair, Told, Unusable

if TYPE_CHECKING:
    from edgeturn.relay.tls.certificates import Remark

WARNED = "warned"
STEP = "certificate"
_PATIENCE = 5.0  # seconds
_STATES = {ERROR: FAILED, WARNING: WARNED}
_USELESS = ("TLS can't be served with these files", "put them right; a relay that runs goes on with those it had")
_REFUSED = (
    "clients that verify certificates, browsers among them, don't use this relay over TLS",
    "put another certificate and its key in place of these files; a relay that runs takes them within two seconds",
)


def of_files(settings: Configuration) -> list[Result]:
    """Judge the certificate of a configuration; nothing is said where it has none."""
    file, key = settings.text("certificate"), settings.text("key")
    if not file or not key:
        return []
    told = renewal.told(settings, addresses.best(settings))
    try:
        pair = Pair(file, key, renewal.reader(settings))
    except Unusable as error:
        return [Result("", TLS, "", STEP, FAILED, str(error), *_USELESS)]
    now = int(time.time())
    return _results("", pair.chain, pair.remarks(told, now))


def of_server(server: Server) -> list[Result]:
    """Judge what a server shows over TLS, be it trusted or not; nothing is said where there's no handshake."""
    host, port = address.format_ip(address.ip_of(server.place)), address.port_of(server.place)
    name = server.name or host
    if server.transport != TLS or server.trust.anything:
        return []
    try:
        with (
            socket.create_connection((host, port), _PATIENCE) as sock,
            tls_context(Trust(anything=True)).wrap_socket(sock, server_hostname=name) as wrapped,
        ):
            return of_handshake(address.format(server.place), _shown(wrapped), name)
    except (OSError, ValueError):
        return []


def _shown(sock: ssl.SSLSocket) -> list[bytes]:
    """Return the certificates of a handshake, as DER."""
    public = getattr(sock, "get_unverified_chain", None)
    if public is not None:  # Python 3.13
        return list(public())
    inner = getattr(sock, "_sslobj")  # noqa: B009  # it has had this since 3.10
    return [ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in inner.get_unverified_chain()]


def of_handshake(server: str, chain: Sequence[bytes], name: str) -> list[Result]:
    """Judge what a server showed: certificates in DER, its own first; name is what it was asked for, "" for nothing."""
    try:
        shown = Chain([Certificate(der) for der in chain], server)
    except BadCertificate as error:
        return [Result(server, TLS, "", STEP, FAILED, f"{server}: its certificate can't be read: {error}", *_REFUSED)]
    return _results(server, shown, shown.remarks(Told([name] if name else [], []), int(time.time())))


def _results(server: str, chain: Chain, remarks: "list[Remark]") -> list[Result]:
    about = f"{', '.join(chain.names()) or 'no name'}, issued by {chain.issuer()}, until {date(chain.leaf.not_after)}"
    rows = [
        Result(server, TLS, "", STEP, _STATES[level], sentence, *(_REFUSED if level == ERROR else ("", "")))
        for level, sentence in remarks
        if level in _STATES
    ]
    return rows or [Result(server, TLS, "", STEP, PASSED, about)]
