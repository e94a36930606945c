"""Every format's answer, refusal and reading of requests, field by field, without HTTP."""

import base64

import pytest

from edgeturn.tokens.endpoint import Asked, Endpoint, Minted, Proof, Refusal, Wish
from edgeturn.tokens.formats import ENDPOINTS
from tests.tokens.process import ID, KEY, SID

STUN = "stun:192.0.2.1:3478"
UDP, TLS = "turn:192.0.2.1:3478?transport=udp", "turns:turn.example.org:5349?transport=tcp"
MINTED = Minted("1800000600:shop/alice", "cGFzc3dvcmQ=", 600, 1800000600, 1800000000, (STUN, UDP, TLS))
LOGIN = {"username": "1800000600:shop/alice", "credential": "cGFzc3dvcmQ="}
TWILIO = "/2010-04-01/Accounts/{sid}/Tokens.json"
CLOUDFLARE = "/v1/turn/keys/{id}/credentials/"
MATRIX = "/_matrix/client/v3/voip/turnServer"
XIRSYS = "/_turn/{channel:.+}"


def row(method: str, path: str) -> Endpoint:
    """Return an endpoint of the table."""
    return next(each for each in ENDPOINTS if (each.method, each.path) == (method, path))


def basic(name: str, key: str = KEY) -> str:
    return "Basic " + base64.b64encode(f"{name}:{key}".encode()).decode()


ONE_EACH = [{"url": STUN}, {"url": UDP, **LOGIN}, {"url": TLS, **LOGIN}]
ANSWERS = (
    (
        row("POST", TWILIO),
        Asked(path={"sid": SID}),
        {
            "account_sid": SID,
            "username": LOGIN["username"],
            "password": LOGIN["credential"],
            "ttl": "600",
            "date_created": "Fri, 15 Jan 2027 08:00:00 +0000",
            "date_updated": "Fri, 15 Jan 2027 08:00:00 +0000",
            "ice_servers": [
                {"url": STUN, "urls": STUN},
                {"url": UDP, "urls": UDP, **LOGIN},
                {"url": TLS, "urls": TLS, **LOGIN},
            ],
        },
    ),
    (row("PUT", XIRSYS), Asked(), {"v": {"iceServers": ONE_EACH}, "s": "ok"}),
    (
        row("PUT", XIRSYS),
        Asked(body={"format": "urls"}),
        {"v": {"iceServers": {"urls": [STUN, UDP, TLS], **LOGIN}}, "s": "ok"},
    ),
    (row("POST", "/ice"), Asked(), {"p": "/ice", "s": 200, "d": {"iceServers": ONE_EACH}, "e": None}),
    (
        row("POST", CLOUDFLARE + "generate-ice-servers"),
        Asked(),
        {"iceServers": [{"urls": [STUN]}, {"urls": [UDP, TLS], **LOGIN}]},
    ),
    (row("POST", CLOUDFLARE + "generate"), Asked(), {"iceServers": {"urls": [STUN, UDP, TLS], **LOGIN}}),
    (
        row("GET", "/"),
        Asked(),
        {"username": LOGIN["username"], "password": LOGIN["credential"], "ttl": 600, "uris": [UDP, TLS]},
    ),
    (
        row("GET", MATRIX),
        Asked(),
        {"username": LOGIN["username"], "password": LOGIN["credential"], "ttl": 600, "uris": [UDP, TLS]},
    ),
)


@pytest.mark.parametrize(("endpoint", "asked", "expected"), ANSWERS)
def test_answers_have_exactly_the_services_fields(endpoint: Endpoint, asked: Asked, expected: object) -> None:
    assert endpoint.answer(asked, MINTED) == expected


def test_answers_have_the_services_status() -> None:
    assert {each.format for each in ENDPOINTS if each.status == 201} == {"twilio", "cloudflare"}
    assert {each.status for each in ENDPOINTS} == {200, 201}


PROOFS = (
    ("twilio", row("POST", TWILIO), Asked({"sid": SID}, authorization=basic(SID)), Proof(KEY, ID)),
    ("an API key of twilio", row("POST", TWILIO), Asked({"sid": SID}, authorization=basic(f"SK{ID}")), Proof(KEY, ID)),
    ("another account", row("POST", TWILIO), Asked({"sid": "AC" + "f" * 32}, authorization=basic(SID)), None),
    ("no account", row("POST", TWILIO), Asked({"sid": SID}, authorization=basic("shop")), None),
    ("no login", row("POST", TWILIO), Asked({"sid": SID}), None),
    ("no base64", row("POST", TWILIO), Asked({"sid": SID}, authorization="Basic ???"), None),
    ("no key", row("POST", TWILIO), Asked({"sid": SID}, authorization=basic(SID, "")), None),
    ("a bearer", row("POST", TWILIO), Asked({"sid": SID}, authorization=f"Bearer {KEY}"), None),
    ("xirsys", row("PUT", XIRSYS), Asked(authorization=basic("shop")), Proof(KEY, "shop")),
    ("xirsys 2", row("POST", "/ice"), Asked(body={"ident": "shop", "secret": KEY}), Proof(KEY, "shop")),
    ("half of it", row("POST", "/ice"), Asked(body={"ident": "shop"}), None),
    (
        "cloudflare",
        row("POST", CLOUDFLARE + "generate"),
        Asked({"id": ID.upper()}, authorization=f"bearer {KEY}"),
        Proof(KEY, ID),
    ),
    ("no bearer", row("POST", CLOUDFLARE + "generate"), Asked({"id": ID}, authorization="Bearer "), None),
    ("rest", row("GET", "/"), Asked(query={"key": KEY}), Proof(KEY)),
    ("rest, not in the address", row("POST", "/turn"), Asked(authorization=f"Bearer {KEY}"), Proof(KEY)),
    ("matrix", row("GET", MATRIX), Asked(authorization=f"Bearer {KEY}"), Proof(KEY)),
    ("old matrix", row("GET", MATRIX), Asked(query={"access_token": KEY}), Proof(KEY)),
)


