"""The formats over HTTP, by aiohttp: what is received becomes an Asked, and what is granted or refused JSON.

Rule 1: no answer may be kept by a cache, and none says more to a web page than the key's list of origins allows.
Rule 2: bodies are small and have to come soon.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from urllib.parse import parse_qsl

from aiohttp import hdrs, web

from edgeturn.relay.configuration import Configuration
from edgeturn.serving.speaking import PLAIN, refusing
from edgeturn.tokens import forwarded
from edgeturn.tokens.endpoint import Asked, Document, Endpoint, Refusal
from edgeturn.tokens.formats import ENDPOINTS, rest
from edgeturn.tokens.granting import LOG, Service

BODY_SIZE = 16384
_PATIENCE = 10  # seconds
_PREFLIGHT_AGE = "600"
_CHALLENGES = {"twilio": 'Basic realm="edgeturn"', "xirsys": 'Basic realm="edgeturn"'}
_BEARER = "Bearer"

Handler = Callable[[web.Request], Awaitable[web.Response]]


def routes(settings: Configuration | Service, alone: bool = False) -> list[web.RouteDef]:
    """Return the routes of all formats; alone: whether nothing else is served, so that / is free."""
    service = settings if isinstance(settings, Service) else Service(settings)
    served = [endpoint for endpoint in ENDPOINTS if alone or not endpoint.alone]
    found = [web.route(endpoint.method, endpoint.path, _granting(service, endpoint)) for endpoint in served]
    for path in dict.fromkeys(endpoint.path for endpoint in served):
        alike = [endpoint for endpoint in served if endpoint.path == path]
        found.append(web.options(path, _preflight(service, alike)))
        found.append(web.route("*", path, _wrong_method(alike)))
    return found


def application(service: Service) -> web.Application:
    """Return an application that serves nothing but the formats."""
    app = web.Application(client_max_size=BODY_SIZE, middlewares=[refusing(_astray)])
    app.add_routes(routes(service, alone=True))
    app.on_response_prepare.append(_add_headers)
    return app


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(PLAIN)


def _astray(request: web.Request, status: int, sentence: str) -> web.Response:
    """Return the answer at a path that isn't there, in the words of the format whose paths begin alike."""
    begin = request.path.split("/")[1]
    alike = [endpoint for endpoint in ENDPOINTS if endpoint.path.split("/")[1] == begin] or rest.ENDPOINTS
    return _refused(alike[0], Asked(), Refusal(status, sentence), {})


def _granting(service: Service, endpoint: Endpoint) -> Handler:
    async def grant(request: web.Request) -> web.Response:
        origin = request.headers.get(hdrs.ORIGIN, "")
        hops = ",".join(request.headers.getall("X-Forwarded-For", []))
        client = forwarded.client(request.remote or "", hops, service.proxies)
        asked = Asked(request.match_info, request.query, {}, request.headers.get(hdrs.AUTHORIZATION, ""))
        try:
            asked = replace(asked, body=await _body(request))
            await service.freshen()
            key, made = service.grant(endpoint, asked, origin, client)
            return _answer(endpoint.status, endpoint.answer(asked, made), _cors(origin, key.allows_origin(origin)))
        except Refusal as caught:
            refusal = caught
        except Exception:  # whoever asks gets an answer
            LOG.exception("failed format=%s client=%s", endpoint.format, client)
            refusal = Refusal(500, "that failed, and the log says where")
        return _refused(endpoint, asked, refusal, _cors(origin, service.keys.any_allows_origin(origin)))

    return grant


def _preflight(service: Service, alike: list[Endpoint]) -> Handler:
    """Return what answers a browser that asks before it asks (fetch.spec.whatwg.org, CORS-preflight)."""
    methods = ", ".join(endpoint.method for endpoint in alike)

    async def preflight(request: web.Request) -> web.Response:
        origin = request.headers.get(hdrs.ORIGIN, "")
        allowed = service.keys.any_allows_origin(origin)
        more: dict[str, str] = {
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: methods,
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: "Authorization, Content-Type",
            hdrs.ACCESS_CONTROL_MAX_AGE: _PREFLIGHT_AGE,
        }
        return web.Response(status=204, headers=_cors(origin, allowed) | (more if origin and allowed else {}))

    return preflight


def _wrong_method(alike: list[Endpoint]) -> Handler:
    methods = ", ".join(endpoint.method for endpoint in alike)

    async def refuse(request: web.Request) -> web.Response:
        refusal = Refusal(405, f"this is asked by {methods}")
        return _refused(alike[0], Asked(request.match_info, request.query), refusal, {hdrs.ALLOW: methods})

    return refuse


def _refused(endpoint: Endpoint, asked: Asked, refusal: Refusal, headers: dict[str, str]) -> web.Response:
    if refusal.retry_after:
        headers = headers | {hdrs.RETRY_AFTER: str(refusal.retry_after)}
    if refusal.status == 401:
        headers = headers | {hdrs.WWW_AUTHENTICATE: _CHALLENGES.get(endpoint.format, _BEARER)}
    answer = _answer(refusal.status, endpoint.refusal(asked, refusal), headers)
    answer.force_close()  # a stranger's connection isn't kept
    return answer


def _answer(status: int, document: Document, headers: dict[str, str]) -> web.Response:
    return web.json_response(document, status=status, headers=PLAIN | headers)


def _cors(origin: str, allowed: bool) -> dict[str, str]:
    if not origin:
        return {}
    found: dict[str, str] = {hdrs.VARY: "Origin"}
    if allowed:
        found[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
    return found


async def _body(request: web.Request) -> dict[str, object]:
    """Return the fields of a body: a JSON object's or a form's, whatever its type is called."""
    try:
        async with asyncio.timeout(_PATIENCE):
            data = await request.read()
    except TimeoutError:
        raise Refusal(408, "the body didn't come in time") from None
    except (web.RequestPayloadError, ConnectionError):
        raise Refusal(400, "the body can't be read to its end") from None
    except web.HTTPRequestEntityTooLarge:
        data = bytes(BODY_SIZE + 1)
    if len(data) > BODY_SIZE:
        raise Refusal(413, f"the body has more than {BODY_SIZE} bytes")
    return fields(data, request.content_type)


def fields(data: bytes, content_type: str) -> dict[str, object]:
    """Return the fields of a body; Refusal where it can't be read."""
    try:
        text = data.decode()
        if content_type.endswith("json") or text.lstrip().startswith("{"):
            document = json.loads(text) if text.strip() else {}
        else:
            document = dict(parse_qsl(text, max_num_fields=64))
    except (ValueError, RecursionError):
        raise Refusal(400, "the body is neither JSON nor a form") from None
    if not isinstance(document, dict):
        raise Refusal(400, "the body is no JSON object")
    return document
