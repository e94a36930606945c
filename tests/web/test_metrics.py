"""What Prometheus reads, as text: from a status by hand, and from a relay whose session goes on."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeturn.web import dashboards
from edgeturn.web.dashboards import grafana
from edgeturn.web.metrics import COUNTER, METRICS, text
from tests.blackbox.client import CHANNEL, Client, Peer
from tests.blackbox.relay import Relay, until
from tests.cli.conftest import Call, call, file
from tests.lab.programs import program

__all__ = ["call", "file"]

ALERTS = dashboards.FILES["alerts"]()
NAMES = {f"edgeturn_{metric.name}" for metric in METRICS}
STATUS: dict[str, Any] = {
    "version": '0.1.0"\\\n',
    "interpreter": "CPython 3.11.7",
    "allocations": 2,
    "refused": {"401": 3, "508": 1},
    "dropped": {"permission": 4},
    "relay_addresses": ["192.0.2.1", "2001:db8::1"],
    "external": [{"problems": ["one"]}, {"problems": []}],
    "traffic": {"up_bytes": 10, "down_bytes": 20, "kernel_bytes": 5},
}


def session(user: str, transport: str) -> dict[str, Any]:
    counts = {"permissions": 1, "channels": 2, "kernel_channels": 1}
    return {"user": user, "client": "192.0.2.7:1", "transport": transport, **counts}


SESSIONS = [session("alice", "udp"), session("alice", "tls"), session("bob", "udp")]


def samples(found: str) -> dict[str, float]:
    """Return each sample's value by its name and labels."""
    lines = [line for line in found.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_each_number_is_where_its_name_says() -> None:
    found = samples(text(STATUS, SESSIONS, {"minted": {"shop": 7}, "refused": {"401": 2}}))
    expected = {
        "edgeturn_up": 1,
        "edgeturn_allocations": 2,
        'edgeturn_refused_total{code="401"}': 3,
        'edgeturn_refused_total{code="508"}': 1,
        'edgeturn_refused_total{code="486"}': 0,
        'edgeturn_dropped_total{reason="permission"}': 4,
        'edgeturn_addresses{state="used"}': 2,
        "edgeturn_external_problems": 1,
        'edgeturn_relayed_bytes_total{direction="up"}': 10,
        'edgeturn_relayed_bytes_total{direction="down"}': 20,
        "edgeturn_kernel_relayed_bytes_total": 5,
        'edgeturn_sessions{transport="udp"}': 2,
        'edgeturn_sessions{transport="tls"}': 1,
        'edgeturn_sessions{transport="dtls"}': 0,
        "edgeturn_permissions": 3,
        "edgeturn_channels": 6,
        "edgeturn_kernel_channels": 3,
        'edgeturn_tokens_minted_total{key="shop"}': 7,
        'edgeturn_tokens_refused_total{status="401"}': 2,
    }
    assert {name: found.get(name) for name in expected} == expected


def test_what_the_relay_hasnt_isnt_there() -> None:
    found = text(STATUS, [])
    assert not any(word in found for word in ("dtls_", "certificate", "tokens", "tcp_peers", "kernel_attached"))


def test_a_relay_that_doesnt_answer_is_down_and_nothing_else() -> None:
    assert samples(text({}, [])) == {"edgeturn_up": 0}
    assert samples(text({}, [], {"minted": {"shop": 1}})) == {
        "edgeturn_up": 0,
        'edgeturn_tokens_minted_total{key="shop"}': 1,
    }


def test_nobody_is_named() -> None:
    found = text(STATUS, SESSIONS, {"minted": {"shop": 1}})
    assert not any(word in found for word in ("alice", "bob", "192.0.2.7"))


def test_sessions_are_told_apart_by_the_keys_that_there_are() -> None:
    users = ("1800000000:shop/alice", "1800000000:shop", "1800000000:other/alice", "shop", "1800000000:shopping/x")
    found = samples(text(STATUS, [session(user, "udp") for user in users], {"minted": {"shop": 9, "idle": 0}}))
    assert {name: value for name, value in found.items() if "key_sessions" in name} == {
        'edgeturn_key_sessions{key="shop"}': 2,
        'edgeturn_key_sessions{key="idle"}': 0,
    }


def test_labels_are_escaped() -> None:
    assert r'edgeturn_info{version="0.1.0\"\\\n",interpreter="CPython 3.11.7"} 1' in text(STATUS, [])


def test_names_follow_the_conventions() -> None:
    for metric in METRICS:
        assert (metric.kind == COUNTER) == metric.name.endswith("_total"), metric.name
        assert metric.about.endswith(".") and "\n" not in metric.about
    assert len(NAMES) == len(METRICS)


def promtool(*words: str, given: str = "") -> str:
    """Run Prometheus' own tool; return what it says."""
    done = subprocess.run([program("promtool"), *words], input=given, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    with Relay([sys.executable], tmp_path, {"kernel": "off"}) as relay:
        yield relay


def test_counters_count_while_a_session_lasts(relay: Relay) -> None:
    alice, peer = Client(relay.server()), Peer()
    try:
        alice.allocate()
        alice.bind(CHANNEL, peer.address)
        alice.channel(CHANNEL, b"x" * 100)
        name = 'edgeturn_relayed_bytes_total{direction="up"}'
        until(lambda: relay.status()["traffic"]["up_bytes"], "bytes that were relayed")
        found = text(relay.status(), relay.sessions())
    finally:
        alice.close()
        peer.close()
    assert samples(found)["edgeturn_allocations"] == 1 and samples(found)[name] == 100
    assert promtool("check", "metrics", given=found) == ""
    assert "failures_total 0" in found


def test_the_rules_are_rules() -> None:
    assert "SUCCESS" in promtool("check", "rules", str(Path(dashboards.__file__).with_name("alerts.yml")))


def expressions() -> list[str]:
    """Return what the dashboard asks, with its variables filled in."""
    found = [expr for panel in grafana.PANELS for expr, _ in panel.targets]
    return [expr.replace("$instance", ".*").replace("$__rate_interval", "1m") for expr in found]


def test_rules_and_dashboard_ask_for_metrics_that_there_are() -> None:
    asked = "\n".join([*expressions(), *re.findall(r"expr: ((?:.|\n {8,})*)", ALERTS)])
    named = set(re.findall(r"\bedgeturn_[a-z_]+", asked))
    assert named and named <= NAMES


def test_the_dashboard_is_one_of_grafanas() -> None:
    """Its schema isn't in Debian, so facts of it: what Grafana reads when it imports a file."""
    made = json.loads(dashboards.FILES["grafana"]())
    assert made["schemaVersion"] >= 36 and made["uid"] and made["title"] == "edgeturn" and "id" not in made
    datasource, instance = made["templating"]["list"]
    assert (datasource["type"], datasource["query"]) == ("datasource", "prometheus")
    assert instance["type"] == "query" and instance["datasource"]["uid"] == "${datasource}"
    panels = made["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) == len(grafana.PANELS)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(x, place["y"]) for x in range(place["x"], place["x"] + place["w"])}
        assert place["x"] + place["w"] <= 24 and not cells & taken
        taken |= cells
        assert panel["type"] in ("stat", "gauge", "timeseries") and panel["fieldConfig"]["defaults"]["unit"]
        for target in panel["targets"]:
            assert target["expr"] and target["datasource"]["uid"] == "${datasource}" and target["refId"]


HEALTHY = {
    "edgeturn_up": "1x60",
    "edgeturn_uptime_seconds": "0+60x60",
    "edgeturn_allocations": "1x60",
    "edgeturn_allocations_max": "64x60",
    'edgeturn_refused_total{code="401"}': "0+60x60",
    'edgeturn_refused_total{code="486"}': "0x60",
    "edgeturn_allocations_created_total": "0+60x60",
    'edgeturn_relayed_packets_total{direction="up"}': "0+6000x60",
    'edgeturn_relayed_packets_total{direction="down"}': "0+6000x60",
    "edgeturn_kernel_relayed_packets_total": "0+11000x60",
    "edgeturn_kernel_channels": "2x60",
    'edgeturn_dropped_total{reason="bandwidth"}': "0x60",
    "edgeturn_certificate_expires_seconds": "2000000-60x60",
    'edgeturn_addresses{state="away"}': "0x60",
    "edgeturn_not_listening": "0x60",
    "edgeturn_external_problems": "0x60",
    "edgeturn_failures_total": "0x60",
    'edgeturn_tokens_refused_total{status="401"}': "0+1x60",
}
# Alert -> what is different from a healthy relay.
FIRING = {
    "EdgeturnDown": {"edgeturn_up": "0x60"},
    "EdgeturnRestartsAgainAndAgain": {"edgeturn_uptime_seconds": "0+60x10 0+60x10 0+60x10 0+60x30"},
    "EdgeturnNearlyFull": {"edgeturn_allocations": "60x60"},
    "EdgeturnRefusesForLackOfRoom": {'edgeturn_refused_total{code="486"}': "0x50 0+1x10"},
    "EdgeturnLoginsFail": {"edgeturn_allocations_created_total": "5x60"},
    "EdgeturnOneDirectionOnly": {'edgeturn_relayed_packets_total{direction="down"}': "0x60"},
    "EdgeturnKernelCarriesNothing": {"edgeturn_kernel_relayed_packets_total": "7x60"},
    "EdgeturnBandwidthLimitReached": {'edgeturn_dropped_total{reason="bandwidth"}': "0+600x60"},
    "EdgeturnCertificateExpires": {"edgeturn_certificate_expires_seconds": "600000-60x60"},
    "EdgeturnAddressLost": {'edgeturn_addresses{state="away"}': "1x60"},
    "EdgeturnAnnouncedAddressIsWrong": {"edgeturn_external_problems": "1x60"},
    "EdgeturnErrors": {"edgeturn_failures_total": "0x50 1x10"},
    "EdgeturnTokensRefused": {'edgeturn_tokens_refused_total{status="401"}': "0+60x60"},
}


def scene(name: str, different: dict[str, str]) -> dict[str, object]:
    """Return a test of promtool's: which alerts fire after an hour."""

    def labelled(series: str) -> str:
        start, _, labels = series.removesuffix("}").partition("{")
        return start + "{" + ",".join([*([labels] if labels else []), 'instance="relay"', 'job="edgeturn"']) + "}"

    expected = [{"labels": f'{{alertname="{name}"}}', "value": 1}] if name else []
    firing = 'count by (alertname) (ALERTS{alertstate="firing"})'
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": labelled(each), "values": value} for each, value in (HEALTHY | different).items()],
        "promql_expr_test": [{"expr": firing, "eval_time": "55m", "exp_samples": expected}],
    }


def test_each_alert_fires_for_its_reason_and_for_no_other(tmp_path: Path) -> None:
    assert set(FIRING) == set(re.findall(r"alert: (\w+)", ALERTS))
    (tmp_path / "alerts.yml").write_text(ALERTS)
    scenes = [scene("", {}), *(scene(name, different) for name, different in FIRING.items())]
    document = {"rule_files": ["alerts.yml"], "evaluation_interval": "1m", "tests": scenes}
    (tmp_path / "tests.yml").write_text(json.dumps(document))
    assert "SUCCESS" in promtool("test", "rules", str(tmp_path / "tests.yml"))


def test_the_command_prints_them(call: Call, file: Path) -> None:
    for name, made in dashboards.FILES.items():
        assert call("web", "--dashboard", name, "-c", str(file)) == made()
    said = call("web", "--dashboard", "scrape", "--listen", "127.0.0.1:8478", "-c", str(file))
    token = call("web", "--metrics-token", "-c", str(file)).strip()
    assert token in said and '["127.0.0.1:8478"]' in said


@pytest.mark.parametrize("name", sorted(dashboards.FILES))
def test_the_files_name_nobodys_machine(name: str) -> None:
    assert not re.search(r"https?://|localhost|/home|/root", dashboards.FILES[name]())
