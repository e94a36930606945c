"""`edgeturn probe --relay-echo` through real relays; through a network that loses packets in test_nat.py."""

import json
from typing import Any

import pytest

from tests.blackbox.certificates import Certificate
from tests.blackbox.relay import HOST, until
from tests.cli.conftest import Call, StartRelay

LOGIN = ("--user", "alice", "--password", "s3cret")
BRIEFLY = ("--relay-echo", "--seconds", "1", "--rate", "50")


def relays(said: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(said)["relays"]
    return found


def test_packets_through_the_own_relay_by_every_transport(
    start: StartRelay, certificate: Certificate, call: Call
) -> None:
    relay = start(**certificate.settings())
    words = ("--relay-echo", "--seconds", "1", "--rate", "20", "--json")
    rows = relays(call("probe", "-c", str(relay.file), *words))
    assert [row["server"].partition(":")[0] for row in rows] == ["turn", "turn", "turns"]
    for row in rows:
        assert (row["sent"], row["received"], row["lost"], row["loss_percent"]) == (20, 20, 0, 0)
        assert (row["duplicates"], row["reordered"]) == (0, 0) and len(row["latencies"]) == 20
        assert 0 < row["minimum"] <= row["median"] <= row["p95"] <= row["maximum"] and row["jitter"] >= 0
        assert row["other_is"] == "a second allocation" and row["relayed"] != row["other"]
    until(lambda: not relay.sessions(), "both allocations are released")


def test_people_read_figures_and_pictures_where_the_quota_leaves_a_socket(start: StartRelay, call: Call) -> None:
    said = call("probe", f"turn:{HOST}:{start(user_quota=1).port}", *LOGIN, *BRIEFLY)
    assert " to a socket of this machine at 127.0.0.1:" in said
    assert "50 packets of 200 bytes, 50 a second for 1 s" in said and "lost     0 (0.0 %), out of order 0" in said
    assert "┤" in said and "█" in said and max(map(len, said.splitlines())) <= 80
    assert len(said.splitlines()) < 24


def test_a_wrong_password_is_told(start: StartRelay, call: Call) -> None:
    said = call("probe", f"turn:{HOST}:{start().port}", "-u", "alice", "-p", "wrong", *BRIEFLY, code=3)
    assert "failed: 401" in said and "next:   compare secrets" in said


@pytest.mark.parametrize("as_json", [True, False])
def test_a_relay_that_passes_nothing_on_is_a_fault(start: StartRelay, call: Call, as_json: bool) -> None:
    relay = start(user_quota=1, deny_peer=["127.0.0.0/8"])
    words = ["--json"] if as_json else []
    said = call("probe", f"turn:{HOST}:{relay.port}", *LOGIN, *BRIEFLY, *words, code=3)
    assert "403" in said
