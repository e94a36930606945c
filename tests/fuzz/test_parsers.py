"""Invariant: of whatever a file or the control socket brings, only ConfigError escapes, with file and line; and what is
taken is what was written.

Texts of pieces that mean something, in any order, and good configurations with characters changed.
"""

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from edgeturn import seam
from edgeturn.protocol import address
from edgeturn.relay import options, uci
from edgeturn.relay.configuration import Configuration
from edgeturn.relay.control import Control, ControlError
from edgeturn.relay.uci import ConfigError

FILE = "fuzz.conf"
PIECE = 4096
GOOD = """\
# a relay
config relay 'main'
	option realm 'example.org'
	list listen '192.0.2.1:3478'
	list listen "[2001:db8::1]:3478"
	option external_address '198.51.100.7'
	option relay_ports '49152-65535'
	list secret 'it'\\''s'
	option bandwidth '2M'
	option wide_channels on
	list allow_peer '192.0.2.0/24'

config user 'alice'
	option password "s3 \\"cret"
config user 'bob'
	option key '0123456789abcdef0123456789abcdef'
""".replace("option external_address", "list external_address")

NAMES = tuple(option.name for option in options.OPTIONS)
NUMBERS = ("0", "1", "-1", "1_0", "٣", "9" * 5000, "2M", "M", "49152-65535", "5-", "-")
ADDRESSES = ("1.2.3.4", "::1", "::/0", "0.0.0.0/0", "1.2.3.4=::1", "a=b=c", "[::1]:99999", "[", "]", "1:2:3")
VALUES = (*NUMBERS, *ADDRESSES, "auto", "info", "\x00", "ü", "\ud800", "1 2", "")
SYNTAX = ("config", "option", "list", "package", "relay", "user", "'main'", "''")
PIECES = (*SYNTAX, "'", '"', "\\", "\n", "\t", " ", "#", "\r")

words = st.sampled_from(PIECES + NAMES + VALUES) | st.text(max_size=6)
texts = st.lists(words, max_size=40).map(" ".join) | st.lists(words, max_size=40).map("".join)
values = st.sampled_from(VALUES) | st.text(max_size=9)
lines = st.tuples(st.sampled_from(("option", "list")), st.sampled_from(NAMES), values)
quick = settings(max_examples=600, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def read(text: str) -> Configuration | None:
    """Read a configuration and make of it all that the daemon makes; None where it is refused as it should be."""
    try:
        made = Configuration(text, FILE)
    except ConfigError as error:
        assert str(error).startswith(FILE + ":") and error.message and "\n" not in error.message.replace(text, "")
        assert 0 <= error.line <= text.count("\n") + 1
        return None
    made.limits()
    made.peers()
    made.announced(bytes(4))
    if is_writable(text):
        made.credentials(bytes)
    return made


def is_writable(text: str) -> bool:
    """Say whether a file could hold a text: lone surrogates come from JSON only."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def test_the_good_one_is_good() -> None:
    made = read(GOOD)
    assert made is not None
    assert made.items("secret") == ["it's"] and made.users[0].password == 's3 "cret'
    assert made.number("bandwidth") == 2 << 20


@quick
@given(texts)
@example("config relay\n\toption max_allocations '" + "9" * 5000 + "'")
def test_any_text(text: str) -> None:
    read(text)


@quick
@given(st.lists(lines, max_size=6))
def test_any_value_of_any_option(rows: list[tuple[str, str, str]]) -> None:
    body = "".join(f"\t{kind} {name} {uci.quote(value)}\n" for kind, name, value in rows)
    for section in ("config relay 'main'\n", "config user 'alice'\n"):
        read(section + body)


@quick
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 8), st.text(max_size=4) | st.sampled_from(PIECES))
def test_a_good_one_with_a_change(at: int, removed: int, added: str) -> None:
    read(GOOD[:at] + added + GOOD[at + removed :])


@quick
@given(st.text())
def test_what_is_quoted_is_read_back(value: str) -> None:
    if "\n" not in value:
        assert uci.split(f"option name {uci.quote(value)}") == ["option", "name", value]


@quick
@given(st.text(max_size=30) | st.text("0123456789abcdef:./[]=%", max_size=24))
def test_any_address(text: str) -> None:
    """A reader of addresses raises ValueError, or what it has read is written and read the same."""
    for read_one, write in ((address.parse_ip, address.format_ip), (address.parse, address.format)):
        try:
            found = read_one(text)
        except ValueError:
            continue
        assert read_one(write(found)) == found


@quick
@given(st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16), st.integers(0, 65535))
def test_any_address_is_written_and_read_back(ip: bytes, port: int) -> None:
    place = address.join(ip, port)
    assert address.parse(address.format(place)) == place
    kind = socket.AF_INET6 if len(ip) == 16 else socket.AF_INET
    assert socket.inet_pton(kind, address.format_ip(ip)) == ip


# The control socket.


class Commands:
    """Commands that do what the daemon's may do."""

    def echo(self, request: dict[str, object]) -> dict[str, object]:
        return {"keys": len(request)}

    def refuse(self, request: dict[str, object]) -> dict[str, object]:
        raise ControlError("refused")


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, seam.Poller]]:
    """A control socket and the poller that serves it when it's asked to."""
    path, poller, commands = tmp_path_factory.mktemp("control") / "sock", seam.Poller(), Commands()
    served = Control(str(path), poller, {"echo": commands.echo, "refuse": commands.refuse})
    yield path, poller
    served.close()


