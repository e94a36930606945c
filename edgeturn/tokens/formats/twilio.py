"""Twilio's Network Traversal Service: POST /2010-04-01/Accounts/{Sid}/Tokens.json, as its public OpenAPI document says.

The account's SID is AC and the key's id; HTTP Basic has it, or SK and the id, as name. `ttl` is a string there, and
dates are RFC 2822 with +0000. Each server stands by itself, with `url` and `urls` alike.
"""

from datetime import UTC, datetime
from email.utils import format_datetime

from edgeturn.tokens.endpoint import Asked, Document, Endpoint, Minted, Proof, Refusal, Wish, basic, seconds

_PREFIXES = ("AC", "SK")
# HTTP status -> code of Twilio's error table.
_CODES = {400: 20001, 401: 20003, 403: 20003, 404: 20404, 405: 20004, 429: 20429}
_UNKNOWN = 20500


def _proof(asked: Asked) -> Proof | None:
    """Return the key with its id; the path has to name the same account."""
    given = basic(asked)
    if given is None or given.id is None or given.id[:2] not in _PREFIXES:
        return None
    number = given.id[2:].lower()
    return Proof(given.key, number) if asked.path["sid"].lower() == "ac" + number else None


def _wish(asked: Asked) -> Wish:
    return Wish(seconds(asked.first("Ttl")))


def _answer(asked: Asked, minted: Minted) -> Document:
    login = {"username": minted.username, "credential": minted.password}
    date = format_datetime(datetime.fromtimestamp(minted.at, UTC))
    return {
        "account_sid": asked.path["sid"],
        "username": minted.username,
        "password": minted.password,
        "ttl": str(minted.ttl),
        "date_created": date,
        "date_updated": date,
        "ice_servers": [{"url": url, "urls": url} for url in minted.stun()]
        + [{"url": url, "urls": url, **login} for url in minted.turn()],
    }


def _refusal(asked: Asked, refusal: Refusal) -> Document:
    code = _CODES.get(refusal.status, _UNKNOWN)
    about = f"https://www.twilio.com/docs/errors/{code}"
    return {"code": code, "message": refusal.reason, "more_info": about, "status": refusal.status}


ENDPOINTS = (
    Endpoint(
        "twilio",
        "POST",
        "/2010-04-01/Accounts/{sid}/Tokens.json",
        _proof,
        _wish,
        _answer,
        _refusal,
        status=201,
        says_ttl=True,
    ),
)
