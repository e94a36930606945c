"""Public client libraries of the hosted services, unchanged but for the base address, and what they get allocates.

twilio (PyPI, npm) ──HTTPS──► edgeturn tokens          knows the secret, and no relay
python-xirsys (PyPI), curl            │
        │ credential                  ▼
        └──────────TURN──────► edgeturn run            knows the secret, and no tokens
"""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from python_xirsys import Connection
from python_xirsys.exceptions import XirSysAPIException
from python_xirsys.objects import ICEServer
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client as Twilio

from tests.blackbox import certificates
from tests.blackbox.certificates import Certificate
from tests.blackbox.client import Client
from tests.blackbox.relay import HOST, Relay
from tests.lab.programs import node_modules, program
from tests.tokens.process import ID, KEY, SID, Tokens, configuration, section


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificates.make(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    import sys

    with Relay([sys.executable], tmp_path_factory.mktemp("relay"), {}) as relay:
        yield relay


@pytest.fixture(scope="module")
def text(relay: Relay, certificate: Certificate) -> str:
    """The configuration of tokens: it tells the relay's URIs, as it has to where a balancer stands in front."""
    options = [f"option {name} '{value}'" for name, value in certificate.settings().items()]
    uris = [f"list ice_uri '{each}'" for each in uris_of(relay)]
    return configuration(section(), relay=[*options, *uris])


@pytest.fixture(scope="module")
def tokens(text: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tokens]:
    with Tokens(tmp_path_factory.mktemp("tokens"), text) as tokens:
        yield tokens


@pytest.fixture
def base(tokens: Tokens, certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.certificate))
    return f"https://{HOST}:{tokens.port}"


def uris_of(relay: Relay) -> list[str]:
    place = f"{HOST}:{relay.port}"
    return [f"stun:{place}", f"turn:{place}?transport=udp", f"turn:{place}?transport=tcp"]


def allocates(relay: Relay, username: str, password: str) -> bool:
    """Say whether a relay grants an allocation to a credential."""
    client = Client(relay.server(), username)
    client.password = password
    try:
        return not client.allocate().code
    finally:
        client.close()