@pytest.mark.parametrize(("what", "endpoint", "asked", "expected"), PROOFS)
def test_what_a_caller_proves_itself_with(what: str, endpoint: Endpoint, asked: Asked, expected: Proof | None) -> None:
    assert endpoint.proof(asked) == expected


WISHES = (
    (row("POST", TWILIO), Asked(), Wish(None)),
    (row("POST", TWILIO), Asked(body={"Ttl": "3600"}), Wish(3600)),
    (row("PUT", XIRSYS), Asked(body={"expire": "30"}), Wish(30)),
    (row("POST", "/ice"), Asked(body={"timeout": "30"}), Wish(30)),
    (row("POST", CLOUDFLARE + "generate"), Asked(body={"ttl": 86400, "customIdentifier": "bob"}), Wish(86400, "bob")),
    (row("GET", "/turn"), Asked(query={"service": "turn", "username": "bob", "ttl": "9"}), Wish(9, "bob")),
    (row("GET", MATRIX), Asked(query={"user_id": "@bob:example.org"}), Wish(None, "bob:example.org")),
)


@pytest.mark.parametrize(("endpoint", "asked", "expected"), WISHES)
def test_what_is_asked_for(endpoint: Endpoint, asked: Asked, expected: Wish) -> None:
    assert endpoint.wish(asked) == expected


@pytest.mark.parametrize("ttl", ["-1", "1.5", "soon", True, "9" * 13, "٣", [60], {}])
def test_what_is_no_lifetime(ttl: object) -> None:
    for endpoint, name in ((row("POST", TWILIO), "Ttl"), (row("POST", CLOUDFLARE + "generate"), "ttl")):
        with pytest.raises(Refusal, match="seconds"):
            endpoint.wish(Asked(body={name: ttl}))


@pytest.mark.parametrize("name", ["a\nb", "ü", "x" * 65, "\x7f"])
def test_what_is_no_name_of_a_user(name: str) -> None:
    with pytest.raises(Refusal, match="printable"):
        row("GET", "/turn").wish(Asked(query={"username": name}))


def test_another_service_is_refused() -> None:
    with pytest.raises(Refusal):
        row("GET", "/turn").wish(Asked(query={"service": "stun"}))


WRONG, OFTEN = Refusal(401, "the key isn't valid"), Refusal(429, "too often", 7)
ABOUT = "https://www.twilio.com/docs/errors/"
REFUSALS = (
    (
        row("POST", TWILIO),
        {"code": 20003, "message": "the key isn't valid", "more_info": ABOUT + "20003", "status": 401},
        {"code": 20429, "message": "too often", "more_info": ABOUT + "20429", "status": 429},
    ),
    (row("PUT", XIRSYS), {"v": "unauthorized", "s": "error"}, {"v": "too often", "s": "error"}),
    (
        row("POST", "/ice"),
        {"p": "/ice", "s": 401, "d": None, "e": "the key isn't valid"},
        {"p": "/ice", "s": 429, "d": None, "e": "too often"},
    ),
    (
        row("POST", CLOUDFLARE + "generate"),
        {
            "success": False,
            "errors": [{"code": 401, "message": "the key isn't valid"}],
            "messages": [],
            "result": None,
        },
        {"success": False, "errors": [{"code": 429, "message": "too often"}], "messages": [], "result": None},
    ),
    (row("GET", "/"), {"error": "the key isn't valid"}, {"error": "too often"}),
    (
        row("GET", MATRIX),
        {"errcode": "M_UNKNOWN_TOKEN", "error": "the key isn't valid"},
        {"errcode": "M_LIMIT_EXCEEDED", "error": "too often", "retry_after_ms": 7000},
    ),
)


@pytest.mark.parametrize(("endpoint", "wrong", "often"), REFUSALS)
def test_refusals_are_in_the_services_words(endpoint: Endpoint, wrong: object, often: object) -> None:
    asked = Asked(authorization=f"Bearer {KEY}")
    assert endpoint.refusal(asked, WRONG) == wrong and endpoint.refusal(asked, OFTEN) == often


def test_matrix_tells_no_token_from_a_wrong_one() -> None:
    assert row("GET", MATRIX).refusal(Asked(), WRONG)["errcode"] == "M_MISSING_TOKEN"
