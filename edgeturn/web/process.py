"""The process that speaks HTTP: `python -m edgeturn.web.process SOCKET`, started by edgeturn/web/supervision.py.

Rule 1: what needs rights (the certificate's key, modules in root's home) is read first; then it becomes nobody.
Rule 2: it ends with its parent: the socket pair closes.
"""

import asyncio
import concurrent.futures.thread  # noqa: F401 — asyncio wants it later, when it may no longer be read
import contextlib
import encodings.idna  # noqa: F401 — so it is with this one
import json
import logging
import os
import signal
import socket
import ssl
import sys
from typing import Any

from aiohttp import web

from edgeturn import seam
from edgeturn.relay import passwd
from edgeturn.serving.door import Door
from edgeturn.web.asking import Asking
from edgeturn.web.server import Server
from edgeturn.web.site import Site

TLS = ssl.SSLContext | None
_NOBODY = "nobody"
_PR_SET_NO_NEW_PRIVS = 38
_MOST = 48  # connections
_ASKS_WITHIN = 8.0  # seconds until a connection has asked something, its TLS handshake included
_IDLE = 15.0
_ENDS_WITHIN = 2.0
_LONGEST_ORDER = 1 << 20


async def _serve(server: Server, application: web.Application, sockets: list[socket.socket], tls: TLS) -> None:
    await server.asking.start()
    door = Door(_MOST, _ASKS_WITHIN, access_log=None, keepalive_timeout=_IDLE)
    await door.open(application, sockets, tls)
    sampling = asyncio.create_task(server.sample())
    await _end(server.asking)
    sampling.cancel()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(door.close(), _ENDS_WITHIN)
    asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)  # the next one may end us without a trace


async def _end(asking: Asking) -> None:
    """Wait until the parent is gone or says so."""
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    waiting = asyncio.create_task(told.wait())
    await asyncio.wait([asking.gone, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


def _tls(site: Site) -> TLS:
    if not site.certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(site.certificate, site.key)
    return context


def _become_nobody(name: str) -> None:
    """Give up all rights, where there are any."""
    if os.geteuid() != 0:
        return
    found = passwd.find_user(name or _NOBODY)
    if found is None:
        raise OSError(f"there is no user '{name or _NOBODY}' to become")
    seam.call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(found[1])
    os.setuid(found[0])


def main() -> None:
    """Read the order and serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # broken TLS handshakes
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL)  # a stranger writes no log
    parent = socket.socket(fileno=int(sys.argv[1]))
    with parent.makefile("rb", 0) as lines:  # what comes behind the first line is for others to read
        order = json.loads(lines.readline(_LONGEST_ORDER))
    files = order.pop("sockets")
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in order.items()}
    site = Site(**values)
    tls = _tls(site)
    sockets = [socket.socket(fileno=each) for each in files]
    server = Server(site, Asking(parent))
    application = server.application()  # which reads files and modules
    _become_nobody(site.user)
    asyncio.run(_serve(server, application, sockets, tls))


if __name__ == "__main__":
    main()
