"""
One port for a browser's page and its call, with others' programs on every side.

    client1 ──► haproxy ──► relay :443 ──► nginx       in the router: nginx is what its web interface would be
    Chromium, curl, turnutils_uclient

nginx expects PROXY headers and writes down whom they name; haproxy sends version 1 from one port and 2 from another.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.blackbox import certificates
from tests.blackbox.certificates import Certificate
from tests.lab.conftest import StartRelay
from tests.lab.network import CLIENT1, CLIENTS, Network, wait_until
from tests.lab.programs import node_modules, program
from tests.lab.relay import PORT, Relay, credentials, server
from tests.lab.test_chromium import HERE, OVER_WITHIN, assert_relayed, report
from tests.lab.uclient import LIMITS, STATIC, TO_PEER4, Row, assert_nothing_lost, uclient

SHARED, WEB, V1, V2 = 443, 8443, 8444, 8445
PROXY = "127.0.0.3"
CALL_SECONDS = 3
NGINX = """
daemon off; user root; pid {folder}/pid; error_log {folder}/error.log; events {{}}
http {{
  log_format whom '$proxy_protocol_addr $ssl_alpn_protocol $request_uri';
  access_log {folder}/access.log whom;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  types {{ text/html html; }}
  server {{
    listen 127.0.0.1:{web} ssl http2 proxy_protocol;
    ssl_certificate {certificate}; ssl_certificate_key {key};
    root {pages};
  }}
}}
"""
HAPROXY = """
defaults
  mode tcp
  timeout client 30s
  timeout server 30s
  timeout connect 5s
listen v1
  bind {host}:{v1}
  server relay 127.0.0.1:{shared} send-proxy source {proxy}
listen v2
  bind {host}:{v2}
  server relay 127.0.0.1:{shared} send-proxy-v2 source {proxy}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where nginx and haproxy find and leave what is theirs."""
    return tmp_path_factory.mktemp("front-door")


@pytest.fixture(scope="module")
def certificate(folder: Path) -> Certificate:
    """One certificate for both, as where the router's web interface and the relay share a name."""
    return certificates.make(folder, hosts=[server(4)])


@pytest.fixture(scope="module")
def web(network: Network, folder: Path, certificate: Certificate) -> Iterator[Path]:
    """The file in which nginx writes down who came."""
    pages = folder / "pages"
    pages.mkdir()
    (pages / "call.html").write_bytes((HERE / "call.html").read_bytes())
    values = {"folder": folder, "pages": pages, "web": WEB, "certificate": certificate.certificate}
    (folder / "nginx.conf").write_text(NGINX.format(**values, key=certificate.key))
    with (folder / "nginx.log").open("w") as log:
        argv = [program("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
        process = network.router.popen(argv, stdout=log)
    wait_until(lambda: network.router.listens(WEB, "tcp"), f"nginx listens: {(folder / 'nginx.log').read_text()}", 30)
    yield folder / "access.log"
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="module")
def relay(start_relay: StartRelay, certificate: Certificate, web: Path) -> Iterator[Relay]:
    """A relay that shares port 443 with nginx."""
    with start_relay(
        **LIMITS,
        **certificate.settings(),
        listen_tls=[f"{server(4)}:{SHARED}", f"127.0.0.1:{SHARED}"],
        https_backend=f"127.0.0.1:{WEB}",
        backend_proxy_protocol="1",
        proxy_from=[PROXY],
        log_level="debug",
    ) as started:
        yield started


@pytest.fixture(scope="module")
def haproxy(network: Network, folder: Path, relay: Relay) -> Iterator[None]:
    """haproxy in front of the relay."""
    text = HAPROXY.format(host=server(4), v1=V1, v2=V2, shared=SHARED, proxy=PROXY)
    (folder / "haproxy.cfg").write_text(text)
    with (folder / "haproxy.log").open("w") as log:
        process = network.router.popen([program("haproxy"), "-f", str(folder / "haproxy.cfg")], stdout=log)
    wait_until(lambda: network.router.listens(V2, "tcp"), f"haproxy: {(folder / 'haproxy.log').read_text()}", 30)
    yield
    process.terminate()
    process.wait(10)


def came(web: Path, path: str) -> str:
    """Wait until nginx has written down who asked for a path; return that line."""
    wait_until(lambda: path in web.read_text(), f"a line with {path} in {web}", 30)
    return next(line for line in web.read_text().splitlines() if path in line)


@pytest.mark.parametrize("port", [SHARED, V1, V2])
def test_curl_reads_a_page_and_nginx_knows_whose(
    relay: Relay, haproxy: None, network: Network, web: Path, certificate: Certificate, port: int
) -> None:
    url = f"https://{server(4)}:{port}/call.html?{port}"
    words = [program("curl"), "-sS", "--http2", "--cacert", str(certificate.certificate), url]
    read = network.client1.namespace.run(words, 20)
    assert read.stdout == (HERE / "call.html").read_text()
    assert came(web, f"?{port}").startswith(f"{CLIENTS.address(4, CLIENT1)} h2 ")


@pytest.mark.parametrize("port", [V1, V2])
@pytest.mark.parametrize("transport", [["-t"], ["-t", "-S"]], ids=["TCP", "TLS"])
def test_turnutils_uclient_is_known_behind_haproxy(
    relay: Relay, haproxy: None, network: Network, echo: None, port: int, transport: list[str]
) -> None:
    found = uclient(network.client1, Row(4, 1, [*transport, *STATIC, "-c", "-p", str(port), *TO_PEER4]))
    assert_nothing_lost(found, 1)
    named = [line for line in relay.log.splitlines() if "allocated" in line]
    assert named and all(f"client={CLIENTS.address(4, CLIENT1)}:" in line for line in named), named


def test_a_browser_reads_the_page_and_calls_through_one_port(
    relay: Relay, network: Network, web: Path, tmp_path: Path
) -> None:
    user, password = credentials("household")
    here = f"{server(4)}:{SHARED}"
    order = {
        "modules": str(node_modules()),
        "chromium": program("chromium"),
        "page": f"https://{here}/call.html?browser",
        "screenshot": str(tmp_path / "call.png"),
        "iceServers": [{"urls": [f"turns:{here}?transport=tcp"], "username": user, "credential": password}],
        "seconds": CALL_SECONDS,
        "flags": ["--ignore-certificate-errors"],
    }
    argv = [program("node"), str(HERE / "call.mjs"), json.dumps(order)]
    with (tmp_path / "call.json").open("w") as printed, (tmp_path / "call.log").open("w") as errors:
        process = network.client1.namespace.popen(argv, stdin=subprocess.DEVNULL, stdout=printed, stderr=errors)
        process.wait(OVER_WITHIN)
    found = report(tmp_path)
    for name in ("alice", "bob"):
        assert_relayed(found["end"][name])
        flows = found["end"][name]["audio"]["bytesReceived"] - found["start"][name]["audio"]["bytesReceived"]
        assert flows > 1000 * CALL_SECONDS, found
    assert came(web, "?browser").startswith(f"{CLIENTS.address(4, CLIENT1)} h2 ")
    assert PORT != SHARED and not [line for line in relay.log.splitlines() if "allocated" in line and "udp" in line]
