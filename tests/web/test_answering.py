"""The parent of the process that speaks HTTP: whatever that one does, it takes no memory."""

import json
import select
import socket
from contextlib import ExitStack, closing

import pytest

from edgeturn.command import rpcd
from edgeturn.web.answering import Answering
from tests.blackbox.client import WANT_IPV4, Client
from tests.web.served import Page


def test_who_asks_and_takes_no_answers_is_read_no_more() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        answering = Answering("nowhere.conf", ours)
        theirs.setblocking(False)
        request, sent = b'{"id": 1, "method": "nothing", "arguments": {}}\n' * 1000, 0
        while sent < 100_000_000 and select.select([], [theirs], [], 2)[1]:
            sent += theirs.send(request)
        assert sent < 10_000_000
    answering.thread.join(10)
    assert not answering.thread.is_alive()


def test_every_session_is_counted_also_where_rpcd_could_not_pass_all(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpcd, "_ANSWER_SIZE", 1)
    ours, theirs = socket.socketpair()
    with ExitStack() as stack, theirs, theirs.makefile("rwb") as lines:
        for _ in range(3):
            assert stack.enter_context(closing(Client(page.relay.server()))).allocate(WANT_IPV4).code == 0
        Answering(str(page.relay.file), ours)
        for method, count in (("sessions", 1), ("every_session", 3)):
            lines.write(json.dumps({"id": 1, "method": method, "arguments": {}}).encode() + b"\n")
            lines.flush()
            assert len(json.loads(lines.readline())["answer"]["sessions"]) == count
