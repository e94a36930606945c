"""Granting without HTTP: keys, bounds of lifetimes, quotas, limits, and who is believed to ask."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from edgeturn.command.failure import Wrong
from edgeturn.protocol.credentials import account_of, time_limited_password
from edgeturn.relay.configuration import Configuration
from edgeturn.relay.uci import ConfigError
from edgeturn.serving.source import source
from edgeturn.tokens import forwarded
from edgeturn.tokens.endpoint import Asked, Endpoint, Refusal
from edgeturn.tokens.granting import Service
from edgeturn.tokens.limits import Failures, KeyRates
from tests.blackbox.relay import SECRET
from tests.tokens.process import ID, KEY, configuration, section
from tests.tokens.test_formats import CLOUDFLARE, row

REST = row("GET", "/turn")
HIDDEN = row("POST", CLOUDFLARE + "generate")  # its answer doesn't say how long a credential lasts
CLIENT = "192.0.2.7"
Clock = list[float]


def service(
    *lines: str, clock: Clock | None = None, relay: tuple[str, ...] = ("list ice_uri 'turn:x.example'",)
) -> Service:
    """Return a service with one key; lines: options of the key."""
    settings = Configuration(configuration(section("shop", ID, KEY, *lines), relay=relay), "tokens.conf")
    return Service(settings, clock=lambda: clock[0] if clock else 0.0)


def asked(ttl: int | None = None, user: str = "", key: str = KEY) -> Asked:
    fields: dict[str, object] = {"key": key, "username": user, "ttl": ttl}
    return Asked({"id": ID}, {}, fields, f"Bearer {key}")


def status(grant: Callable[[], object]) -> int:
    """Return the HTTP status of a refusal, 200 where there's none."""
    try:
        grant()
    except Refusal as refusal:
        return refusal.status
    return 200


def test_a_credential_is_what_the_relay_takes() -> None:
    _, made = service().grant(REST, asked(600, "alice"), "", CLIENT)
    assert made.password == time_limited_password(SECRET.encode(), made.username.encode()).decode()
    assert made.expires - made.at == made.ttl == 600 and made.urls == ("turn:x.example",)


LIFETIMES = (
    ("nothing asked", None, REST, 86400),
    ("in the bounds", 600, REST, 600),
    ("shorter", 1, REST, 60),
    ("longer, and told so", 10**6, REST, 86400),
    ("shorter, and not told", 1, HIDDEN, 60),
)


@pytest.mark.parametrize(("what", "ttl", "endpoint", "expected"), LIFETIMES)
def test_lifetimes_are_in_the_keys_bounds(what: str, ttl: int | None, endpoint: Endpoint, expected: int) -> None:
    assert service().grant(endpoint, asked(ttl), "", CLIENT)[1].ttl == expected


def test_a_longer_lifetime_is_refused_where_the_answer_couldnt_say_so() -> None:
    assert status(lambda: service().grant(HIDDEN, asked(86401), "", CLIENT)) == 400


def test_quotas_count_users_credentials_or_the_key() -> None:
    def accounts(one: Service, user: str) -> set[bytes]:
        return {account_of(one.grant(REST, asked(60, user), "", CLIENT)[1].username.encode()) for _ in range(2)}

    assert accounts(service(), "alice") == {b"shop/alice"}
    assert len(accounts(service(), "")) == 2  # each credential by itself, as at the hosted services
    assert accounts(service("option shared_quota 1"), "alice") == {b"shop"}


REFUSED = (
    ("another key", (), asked(key="f" * 32), "", 401),
    ("no key", (), Asked({"id": ID}), "", 401),
    ("another format", ("list format 'twilio'",), asked(), "", 403),
    ("its format", ("list format 'twilio'", "list format 'rest'"), asked(), "", 200),
    ("another page", ("list origin 'https://a.example'",), asked(), "https://b.example", 403),
    ("its page", ("list origin 'https://a.example'",), asked(), "https://a.example", 200),
    ("any page", ("list origin '*'",), asked(), "https://b.example", 200),
    ("no page", ("list origin 'https://a.example'",), asked(), "", 200),
)


@pytest.mark.parametrize(("what", "lines", "request_", "origin", "expected"), REFUSED)
def test_what_a_key_is_good_for(what: str, lines: tuple[str, ...], request_: Asked, origin: str, expected: int) -> None:
    one = service(*lines)
    assert status(lambda: one.grant(REST, request_, origin, CLIENT)) == expected
    refused = {code: count for code, count in one.counts()["refused"].items() if count}
    assert refused == ({} if expected == 200 else {str(expected): 1})
    assert one.counts()["minted"] == {"shop": int(expected == 200)}


def test_an_id_has_to_be_the_keys_own() -> None:
    assert (
        status(lambda: service().grant(HIDDEN, Asked({"id": "f" * 32}, authorization=f"Bearer {KEY}"), "", "")) == 401
    )


def test_a_key_has_so_many_a_minute() -> None:
    clock = [100.0]
    one = service("option per_minute 3", clock=clock)
    assert [status(lambda: one.grant(REST, asked(), "", CLIENT)) for _ in range(5)] == [200, 200, 200, 429, 429]
    with pytest.raises(Refusal) as refused:
        one.grant(REST, asked(), "", CLIENT)
    clock[0] += refused.value.retry_after
    assert refused.value.retry_after == 20 and status(lambda: one.grant(REST, asked(), "", CLIENT)) == 200
    assert status(lambda: one.grant(REST, asked(), "", CLIENT)) == 429


