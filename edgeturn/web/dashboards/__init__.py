"""What Prometheus and Grafana load: alert rules, a dashboard, and how to scrape. `edgeturn web --dashboard NAME`."""

from collections.abc import Callable, Sequence
from pathlib import Path

from edgeturn.web.dashboards import grafana

_ALERTS = Path(__file__).with_name("alerts.yml")
_SCRAPE = """\
# For scrape_configs of prometheus.yml.
  - job_name: edgeturn
    scheme: {scheme}
    authorization: {{credentials: "{token}"}}
    static_configs: [{{targets: [{targets}]}}]
"""

# Name -> what prints it.
FILES: dict[str, Callable[[], str]] = {"grafana": grafana.text, "alerts": lambda: _ALERTS.read_text(encoding="utf-8")}


def scrape(scheme: str, targets: Sequence[str], token: str) -> str:
    """Return what prometheus.yml needs to read /metrics: where (host:port each), and the token for it."""
    return _SCRAPE.format(scheme=scheme, token=token, targets=", ".join(f'"{each}"' for each in targets))
