"""Xirsys: PUT /_turn/CHANNEL of version 3 in both its formats, and GET and POST /ice of version 2.

The ident is the key's name or id. Version 3 answers {"v": …, "s": "ok"}: one server an entry with `url`, or, asked for
"format": "urls", one object with all `urls`. Version 2 answers {"s": 200, "d": …, "e": null} and has ident and secret
among its fields. The body is JSON or a form, as Xirsys's own clients send either.
"""

from edgeturn.tokens.endpoint import Asked, Document, Endpoint, Minted, Proof, Refusal, Wish, basic, seconds


def _wish(asked: Asked) -> Wish:
    return Wish(seconds(asked.first("expire", "timeout")))


def _old_proof(asked: Asked) -> Proof | None:
    ident, key = asked.first("ident"), asked.first("secret")
    return None if ident is None or key is None else Proof(str(key), str(ident))


def _servers(minted: Minted) -> list[Document]:
    login: Document = {"username": minted.username, "credential": minted.password}
    stun: list[Document] = [{"url": url} for url in minted.stun()]
    return stun + [{"url": url, **login} for url in minted.turn()]


def _answer(asked: Asked, minted: Minted) -> Document:
    servers: object = _servers(minted)
    if asked.first("format") == "urls":
        servers = {"username": minted.username, "urls": list(minted.urls), "credential": minted.password}
    return {"v": {"iceServers": servers}, "s": "ok"}


def _old_answer(asked: Asked, minted: Minted) -> Document:
    return {"p": "/ice", "s": 200, "d": {"iceServers": _servers(minted)}, "e": None}


def _refusal(asked: Asked, refusal: Refusal) -> Document:
    return {"v": "unauthorized" if refusal.status == 401 else refusal.reason, "s": "error"}


def _old_refusal(asked: Asked, refusal: Refusal) -> Document:
    return {"p": "/ice", "s": refusal.status, "d": None, "e": refusal.reason}


ENDPOINTS = (
    Endpoint("xirsys", "PUT", "/_turn/{channel:.+}", basic, _wish, _answer, _refusal),
    Endpoint("xirsys", "POST", "/ice", _old_proof, _wish, _old_answer, _old_refusal),
    Endpoint("xirsys", "GET", "/ice", _old_proof, _wish, _old_answer, _old_refusal),
)
