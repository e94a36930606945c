"""Cloudflare Realtime TURN: POST /v1/turn/keys/{KEY_ID}/credentials/generate-ice-servers, and the older …/generate.

The key's id is KEY_ID, and the key a Bearer token. The newer answer has two servers in an array, STUN and TURN; the
older one is one object. `customIdentifier` says whom a credential is for.
"""

from edgeturn.tokens.endpoint import Asked, Document, Endpoint, Minted, Proof, Refusal, Wish, bearer, seconds, user

_PATH = "/v1/turn/keys/{id}/credentials/"


def _proof(asked: Asked) -> Proof | None:
    given = bearer(asked)
    return None if given is None else Proof(given.key, asked.path["id"].lower())


def _wish(asked: Asked) -> Wish:
    return Wish(seconds(asked.first("ttl")), user(asked.first("customIdentifier")))


def _answer(asked: Asked, minted: Minted) -> Document:
    turn: Document = {"urls": minted.turn(), "username": minted.username, "credential": minted.password}
    stun: list[Document] = [{"urls": minted.stun()}] if minted.stun() else []
    return {"iceServers": [*stun, turn]}


def _old_answer(asked: Asked, minted: Minted) -> Document:
    entry = {"urls": list(minted.urls), "username": minted.username, "credential": minted.password}
    return {"iceServers": entry}


def _refusal(asked: Asked, refusal: Refusal) -> Document:
    error = {"code": refusal.status, "message": refusal.reason}
    return {"success": False, "errors": [error], "messages": [], "result": None}


ENDPOINTS = (
    Endpoint("cloudflare", "POST", _PATH + "generate-ice-servers", _proof, _wish, _answer, _refusal, status=201),
    Endpoint("cloudflare", "POST", _PATH + "generate", _proof, _wish, _old_answer, _refusal, status=201),
)
