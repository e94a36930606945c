"""rpcd's plugin, called as rpcd does, against a real relay: what it answers, and what it refuses."""

import json
import socket
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeturn.command import rpcd as served
from edgeturn.relay import uci
from tests.blackbox.client import Client
from tests.blackbox.relay import HOST, REALM, SECRET, Relay, configuration, defaults
from tests.openwrt.luci.conftest import COMMANDS, make_rpcd
from tests.openwrt.luci.router import PLUGIN, Rpcd

TYPES = {"session": 0, "user": "", "name": "", "password": "", "value": "", "fingerprint": "", "ttl": 0, "kick": True}
# Method, what stands on standard input, what the answer says.
REFUSED = (
    ("user_add", b"", "'name' is missing"),
    ("user_add", b"[]", "no JSON object"),
    ("user_add", b"nonsense", "no JSON object"),
    ("user_add", b'{"name": ' * 5000, "bytes"),
    ("user_add", b"[" * 10000, "no JSON object"),
    ("user_add", b"\xff\xfe", "no JSON object"),
    ("user_add", b'{"name": "%s"}' % (b"x" * 20000), "bytes"),
    ("user_add", b'{"name": 1}', "has to be a text"),
    ("user_add", b'{"name": null}', "has to be a text"),
    ("user_add", b'{"name": "carol", "mode": "root"}', "doesn't know"),
    ("user_add", b'{"name": "carol", "password": "a\\nconfig user \'mallory\'"}', "control characters"),
    ("user_add", b'{"name": "carol", "password": "a\\u0000b"}', "control characters"),
    ("secret_add", b'{"value": "a\\nlist secret \'b\'"}', "line break"),
    ("secret_add", b'{"value": "half a pair: \\ud800"}', "halves of characters"),
    ("secret_remove", b'{"fingerprint": "--help"}', "no such secret"),
    ("secret_show", b'{"fingerprint": "one-shared-secret"}', "no such secret"),
    ("user_remove", b'{"name": "nobody"}', "no such user"),
    ("kick", b"{}", "name one of"),
    ("kick", b'{"session": true}', "has to be a whole number"),
    ("kick", b'{"session": 1, "user": "alice"}', "name one of"),
    ("credentials", b'{"ttl": 0}', "'ttl' is"),
    ("credentials", b'{"ttl": -1}', "'ttl' is"),
    ("credentials", b'{"ttl": 99999999999999999999}', "'ttl' is"),
    ("credentials", b'{"user": "a\\u0007"}', "control characters"),
    ("status", b'{"name": "x"}', "doesn't know"),
    ("nothing", b"{}", "no such method"),
    ("../status", b"{}", "no such method"),
    ("; reboot", b"{}", "no such method"),
)
SILENT = ("status", "sessions", "users", "secrets", "kernel", "check")


@pytest.fixture
def alice(relay: Relay) -> Iterator[Client]:
    client = Client(relay.server(HOST), "alice")
    yield client
    client.close()


def login(relay: Relay, user: str, password: str) -> int:
    """Return the error code of an Allocate, 0 for none."""
    client = Client(relay.server(HOST), user, password)
    try:
        return client.allocate().code
    finally:
        client.close()


def test_list_is_what_the_command_serves(rpcd: Rpcd) -> None:
    assert rpcd.listed == {name: types for name, _, types in served.METHODS}
    assert all(types[name] == TYPES[name] for types in rpcd.listed.values() for name in types)
    assert stat.S_IMODE(PLUGIN.stat().st_mode) & 0o111 == 0o111


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_every_tool_lists_the_same(rpcd: Rpcd) -> None:
    edgeturn = rpcd.environment["PATH"].split(":")[0] + "/edgeturn"
    listed = subprocess.run([edgeturn, "rpcd", "list"], capture_output=True, check=True, timeout=60).stdout
    assert json.loads(listed) == rpcd.listed


def test_what_may_be_looked_at(relay: Relay, rpcd: Rpcd, alice: Client) -> None:
    alice.allocate()
    status = rpcd.call("status")
    assert (status["realm"], status["allocations"]) == (REALM, 1)
    found = rpcd.call("sessions")
    assert (found["total"], [each["user"] for each in found["sessions"]]) == (1, ["alice"])
    assert rpcd.call("users")["users"] == [{"name": name, "kept": "password"} for name in ("alice", "bob")]
    (secret,) = rpcd.call("secrets")["secrets"]
    assert secret["mints"] and len(secret["fingerprint"]) == 8
    assert "hooks" in rpcd.call("kernel") or "error" in rpcd.call("kernel")


def test_nothing_that_may_be_read_tells_a_secret(relay: Relay, rpcd: Rpcd, alice: Client) -> None:
    alice.allocate()
    for method in SILENT:
        told = json.dumps(rpcd.call(method))
        assert SECRET not in told and "s3cret" not in told and "hunter2" not in told, method


def test_kick(relay: Relay, rpcd: Rpcd, alice: Client) -> None:
    alice.allocate()
    session = relay.sessions()[0]["session"]
    assert rpcd.call("kick", session=session + 1)["error"].startswith("there is no session")
    assert rpcd.call("kick", session=session) == {"ended": [session]}
    assert not relay.sessions()


