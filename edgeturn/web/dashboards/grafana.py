"""The Grafana dashboard, from a table: a row a panel, with its unit and its PromQL expressions.

Rule 1: it names no datasource: whoever imports it chooses one, and relays by label `instance`.
"""

import json
from dataclasses import dataclass

_SCHEMA = 38  # Grafana 10; newer ones read it too
_WIDTH, _HEIGHT = 24, 7
_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
_HERE = '{instance=~"$instance"}'
_RATE = "$__rate_interval"


@dataclass(frozen=True)
class Panel:
    """A row: title, kind, width in 24ths, Grafana's unit, and expressions with their legends."""

    title: str
    kind: str
    width: int
    unit: str
    targets: tuple[tuple[str, str], ...]
    about: str = ""


def _rate(name: str, labels: str = "") -> str:
    """Return the rate of a counter of the chosen relays."""
    inside = ", ".join(each for each in ('instance=~"$instance"', labels) if each)
    return f"rate(edgeturn_{name}{{{inside}}}[{_RATE}])"


def _here(name: str) -> str:
    return f"edgeturn_{name}{_HERE}"


PANELS = (
    Panel("Relays", "stat", 4, "none", ((f"sum({_here('up')})", "up"), (f"count({_here('up')})", "known"))),
    Panel("Allocations", "stat", 4, "none", ((f"sum({_here('allocations')})", "now"),)),
    Panel(
        "Room in use",
        "gauge",
        4,
        "percentunit",
        ((f"sum({_here('allocations')}) / sum({_here('allocations_max')})", ""),),
    ),
    Panel("Traffic", "stat", 4, "Bps", ((f"sum({_rate('relayed_bytes_total')})", ""),)),
    Panel(
        "In the kernel",
        "gauge",
        4,
        "percentunit",
        ((f"sum({_rate('kernel_relayed_packets_total')}) / sum({_rate('relayed_packets_total')})", ""),),
        "Share of packets that the kernel carries.",
    ),
    Panel("Certificate expires in", "stat", 4, "s", ((f"min({_here('certificate_expires_seconds')})", ""),)),
    Panel(
        "Traffic by direction",
        "timeseries",
        12,
        "Bps",
        (
            (f"sum by (direction) ({_rate('relayed_bytes_total')})", "{{direction}}"),
            (f"sum({_rate('kernel_relayed_bytes_total')})", "in the kernel"),
        ),
        "Up is from clients to peers.",
    ),
    Panel(
        "Packets by direction",
        "timeseries",
        12,
        "pps",
        (
            (f"sum by (direction) ({_rate('relayed_packets_total')})", "{{direction}}"),
            (f"sum({_rate('kernel_relayed_packets_total')})", "in the kernel"),
        ),
    ),
    Panel(
        "Allocations by transport",
        "timeseries",
        12,
        "none",
        ((f"sum by (transport) ({_here('sessions')})", "{{transport}}"), (f"sum({_here('allocations_max')})", "room")),
    ),
    Panel("New allocations", "timeseries", 12, "ops", ((_rate("allocations_created_total"), "{{instance}}"),)),
    Panel(
        "Refused, by STUN code",
        "timeseries",
        12,
        "ops",
        ((f"sum by (code) ({_rate('refused_total')})", "{{code}}"),),
        "401: every client begins so; 403: a peer that isn't allowed; 438: a stale nonce; 486: a quota; 508: no room.",
    ),
    Panel(
        "Dropped, by reason",
        "timeseries",
        12,
        "pps",
        (
            (f"sum by (reason) ({_rate('dropped_total')})", "{{reason}}"),
            (f"sum({_rate('unsent_packets_total')})", "unsent"),
        ),
    ),
    Panel(
        "Connections",
        "timeseries",
        8,
        "none",
        (
            (f"sum by (transport) ({_here('stream_connections')})", "{{transport}}"),
            (f"sum({_here('dtls_sessions')})", "dtls"),
            (f"sum({_here('tcp_peers')})", "peers by tcp"),
        ),
    ),
    Panel("Memory", "timeseries", 8, "bytes", ((_here("memory_bytes"), "{{instance}}"),)),
    Panel(
        "Credentials handed out",
        "timeseries",
        8,
        "ops",
        (
            (f"sum by (key) ({_rate('tokens_minted_total')})", "{{key}}"),
            (f"sum by (status) ({_rate('tokens_refused_total')})", "refused {{status}}"),
        ),
    ),
    Panel(
        "Allocations by API key", "timeseries", 12, "none", ((f"sum by (key) ({_here('key_sessions')})", "{{key}}"),)
    ),
    Panel(
        "Trouble",
        "timeseries",
        12,
        "none",
        (
            ('edgeturn_addresses{instance=~"$instance", state="away"}', "addresses away, {{instance}}"),
            (_here("not_listening"), "not listening, {{instance}}"),
            (_here("external_problems"), "announced address, {{instance}}"),
            (_here("certificate_problems"), "certificate, {{instance}}"),
            (f"increase(edgeturn_failures_total{_HERE}[{_RATE}])", "errors, {{instance}}"),
        ),
    ),
)


def text() -> str:
    """Return the dashboard as Grafana imports it."""
    return json.dumps(dashboard(), indent=2) + "\n"


def dashboard() -> dict[str, object]:
    """Return the dashboard's model."""
    return {
        "title": "edgeturn",
        "uid": "edgeturn",
        "description": "STUN and TURN relays: sessions, traffic, refusals.",
        "tags": ["edgeturn", "turn", "webrtc"],
        "schemaVersion": _SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_DATASOURCES, _INSTANCES]},
        "annotations": {"list": []},
        "panels": _placed(),
    }


_DATASOURCES: dict[str, object] = {
    "name": "datasource",
    "label": "Prometheus",
    "type": "datasource",
    "query": "prometheus",
    "hide": 0,
}
_INSTANCES: dict[str, object] = {
    "name": "instance",
    "label": "Relay",
    "type": "query",
    "datasource": _DATASOURCE,
    "query": {"query": "label_values(edgeturn_up, instance)", "refId": "instance"},
    "refresh": 2,
    "multi": True,
    "includeAll": True,
    "current": {"text": "All", "value": "$__all"},
    "hide": 0,
}


def _placed() -> list[dict[str, object]]:
    """Return the panels, side by side as far as the width goes."""
    made: list[dict[str, object]] = []
    x = y = 0
    for number, panel in enumerate(PANELS, 1):
        if x + panel.width > _WIDTH:
            x, y = 0, y + _HEIGHT
        made.append(_panel(number, panel, x, y))
        x += panel.width
    return made


def _panel(number: int, panel: Panel, x: int, y: int) -> dict[str, object]:
    targets = [
        {"refId": chr(ord("A") + at), "expr": expr, "legendFormat": legend, "datasource": _DATASOURCE}
        for at, (expr, legend) in enumerate(panel.targets)
    ]
    return {
        "id": number,
        "title": panel.title,
        "description": panel.about,
        "type": panel.kind,
        "datasource": _DATASOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0} | _bounds(panel.unit), "overrides": []},
        "targets": targets,
    }


def _bounds(unit: str) -> dict[str, object]:
    return {"max": 1} if unit == "percentunit" else {}
