"""`edgeturn tokens` as a person types it: keys are made, listed and removed, and what is wrong is said."""

import json
from pathlib import Path

import pytest

from edgeturn.relay.configuration import read
from edgeturn.tokens.endpoint import Proof
from edgeturn.tokens.keys import Keys, token_hash
from tests.cli.conftest import Call, call, file
from tests.tokens.process import ID, KEY

__all__ = ["call", "file"]


def test_a_key_is_shown_once_and_kept_as_its_hash(call: Call, file: Path) -> None:
    said = call("tokens", "key", "add", "shop", "-c", str(file))
    key = said.split("key=")[1].split()[0]
    text = file.read_text()
    assert key not in text and token_hash(key) in text
    assert f"auth token {key}" in said and "account SID AC" in said
    assert all(service in said for service in ("Twilio", "Xirsys", "Cloudflare", "REST", "Matrix"))
    found = Keys(read(str(file))).find(Proof(key))
    assert found is not None and found.name == "shop" and len(found.id) == 32
    assert key not in call("tokens", "key", "list", "-c", str(file))


def test_options_of_a_key_come_into_the_file(call: Call, file: Path) -> None:
    words = ("--format", "rest", "--format", "matrix", "--origin", "https://a.example", "--shared-quota")
    numbers = ("--ttl", "600", "--min-ttl", "120", "--max-ttl", "1200", "--per-minute", "5")
    said = call("tokens", "key", "add", "my app", *words, *numbers, "-c", str(file))
    assert "REST" in said and "Twilio" not in said
    (shown,) = json.loads(call("tokens", "key", "list", "--json", "-c", str(file)))
    assert (
        shown.items()
        >= {
            "name": "my app",
            "formats": ["rest", "matrix"],
            "origins": ["https://a.example"],
            "shared_quota": True,
            "ttl": 600,
            "min_ttl": 120,
            "max_ttl": 1200,
            "per_minute": 5,
        }.items()
    )


def test_an_application_may_keep_what_it_has(call: Call, file: Path) -> None:
    words = ("--id", f"AC{ID}", "--token", "-", "--json")
    made = json.loads(call("tokens", "key", "add", "shop", *words, "-c", str(file), given=f"{KEY}\n"))
    assert made == {"name": "shop", "id": ID, "account_sid": f"AC{ID}", "key": KEY}
    found = Keys(read(str(file))).find(Proof(KEY, ID))
    assert found is not None and found.name == "shop"


@pytest.mark.parametrize("which", ["shop", ID, f"AC{ID}"])
def test_a_key_is_removed_by_name_or_id(call: Call, file: Path, which: str) -> None:
    before = file.read_text()
    call("tokens", "key", "add", "shop", "--id", ID, "-c", str(file))
    assert "SIGHUP" in call("tokens", "key", "remove", which, "-c", str(file))
    assert file.read_text() == before
    assert "No key" in call("tokens", "key", "list", "-c", str(file))


def test_the_file_may_be_named_in_front(call: Call, file: Path) -> None:
    call("tokens", "-c", str(file), "key", "add", "shop")
    assert "shop" in call("tokens", "-c", str(file), "key", "list")


WRONG = (
    (("key", "add", "shop", "--id", "xyz"), "32 hexadecimal digits"),
    (("key", "add", "shop", "--token", "guessable"), "20 printable"),
    (("key", "add", "a:b"), "colon"),
    (("key", "add", "shop", "--ttl", "9", "--max-ttl", "5"), "between min_ttl and max_ttl"),
    (("key", "remove", "nobody"), "no key 'nobody'"),
    (("--listen", "nowhere"), "is no address"),
    (("--uri", "https://x.example"), "is no URI such as"),
    (("--uri", "turn:x.example?transport=quic"), "asks for"),
    (("--listen", "192.0.2.1"), "clear text"),
)


@pytest.mark.parametrize(("words", "said"), WRONG)
def test_what_is_wrong_is_said_and_changes_nothing(call: Call, file: Path, words: tuple[str, ...], said: str) -> None:
    before = file.read_text()
    assert said in call("tokens", *words, "-c", str(file), code=2)
    assert file.read_text() == before


def test_a_second_key_of_a_name_is_refused(call: Call, file: Path) -> None:
    call("tokens", "key", "add", "shop", "-c", str(file))
    assert "tokens key remove" in call("tokens", "key", "add", "shop", "-c", str(file), code=2)


def test_without_a_secret_there_is_nothing_to_mint_from(call: Call, file: Path) -> None:
    call("config", "unset", "secret", "-c", str(file))
    assert "secret add" in call("tokens", "-c", str(file), code=2)


def test_a_place_that_is_taken_is_said(call: Call, file: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        assert f"can't listen at {place}: address already in use; name" in call(
            "tokens", "--listen", place, "-c", str(file), code=1
        )