def curl(certificate: Certificate, *words: str) -> object:
    done = subprocess.run(
        [program("curl"), "-sS", "--max-time", "30", "--cacert", str(certificate.certificate), *words],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_twilios_library_for_python(base: str, relay: Relay) -> None:
    client = Twilio(SID, KEY)
    client.api.base_url = base
    token = client.tokens.create(ttl=1200)
    assert (token.account_sid, token.ttl) == (SID, "1200") and token.date_created is not None
    stun, udp, tcp = token.ice_servers
    assert [each["urls"] for each in token.ice_servers] == uris_of(relay)
    assert stun == {"url": stun["urls"], "urls": stun["urls"]}
    assert all((each["username"], each["credential"]) == (token.username, token.password) for each in (udp, tcp))
    assert allocates(relay, token.username, token.password)
    assert not allocates(relay, token.username, token.password[:-2] + "A=")


def test_twilios_library_is_refused_in_twilios_words(base: str) -> None:
    client = Twilio(SID, "f" * 32)
    client.api.base_url = base
    with pytest.raises(TwilioRestException) as refused:
        client.tokens.create()
    assert (refused.value.status, refused.value.code) == (401, 20003)


def test_twilios_library_for_node(base: str, relay: Relay, certificate: Certificate) -> None:
    trusted = {"NODE_EXTRA_CA_CERTS": str(certificate.certificate), "NODE_FOLDER": str(node_modules())}
    done = subprocess.run(
        [program("node"), str(Path(__file__).with_name("ask.mjs")), base, SID, KEY],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | trusted,
    )
    assert done.returncode == 0, done.stderr
    token, refused, xirsys = (json.loads(line) for line in done.stdout.splitlines())
    assert token["ttl"] == "1200" and [each["urls"] for each in token["servers"]] == uris_of(relay)
    assert allocates(relay, token["username"], token["password"])
    assert refused == {"status": 401, "code": 20003}
    entry = xirsys["v"]["iceServers"]
    assert xirsys["s"] == "ok" and entry["urls"] == uris_of(relay)
    assert allocates(relay, entry["username"], entry["credential"])


def test_xirsyss_library_for_python(base: str, relay: Relay) -> None:
    connection = Connection("shop", KEY)
    connection.url = base
    servers = ICEServer.list_all(connection, "example.org", "default", "default", timeout=600)
    assert [each.url for each in servers] == uris_of(relay)
    assert [each.server_type for each in servers] == ["stun", "turn", "turn"]
    assert servers[0].username is None and allocates(relay, servers[1].username, servers[1].credential)
    connection.secret_key = "f" * 32
    with pytest.raises(XirSysAPIException, match="401"):
        ICEServer.list_all(connection, "example.org", "default", "default")


def test_the_rest_by_curl(base: str, relay: Relay, certificate: Certificate) -> None:
    turn = uris_of(relay)[1:]
    bearer = ("-H", f"Authorization: Bearer {KEY}")
    cloudflare: object = curl(
        certificate, *bearer, "--json", '{"ttl": 600}', f"{base}/v1/turn/keys/{ID}/credentials/generate-ice-servers"
    )
    assert isinstance(cloudflare, dict)
    stun, entry = cloudflare["iceServers"]
    assert stun == {"urls": uris_of(relay)[:1]} and entry["urls"] == turn
    assert allocates(relay, entry["username"], entry["credential"])
    for words in (
        (f"{base}/?service=turn&username=alice&ttl=600&key={KEY}",),
        (*bearer, "-d", "service=turn&username=alice&ttl=600", f"{base}/turn"),
        (*bearer, f"{base}/_matrix/client/v3/voip/turnServer?user_id=@alice:example.org"),
    ):
        found = curl(certificate, *words)
        assert isinstance(found, dict)
        assert sorted(found) == ["password", "ttl", "uris", "username"] and found["uris"] == turn
        assert "shop/alice" in found["username"] and allocates(relay, found["username"], found["password"])
    assert relay.command("status")["allocated_ever"] >= 4


def test_a_key_that_is_gone_is_refused_from_the_reload_on(
    base: str, tokens: Tokens, text: str, certificate: Certificate
) -> None:
    address = f"{base}/turn?key={KEY}"
    tokens.reload(configuration("config nonsense\n"))
    tokens.logged("nothing was changed", "unknown section type")
    assert "username" in str(curl(certificate, address))
    tokens.reload(text.replace(section(), section("other", "f" * 32, "e" * 32)))
    assert curl(certificate, address) == {"error": "the key isn't valid"}
    tokens.reload(text)
    assert "username" in str(curl(certificate, address))


def test_a_renewed_certificate_is_taken_by_the_reload(
    base: str, tokens: Tokens, text: str, certificate: Certificate, tmp_path: Path
) -> None:
    renewed = certificates.make(tmp_path, "renewed.example.org")
    old, new = certificate.settings(), renewed.settings()
    tokens.reload(text.replace(old["certificate"], new["certificate"]).replace(old["key"], new["key"]))
    assert "username" in str(curl(renewed, f"{base}/turn?key={KEY}"))
    tokens.reload(text)


def test_the_log_has_everything_but_passwords_and_keys(base: str, tokens: Tokens) -> None:
    for key in (KEY, "f" * 32):
        client = Twilio(SID, key)
        client.api.base_url = base
        with suppress(TwilioRestException):
            client.tokens.create(ttl=1199)
    tokens.logged("minted format=twilio key=shop username=", "ttl=1199 until=", "client=127.0.0.1")
    tokens.logged("refused status=401 format=twilio")
    assert not tokens.log(KEY) and not tokens.log("password") and not tokens.log("=\\n")
