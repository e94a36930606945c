"""The real Prometheus reads the page of a relay with traffic, loads the rules, and answers what the dashboard asks.

client ─► edgeturn run ◄─ control socket ─ edgeturn web ◄─ /metrics, by token ─ prometheus
                                                ▲
                          an application with an API key
"""

import json
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edgeturn.web import dashboards, site
from tests.blackbox.client import CHANNEL, Client, Peer
from tests.blackbox.relay import DEADLINE, Relay, free_port, until
from tests.lab.programs import program
from tests.tokens.process import KEY, section
from tests.web.served import HOST, TOKEN, Page
from tests.web.test_metrics import ALERTS, expressions

pytestmark = pytest.mark.timeout(300)  # a busy machine needs minutes for what takes seconds
PROMETHEUS = """\
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [alerts.yml]
scrape_configs:
{scrape}"""


class Prometheus:
    """A Prometheus that reads one page each second."""

    def __init__(self, folder: Path, page: Page, token: str) -> None:
        scrape = dashboards.scrape("http", [f"{HOST}:{page.port}"], token)
        (folder / "prometheus.yml").write_text(PROMETHEUS.format(scrape=scrape))
        (folder / "alerts.yml").write_text(ALERTS)
        self.port = free_port()
        self.process = subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={HOST}:{self.port}",
                "--log.level=error",
            ]
        )

    def ask(self, path: str, **query: str) -> Any:
        """Return the data of an answer, None where there's none yet."""
        address = f"http://{HOST}:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                found = json.load(answer)
        except urllib.error.HTTPError as error:
            assert error.code == 503, (query, error.read())  # it isn't ready yet
            return None
        except OSError:
            return None
        assert found["status"] == "success", found
        return found["data"]

    def number(self, expr: str) -> float:
        """Return the one value of an expression, 0 where there's none."""
        found = (self.ask("query", query=expr) or {"result": []})["result"]
        return float(found[0]["value"][1]) if found else 0.0

    def answers(self, expr: str) -> bool:
        """Say whether an expression has a value."""
        return bool(self.ask("query", query=expr)["result"])

    def reads(self) -> bool:
        """Say whether the page could be read when it was tried last: a busy machine isn't always in time."""
        (target,) = self.ask("targets")["activeTargets"]
        return (target["health"], target["lastError"]) == ("up", "")

    def rules(self) -> list[str]:
        """Return the health of each rule."""
        return [rule["health"] for group in self.ask("rules")["groups"] for rule in group["rules"]]


@contextmanager
def started(folder: Path, page: Page, token: str) -> Iterator[Prometheus]:
    made = Prometheus(folder, page, token)
    try:
        yield made
    finally:
        made.process.kill()  # what it has stored is of no use to anybody
        made.process.wait(DEADLINE)


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    (tmp_path / "relay").mkdir()
    with Relay([sys.executable], tmp_path / "relay", {"kernel": "off"}) as relay:
        yield relay


def mint(page: Page, relay: Relay) -> None:
    """Give the page an API key, and ask with it until the page has taken it."""
    relay.file.write_text(relay.file.read_text() + section())

    def minted() -> bool:
        try:
            return page.get("/turn", Authorization=f"Bearer {KEY}").status == 200
        except OSError:
            return False

    until(minted, "a credential")


def test_prometheus_reads_a_relay_with_traffic(relay: Relay, tmp_path: Path) -> None:
    alice, peer = Client(relay.server()), Peer()
    with Page(relay) as page, started(tmp_path, page, site.metrics_token(TOKEN)) as prometheus:
        alice.allocate()
        alice.bind(CHANNEL, peer.address)
        mint(page, relay)

        def counted() -> bool:
            alice.channel(CHANNEL, b"x" * 500)
            return prometheus.number("sum(rate(edgeturn_relayed_bytes_total[1m]))") > 0

        until(counted, "a rate of bytes, while the session lasts", 60)
        until(prometheus.reads, "a page that was read without an error")
        until(lambda: prometheus.number("edgeturn_allocations") == 1 == prometheus.number("edgeturn_up"), "the session")
        assert until(lambda: prometheus.number('edgeturn_tokens_minted_total{key="shop"}'), "a minted credential") >= 1
        until(lambda: prometheus.rules() == ["ok"] * ALERTS.count("expr:"), "every rule was taken, and evaluated")
        for expr in expressions():
            if "certificate" not in expr and "dtls" not in expr:
                until(partial(prometheus.answers, expr), expr)
        assert "minted format=rest key=shop" in page.log.read_text() and KEY not in page.log.read_text()
        _only_the_token_reads(page)
        relay.process.terminate()
        relay.ended()
        until(lambda: b"edgeturn_up 0\n" in page.get("/metrics", Authorization=f"Bearer {TOKEN}").body, "it's down")
    alice.close()
    peer.close()


def _only_the_token_reads(page: Page) -> None:
    assert page.get("/metrics").status == 401
    assert page.get("/metrics", Authorization="Bearer wrong").status == 401
    assert page.get("/metrics", Authorization=f"Bearer {KEY}").status == 401
    answer = page.get("/metrics", Authorization=f"Bearer {site.metrics_token(TOKEN)}")
    assert answer.status == 200 and b"edgeturn_up 1\n" in answer.body
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
