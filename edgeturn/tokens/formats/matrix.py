"""Matrix: GET /_matrix/client/v3/voip/turnServer, of the client-server specification; r0 is what older clients ask.

The key is the access token: a home server that hands this request on adds it. `user_id` says whom it is for.
"""

from edgeturn.tokens.endpoint import Asked, Document, Endpoint, Minted, Proof, Refusal, Wish, bearer, user

# HTTP status -> errcode of the specification.
_CODES = {401: "M_UNKNOWN_TOKEN", 403: "M_FORBIDDEN", 404: "M_UNRECOGNIZED", 405: "M_UNRECOGNIZED"}
_LIMITED = 429


def _proof(asked: Asked) -> Proof | None:
    key = asked.query.get("access_token")
    return Proof(key) if key else bearer(asked)


def _wish(asked: Asked) -> Wish:
    return Wish(None, user(asked.query.get("user_id")).removeprefix("@"))


def _answer(asked: Asked, minted: Minted) -> Document:
    return {"username": minted.username, "password": minted.password, "uris": minted.turn(), "ttl": minted.ttl}


def _refusal(asked: Asked, refusal: Refusal) -> Document:
    if refusal.status == _LIMITED:
        waiting = refusal.retry_after * 1000
        return {"errcode": "M_LIMIT_EXCEEDED", "error": refusal.reason, "retry_after_ms": waiting}
    if refusal.status == 401 and _proof(asked) is None:
        return {"errcode": "M_MISSING_TOKEN", "error": refusal.reason}
    return {"errcode": _CODES.get(refusal.status, "M_UNKNOWN"), "error": refusal.reason}


ENDPOINTS = tuple(
    Endpoint(
        "matrix",
        "GET",
        f"/_matrix/client/{version}/voip/turnServer",
        _proof,
        _wish,
        _answer,
        _refusal,
        says_ttl=True,
    )
    for version in ("v3", "r0")
)
