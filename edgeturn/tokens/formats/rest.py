"""draft-uberti-behave-turn-rest: GET or POST with service=turn, username, ttl and key, at / and at /turn.

The key is better sent as a Bearer token: an address with it may come into the log of a proxy.
"""

from edgeturn.tokens.endpoint import Asked, Document, Endpoint, Minted, Proof, Refusal, Wish, bearer, seconds, user


def _proof(asked: Asked) -> Proof | None:
    key = asked.first("key", "api")
    return bearer(asked) if key is None else Proof(str(key))


def _wish(asked: Asked) -> Wish:
    if asked.first("service") not in (None, "turn"):
        raise Refusal(400, "the only service here is turn")
    return Wish(seconds(asked.first("ttl")), user(asked.first("username")))


def _answer(asked: Asked, minted: Minted) -> Document:
    return {"username": minted.username, "password": minted.password, "ttl": minted.ttl, "uris": minted.turn()}


def _refusal(asked: Asked, refusal: Refusal) -> Document:
    return {"error": refusal.reason}


ENDPOINTS = tuple(
    Endpoint("rest", method, path, _proof, _wish, _answer, _refusal, says_ttl=True, alone=path == "/")
    for path in ("/", "/turn")
    for method in ("GET", "POST")
)