def ask(control: tuple[Path, seam.Poller], request: bytes) -> bytes:
    """Send a request; return all that comes back. Client and server take turns, so that neither waits for the other."""
    path, poller = control
    answer = bytearray()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        sock.setblocking(False)
        while take_turn(sock, request[:PIECE], answer):
            request = request[PIECE:]
            for handler, events in poller.wait(0):
                handler(events)
    return bytes(answer)


def take_turn(sock: socket.socket, piece: bytes, answer: bytearray) -> bool:
    """Send a piece or the end of the request, and read; say whether the server is still there."""
    try:
        if piece:
            sock.sendall(piece)
        else:
            sock.shutdown(socket.SHUT_WR)
        received = sock.recv(65536)
    except BlockingIOError:
        return True
    except OSError:  # closed in the middle of a request
        return False
    answer += received
    return bool(received)


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(("echo", "refuse")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.just("command"), inner, max_size=4),
    max_leaves=12,
)


@quick
@given(documents.map(lambda document: json.dumps(document).encode()) | st.binary(max_size=60))
@example(b"[" * 100000)
@example(b'{"command": ' * 20000)
@example(b'{"command": "echo", "command": []}')
def test_any_request(control: tuple[Path, seam.Poller], sent: bytes) -> None:
    """One that ends with a newline gets one line of JSON with `ok`; one that doesn't is closed."""
    answer = ask(control, sent.replace(b"\n", b" ") + b"\n")
    assert answer.endswith(b"\n") and answer.count(b"\n") == 1
    assert isinstance(json.loads(answer)["ok"], bool)
    assert ask(control, sent.rstrip(b"\n")) == b""


def test_a_request_that_memory_does_not_hold_ends_its_connection(
    control: tuple[Path, seam.Poller], monkeypatch: pytest.MonkeyPatch
) -> None:
    """MicroPython's heap may be full; what stays unread would wake the relay for ever."""

    def read(self: Control, connection: object) -> None:
        raise MemoryError

    path, poller = control
    with monkeypatch.context() as full, socket.socket(socket.AF_UNIX) as sock:
        full.setattr(Control, "_read", read)
        sock.connect(str(path))
        sock.sendall(b'{"command": "echo"}\n')
        for _ in range(2):  # it is accepted, then read
            for handler, events in poller.wait(0):
                with suppress(MemoryError):
                    handler(events)
        assert not poller.wait(0)
    assert json.loads(ask(control, b'{"command": "echo"}\n'))["ok"]
