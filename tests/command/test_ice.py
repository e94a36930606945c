"""Which URIs applications are told: no more than browsers take without a warning, and by which names."""

import pytest

from edgeturn.command import addresses, ice
from edgeturn.protocol.listener import TCP, UDP
from edgeturn.relay.configuration import Configuration
from tests.blackbox import certificates
from tests.blackbox.authority import Authority

FOUR, SIX, NAME = "127.0.0.1", "[::1]", "turn.example.org"
DUAL = f"list listen '{FOUR}:3478'\nlist listen '{SIX}:3478'\n"
TLS = DUAL + f"list listen_tls '{FOUR}:5349'\nlist listen_tls '{SIX}:5349'\n"
ALL = [
    f"stun:{FOUR}:3478", f"turn:{FOUR}:3478?transport=udp", f"turn:{SIX}:3478?transport=udp",
    f"turn:{FOUR}:3478?transport=tcp",
]  # fmt: skip
NAMED = [
    f"stun:{NAME}:3478", f"turn:{NAME}:3478?transport=udp", f"turn:{NAME}:3478?transport=tcp",
    f"turns:{NAME}:5349?transport=tcp",
]  # fmt: skip


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Lines for certificates: one that a relay made itself, an authority's for one name, and for several."""
    folder, authority = tmp_path_factory.mktemp("certificates"), Authority()
    own = certificates.make(folder)
    made = {"own": (own.certificate, own.key)}
    made["one"] = authority.issue(NAME).write(folder, "one")
    made["two"] = authority.issue("www.example.org", NAME).write(folder, "two")
    return {name: f"option certificate '{files[0]}'\noption key '{files[1]}'\n" for name, files in made.items()}


ROWS = (
    ("one family", DUAL.splitlines()[0] + "\n", "", [ALL[0], ALL[1], ALL[3]], 0),
    ("two families", DUAL, "", ALL, 2),
    ("a name that somebody has configured", TLS + f"list tls_names '{NAME}'\n", "own", NAMED, 0),
    ("the one name that an authority knows", TLS, "one", NAMED, 0),
    ("the name may be another server's", TLS, "two", [*ALL[:3], "turns:www.example.org:5349?transport=tcp"], 3),
    ("browsers refuse the certificate", TLS, "own", ALL, 3),
    ("DTLS, which browsers haven't", TLS + "option dtls 1\n", "one", NAMED, 1),
    ("what somebody wants instead", DUAL + "list ice_uri 'turn:x.example'\n", "", ["turn:x.example"], 6),
)


@pytest.mark.parametrize(("what", "text", "certificate", "told", "left"), ROWS, ids=[row[0] for row in ROWS])
def test_what_applications_are_told(
    certified: dict[str, str], what: str, text: str, certificate: str, told: list[str], left: int
) -> None:
    settings = Configuration("config relay 'main'\n" + text + certified.get(certificate, ""), "x")
    assert ice.urls(settings) == told
    assert len(ice.left_out(settings)) == left and not {*ice.left_out(settings)} & {*told}


def test_who_is_reached_from_outside_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    both = b"\x0d\x96\xc0\xa8\1\1", b"\x0d\x96\x2a\0" + bytes(14)
    monkeypatch.setattr(addresses, "places", lambda settings: [(kind, at) for kind in (UDP, TCP) for at in both])
    assert ice.urls(Configuration("config relay 'main'\n", "x")) == [
        "stun:[2a00::]:3478", "turn:[2a00::]:3478?transport=udp", "turn:[2a00::]:3478?transport=tcp",
        "turn:192.168.1.1:3478?transport=udp",
    ]  # fmt: skip
