"""`edgeturn tokens` as a process of its own: it needs a configuration file and nothing of a running relay.

Rule 1: keys and credentials cross a network by TLS only, with the relay's certificate, unless a proxy in front does it.
Rule 2: SIGHUP reads the file and the certificate again; what is wrong in it changes nothing. Keys that are gone are
        refused from then on. SIGTERM and SIGINT end it.
"""

import asyncio
import contextlib
import ipaddress
import logging
import os
import signal
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgeturn.command import place
from edgeturn.command.failure import Failure, Wrong
from edgeturn.probing import uri
from edgeturn.protocol import address
from edgeturn.relay.configuration import Configuration
from edgeturn.serving.door import Door
from edgeturn.tokens.granting import LOG, Service, log_to_stderr
from edgeturn.tokens.routes import application

PORT = 8479
_IDLE = 30  # seconds
_MOST = 512  # connections
_BACKLOG = 128
_ASKS_WITHIN = 10.0  # seconds until a connection has asked something, its TLS handshake included


@dataclass(frozen=True)
class Wanted:
    """What the command line says: where to listen, which URIs to tell, whether TLS is somebody else's."""

    file: str
    listen: tuple[str, ...]
    uris: tuple[str, ...] = ()
    plain: bool = False


def run(wanted: Wanted) -> None:
    """Serve until a signal ends it."""
    settings = place.read(wanted.file)
    if not settings.items("secret"):
        raise Wrong(
            f"{wanted.file} has no secret to mint from; `{place.command('secret add', wanted.file)}` makes one."
        )
    for each in wanted.uris:
        uri.parse(each)
    places = [_place(each) for each in wanted.listen or (f"127.0.0.1:{PORT}",)]
    tls = None if wanted.plain else _tls(settings)
    if tls is None and not wanted.plain:
        _refuse_clear_text(places, wanted.file)
    log_to_stderr()
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL)  # a stranger writes no log
    asyncio.run(_serve(Service(settings, wanted.uris), places, tls, lambda: place.read(wanted.file)))


async def _serve(
    service: Service, places: Sequence[bytes], tls: ssl.SSLContext | None, read: Callable[[], Configuration]
) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    door = Door(_MOST, _ASKS_WITHIN, access_log=None, keepalive_timeout=_IDLE, auto_decompress=False)
    with contextlib.ExitStack() as listeners:
        sockets = [listeners.enter_context(_opened(each)) for each in places]
        await door.open(application(service), sockets, tls)
        loop.add_signal_handler(signal.SIGHUP, lambda: _reload(service, tls, read))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
        await service.freshen()
        _tell(service, places, tls)
        await ended.wait()
        await door.close()


def _opened(where: bytes) -> socket.socket:
    ip = ipaddress.ip_address(address.ip_of(where))
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    try:
        return socket.create_server((str(ip), address.port_of(where)), family=family, backlog=_BACKLOG)
    except OSError as error:
        why = (os.strerror(error.errno) if error.errno else str(error)).lower()  # Python adds words of its own
        raise Failure(f"can't listen at {address.format(where)}: {why}; name another place with --listen.") from None


def _reload(service: Service, tls: ssl.SSLContext | None, read: Callable[[], Configuration]) -> None:
    try:
        settings = read()
        if tls is not None:
            if _tls(settings) is None:
                raise Failure("without a certificate a restart is needed")
            tls.load_cert_chain(settings.text("certificate"), settings.text("key"))
    except (Failure, OSError) as error:
        LOG.error("nothing was changed: %s", error)
        return
    service.reload(settings)
    LOG.info("reloaded: %d keys", len(service.keys.all))


def _tell(service: Service, places: Sequence[bytes], tls: ssl.SSLContext | None) -> None:
    scheme = "https" if tls else "http"
    where = " ".join(f"{scheme}://{address.format(each)}" for each in places)
    LOG.info("ready at %s with %d keys; tells %s", where, len(service.keys.all), " ".join(service.urls))
    if os.geteuid() == 0:
        LOG.warning("this runs as root; any user who may read %s will do", service.settings.file)
    if not service.keys.all:
        made = place.command("tokens key add NAME", service.settings.file)
        LOG.warning("there is no key yet, so everybody is refused; `%s` makes one", made)


def _place(text: str) -> bytes:
    try:
        return address.parse(text, PORT)
    except ValueError:
        raise Wrong(f"--listen {text} is no address such as 192.0.2.1:{PORT} or [2001:db8::1]:{PORT}.") from None


def _tls(settings: Configuration) -> ssl.SSLContext | None:
    """Return the relay's certificate for new connections, None where it has none."""
    if not settings.text("certificate"):
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.text("certificate"), settings.text("key"))
    except OSError as error:
        raise Failure(f"the certificate {settings.text('certificate')} or its key can't be used: {error}.") from None
    return context


def _refuse_clear_text(places: Sequence[bytes], file: str) -> None:
    for each in places:
        if not ipaddress.ip_address(address.ip_of(each)).is_loopback:
            raise Wrong(
                f"without a certificate keys would cross the network in clear text at {address.format(each)}: "
                f"name one by options certificate and key of {file}, or say --plain where a proxy in front has TLS."
            )
