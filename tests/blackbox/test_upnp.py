"""UPnP-IGD with a gateway that behaves as gateways do: takes mappings for ever only, has ports taken, names others.

The namespace is that of test_external.py; with a real miniupnpd it's tested in tests/lab/test_upstream_nat.py.
"""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from edgeturn.protocol.mapping import upnp
from tests.blackbox.relay import until
from tests.blackbox.test_external import GATEWAY, OTHER, OUTSIDE, PORTS, SERVER, STRANGER, Front, Responder, front

__all__ = ["front"]  # the fixture

DESCRIPTION = """<root><device><serviceList><service>
<serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType><controlURL>{}</controlURL>
</service></serviceList></device></root>"""


class Igd:
    """A gateway with SSDP and HTTP; what it's like is set by attributes."""

    def __init__(self, front: Front) -> None:
        self.description_at = f"http://{GATEWAY}:5000/desc.xml"
        self.control = "/control"
        self.only_permanent = False
        self.taken: set[int] = set()
        self.padding = 0
        self.asked: list[tuple[str, int]] = []
        self.mappings: dict[tuple[str, int], tuple[int, int]] = {}  # protocol, external -> internal, lease
        Responder(front.node, (GATEWAY, upnp.SSDP_PORT)).answer = self._found
        igd = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                self._say(200, DESCRIPTION.format(igd.control))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self._say(*igd.call(self.headers["SOAPAction"].strip('"').rpartition("#")[2], body))

            def _say(self, status: int, text: str) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(b" " * igd.padding + text.encode())

        with front.node.entered():
            servers = [ThreadingHTTPServer((place, 5000), Handler) for place in (GATEWAY, STRANGER)]
        for server in servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()

    def _found(self, data: bytes, source: object) -> bytes:
        return f"HTTP/1.1 200 OK\r\nLOCATION: {self.description_at}\r\n\r\n".encode()

    def call(self, action: str, body: bytes) -> tuple[int, str]:
        if action == "GetExternalIPAddress":
            self.asked.append((action, 0))
            return 200, f"<NewExternalIPAddress>{OUTSIDE}</NewExternalIPAddress>"
        key = upnp.value(body, b"NewProtocol").decode(), int(upnp.value(body, b"NewExternalPort"))
        self.asked.append((action, key[1]))
        if action == "AddPortMapping":
            return self._add(key, int(upnp.value(body, b"NewInternalPort")), int(upnp.value(body, b"NewLeaseDuration")))
        if action == "DeletePortMapping":
            return (200, "") if self.mappings.pop(key, None) else self._error(714)
        return (200, "") if key in self.mappings else self._error(714)

    def _add(self, key: tuple[str, int], internal: int, lease: int) -> tuple[int, str]:
        if self.only_permanent and lease:
            return self._error(725)
        if key[1] in self.taken:
            return self._error(718)
        self.mappings[key] = internal, lease
        return 200, ""

    def _error(self, code: int) -> tuple[int, str]:
        return 500, f"<errorCode>{code}</errorCode>"


def test_a_gateway_that_takes_mappings_for_ever_only(front: Front) -> None:
    igd = Igd(front)
    igd.only_permanent = True
    relay = front.start()
    assert front.mapped()["by"] == "upnp"
    assert {lease for _, lease in igd.mappings.values()} == {0}
    relay.process.terminate()
    assert relay.ended() == 0
    assert igd.mappings == {}


def test_a_port_that_is_taken_is_mapped_by_another(front: Front) -> None:
    igd = Igd(front)
    igd.taken = {3478}
    front.start()
    found = front.mapped()
    assert [f"instead of {3478}" in problem for problem in found["problems"]] == [True, True]
    assert sorted(internal for internal, _ in igd.mappings.values())[:2] == [3478, 3478]
    assert len(igd.mappings) == PORTS


@pytest.mark.timeout(300)
def test_a_gateway_that_has_lost_a_mapping_gets_all_again(front: Front) -> None:
    igd = Igd(front)
    front.start()
    front.mapped()
    igd.mappings.clear()
    until(lambda: len(igd.mappings) == PORTS, "all mappings are there again", 60)


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("description_at", f"http://{STRANGER}:5000/desc.xml"),
        ("description_at", "http://router.example:5000/desc.xml"),
        ("control", f"http://{STRANGER}:5000/control"),
        ("padding", upnp.LARGEST),
    ],
)
def test_nobody_but_the_gateway_is_spoken_to_and_not_for_long(front: Front, what: str, value: object) -> None:
    igd = Igd(front)
    setattr(igd, what, value)
    front.stun(OTHER)
    front.start(stun_server=[SERVER])
    found = front.found()
    assert (found["address"], found["by"]) == (OTHER, "stun")
    assert not igd.mappings and (what == "padding" or not igd.asked)