def test_guessing_is_slowed_and_keeps_nobody_else_out() -> None:
    one = service()
    guesses = [asked(key=f"{number:032}") for number in range(30)]
    codes = [status(partial(one.grant, REST, guess, "", CLIENT)) for guess in guesses]
    assert codes.count(401) == 20 and codes[20:] == [429] * 10
    assert status(lambda: one.grant(REST, asked(), "", CLIENT)) == 200  # whoever has a key isn't guessing
    assert status(lambda: one.grant(REST, asked(key="0"), "", "198.51.100.1")) == 401


def test_no_secret_is_503() -> None:
    text = configuration(section()).replace(f"list secret '{SECRET}'", "list ice_uri 'turn:x.example'")
    assert status(lambda: Service(Configuration(text, "x")).grant(REST, asked(), "", CLIENT)) == 503


def test_the_uris_are_the_relays_unless_others_are_named() -> None:
    async def found(*uris: str, named: str = "") -> tuple[str, ...]:
        lines = ("list listen '127.0.0.1:3999'", *([f"list ice_uri '{named}'"] if named else []))
        one = Service(Configuration(configuration(section(), relay=lines), "x"), uris)
        await one.freshen()
        return one.urls

    assert asyncio.run(found())[1] == "turn:127.0.0.1:3999?transport=udp"
    assert asyncio.run(found(named="turn:x.example")) == ("turn:x.example",)
    assert asyncio.run(found("turn:y.example", named="turn:x.example")) == ("turn:y.example",)


def test_the_relays_uris_are_asked_for_again_after_a_minute() -> None:
    clock, asked_for = [100.0], []

    async def find() -> list[str]:
        asked_for.append(clock[0])
        return [f"turn:{clock[0]}"]

    async def dialogue() -> tuple[str, ...]:
        one = Service(Configuration(configuration(section()), "x"), find=find, clock=lambda: clock[0])
        for now in (100.0, 101.0, 159.0, 160.0):
            clock[0] = now
            await one.freshen()
        return one.urls

    assert asyncio.run(dialogue()) == ("turn:160.0",) and asked_for == [100.0, 160.0]


def test_the_tables_of_limits_dont_grow() -> None:
    failures, rates = Failures(), KeyRates()
    for number in range(10000):
        failures.take(f"192.0.{number // 256}.{number % 256}", 0.0)
        rates.take(str(number), 1, 0.0)
    rates.keep({"7"})
    assert len(failures._paid_at) == 4096 and list(rates._paid_at) == ["7"]


PROXIES = ("10.0.0.0/8", "2001:db8::1")
FORWARDED = (
    ("nobody in front", "192.0.2.7", "", "192.0.2.7"),
    ("who isn't named isn't believed", "192.0.2.7", "203.0.113.1", "192.0.2.7"),
    ("a named proxy", "10.0.0.1", "203.0.113.1", "203.0.113.1"),
    ("by IPv6", "2001:db8::1", "203.0.113.1", "203.0.113.1"),
    ("two of them", "10.0.0.1", "203.0.113.1, 10.9.9.9", "203.0.113.1"),
    ("what the client wrote in front", "10.0.0.1", "127.0.0.1, 203.0.113.1", "203.0.113.1"),
    ("nonsense", "10.0.0.1", "203.0.113.1, nonsense", "10.0.0.1"),
    ("brackets", "10.0.0.1", "[2001:db8::7]", "2001:db8::7"),
    ("a mapped one", "::ffff:10.0.0.1", "203.0.113.1", "203.0.113.1"),
    ("no address at all", "", "203.0.113.1", ""),
)


@pytest.mark.parametrize(("what", "peer", "header", "expected"), FORWARDED)
def test_who_asks(what: str, peer: str, header: str, expected: str) -> None:
    assert forwarded.client(peer, header, PROXIES) == expected


def test_a_subscriber_with_ipv6_is_one_source() -> None:
    assert source("2001:db8:0:1::7") == source("2001:db8:0:1:ffff::1")
    assert source("192.0.2.7") != source("192.0.2.8")


WRONG = (
    (section(""), "without a name"),
    ("config api_key 'x'\noption id '" + ID + "'\n", "needs id and token_sha256"),
    (section() + section("other"), "stands here twice"),
    (section() + section("shop", "f" * 32), "stands here twice"),
    (section("x", ID, KEY, "option max_ttl 60"), "between min_ttl and max_ttl"),
    (section("x", "short"), "32 hexadecimal digits"),
    (section("x", ID, KEY, "list format 'skype'"), "must be one of twilio"),
    ("config relay\nlist ice_uri 'https://x.example'\n", "must be a URI such as turn:"),
)


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_wrong_keys_are_errors_with_file_and_line(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Configuration(text if text.startswith("config relay") else configuration(text), "tokens.conf")


def test_keys_dont_concern_the_relay() -> None:
    one, other = (Configuration(configuration(*more), "x") for more in ((), (section(),)))
    assert one.changes(other) == []


def test_a_short_key_that_somebody_brings_is_refused(tmp_path: Path) -> None:
    from edgeturn.tokens import editing

    file = tmp_path / "tokens.conf"
    file.write_text(configuration())
    with pytest.raises(Wrong, match="20 printable"):
        editing.add(str(file), "shop", editing.Made(key="guessable"), False)
    assert file.read_text() == configuration()