def test_a_user_that_is_added_can_log_in_at_once_and_not_once_it_is_removed(relay: Relay, rpcd: Rpcd) -> None:
    added = rpcd.call("user_add", name="carol")
    assert added["applied"] and login(relay, "carol", added["password"]) == 0
    assert "already" in rpcd.call("user_add", name="carol")["error"]
    assert rpcd.call("user_add", name="dave", password="it's a $(secret)") == {"name": "dave", "applied": True}
    assert login(relay, "dave", "it's a $(secret)") == 0
    assert rpcd.call("user_remove", name="carol", kick=True)["applied"]
    assert login(relay, "carol", added["password"]) == 401


@pytest.mark.parametrize("name", ["alice@example.org", "$(touch x)", "a'; reboot", "a\\'\"b"])
def test_a_name_that_no_section_can_have(tmp_path: Path, relay: Relay, rpcd: Rpcd, name: str) -> None:
    rpcd.call("user_add", name=name, password="s3cret")
    kept = [section for section in uci.parse(relay.file.read_text(), "") if section.title() == name]
    assert [(section.name, section.kind) for section in kept] == [("", "user")]
    assert name in [user["name"] for user in rpcd.call("users")["users"]]
    rpcd.call("user_remove", name=name)
    assert name not in [user["name"] for user in rpcd.call("users")["users"]]
    assert not list(tmp_path.rglob("x"))


def test_removing_a_user_ends_its_sessions_where_asked(relay: Relay, rpcd: Rpcd, alice: Client) -> None:
    alice.allocate()
    removed = rpcd.call("user_remove", name="alice", kick=True)
    assert removed["applied"] and len(removed["ended"]) == 1
    assert not relay.sessions()


def test_secrets(relay: Relay, rpcd: Rpcd) -> None:
    before = rpcd.call("credentials", user="carol", ttl=60)
    old = rpcd.call("secrets")["secrets"][0]["fingerprint"]
    new = rpcd.call("secret_rotate")["fingerprint"]
    assert [each["fingerprint"] for each in rpcd.call("secrets")["secrets"]] == [new, old]
    assert rpcd.call("secret_show", fingerprint=old)["secret"] == SECRET
    assert login(relay, before["username"], before["password"]) == 0
    assert rpcd.call("secret_remove", fingerprint=old) == {"fingerprint": old, "applied": True}
    assert login(relay, before["username"], before["password"]) == 401
    after = rpcd.call("snippet", user="carol", ttl=60)["iceServers"][0]
    assert login(relay, after["username"], after["credential"]) == 0
    added = rpcd.call("secret_add", value="another one")["fingerprint"]
    assert rpcd.call("secret_show", fingerprint=added)["secret"] == "another one"


def test_an_answer_is_never_more_than_rpcd_takes(tmp_path: Path, rpcd: Rpcd) -> None:
    """A relay of 400 sessions with 16 peers each, of which a stand-in tells."""
    each = {"session": 1, "user": "%3c" * 64, "peers": ["[2001:db8:1111:2222:3333:4444:5555:6666]:65535"] * 16}
    told = json.dumps({"ok": True, "sessions": [each] * 400}).encode()
    (tmp_path / "edgeturn.conf").write_text(configuration(defaults(tmp_path, 3478)))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "control.sock"))
        listener.listen(1)
        server = threading.Thread(target=lambda: _tell(listener, told), daemon=True)
        server.start()
        found = rpcd.call("sessions")
        server.join()
    assert found["total"] == 400 and 100 < len(found["sessions"]) < 400


def _tell(listener: socket.socket, answer: bytes) -> None:
    connection = listener.accept()[0]
    with connection:
        connection.recv(4096)
        connection.sendall(answer)


def test_check(relay: Relay, rpcd: Rpcd) -> None:
    found = rpcd.call("check")
    assert found["passed"], found
    assert {"server", "transport", "relayed", "step", "state", "detail", "meaning", "advice"} <= set(found["steps"][0])


def test_without_a_relay(relay: Relay, rpcd: Rpcd) -> None:
    relay.process.terminate()
    relay.ended()
    for method in ("status", "sessions"):
        assert "no relay is reached" in rpcd.call(method)["error"]
    assert rpcd.call("user_add", name="carol")["applied"] is False


def test_what_is_refused(tmp_path: Path, command: list[str]) -> None:
    file = tmp_path / "edgeturn.conf"
    file.write_text(configuration(defaults(tmp_path, 3478)))
    before, rpcd = file.read_bytes(), make_rpcd(command, tmp_path)
    for method, given, said in REFUSED:
        answer = rpcd.answer(method, given)
        assert set(answer) == {"error"} and said in answer["error"] and answer["error"].endswith("."), (
            method,
            given,
            answer,
        )
        assert file.read_bytes() == before, (method, given)


@pytest.mark.parametrize("words", [(), ("reboot",), ("list; reboot",)])
def test_what_isnt_a_call_fails(rpcd: Rpcd, words: tuple[str, ...]) -> None:
    assert rpcd.run(*words).returncode != 0
