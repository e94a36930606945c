"""Whatever a stranger sends is granted or refused in words that can be sent; nothing else ever happens."""

import json

from hypothesis import given, settings
from hypothesis import strategies as some

from edgeturn.tokens.endpoint import Asked, Endpoint, Refusal
from edgeturn.tokens.formats import ENDPOINTS
from edgeturn.tokens.granting import Service
from edgeturn.tokens.routes import fields
from tests.tokens.process import ID, KEY, SID
from tests.tokens.test_service import service

NAMES = (
    "Ttl",
    "ttl",
    "expire",
    "timeout",
    "format",
    "key",
    "username",
    "service",
    "ident",
    "secret",
    "customIdentifier",
)
VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=70) | some.sampled_from([KEY]),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
BODIES = some.dictionaries(some.sampled_from(NAMES), VALUES, max_size=6)
LOGINS = some.one_of(
    some.text(max_size=60),
    some.text(max_size=20).map("Basic {}".format),
    some.just(f"Bearer {KEY}"),
    some.just("Basic"),
)
ONE: Service = service("option per_minute 0")


@settings(max_examples=150, deadline=None)
@given(some.sampled_from(ENDPOINTS), BODIES, LOGINS, some.text(max_size=40))
def test_any_request_is_granted_or_refused(
    endpoint: Endpoint, body: dict[str, object], login: str, origin: str
) -> None:
    asked = Asked({"sid": SID, "id": ID, "channel": "x"}, {}, body, login)
    try:
        _, made = ONE.grant(endpoint, asked, origin, "192.0.2.7")
    except Refusal as refusal:
        assert refusal.status in (400, 401, 403, 429) and json.dumps(endpoint.refusal(asked, refusal)).encode()
    else:
        assert 60 <= made.ttl <= 86400 and made.username.isascii() and json.dumps(endpoint.answer(asked, made)).encode()


@settings(max_examples=150, deadline=None)
@given(some.binary(max_size=200), some.sampled_from(["application/json", "application/x-www-form-urlencoded", ""]))
def test_any_body_is_fields_or_refused(data: bytes, kind: str) -> None:
    try:
        assert isinstance(fields(data, kind), dict)
    except Refusal as refusal:
        assert refusal.status == 400


def test_halves_of_characters_are_a_wrong_key() -> None:
    for endpoint in ENDPOINTS:
        body = fields(b'{"key": "\\ud800", "secret": "\\ud800", "ident": "\\ud800"}', "application/json")
        try:
            ONE.grant(endpoint, Asked({"sid": SID, "id": ID}, {}, body, "Bearer \ud800"), "", "198.51.100.1")
        except Refusal as refusal:
            assert refusal.status == 401
        else:
            raise AssertionError(endpoint)
