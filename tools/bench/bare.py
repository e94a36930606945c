"""The floor: what recvfrom_into, one look-up and sendto cost a Python relay that knows no protocol.

    python bare.py LISTEN RELAYED CLIENT PEER [--marks]        each HOST:PORT

Waits with epoll and drains at most 64 datagrams a wake-up. With --marks every packet keeps its DSCP and ECN bits: they
are read as ancillary data and sent on as ancillary data. The difference is what that would cost a relay.
"""

from __future__ import annotations

import select
import socket
import sys
from collections.abc import Callable
from contextlib import suppress

Address = tuple[str, int]
Drain = Callable[[], None]

DRAIN = 64
ROOM = 2048
ANCILLARY_ROOM = socket.CMSG_SPACE(1)

buffer = bytearray(ROOM)
view = memoryview(buffer)


def address(text: str) -> Address:
    host, port = text.split(":")
    return host, int(port)


def opened(local: Address, marks: bool) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(local)
    made.setblocking(False)
    if marks:
        made.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    return made


def plain(source: socket.socket, sink: socket.socket, routes: dict[Address, Address]) -> Drain:
    receive, send, find = source.recvfrom_into, sink.sendto, routes.get

    def drain() -> None:
        try:
            for _ in range(DRAIN):
                size, came_from = receive(buffer)
                destination = find(came_from)
                if destination is not None:
                    send(view[:size], destination)
        except BlockingIOError:
            pass

    return drain


def marked(source: socket.socket, sink: socket.socket, routes: dict[Address, Address]) -> Drain:
    receive, send, find, buffers = source.recvmsg_into, sink.sendmsg, routes.get, [buffer]

    def drain() -> None:
        try:
            for _ in range(DRAIN):
                size, ancillary, _, came_from = receive(buffers, ANCILLARY_ROOM)
                destination = find(came_from)
                if destination is not None:
                    send((view[:size],), ancillary, 0, destination)
        except BlockingIOError:
            pass

    return drain


def run(texts: list[str], marks: bool) -> None:
    listen, relayed, client, peer = (address(text) for text in texts)
    outer, inner = opened(listen, marks), opened(relayed, marks)
    make = marked if marks else plain
    drains = {outer.fileno(): make(outer, inner, {client: peer}), inner.fileno(): make(inner, outer, {peer: client})}
    waiter = select.epoll()
    for descriptor in drains:
        waiter.register(descriptor, select.EPOLLIN)
    while True:
        for descriptor, _ in waiter.poll():
            drains[descriptor]()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        run(sys.argv[1:5], "--marks" in sys.argv)
