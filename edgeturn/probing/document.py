"""The servers that an application was given, from JSON: iceServers of RTCPeerConnection, and what is like it.

    {"iceServers": [{"urls": ["turn:turn.example.org"], "username": "alice", "credential": "s3cret"}]}

Rule 1: wherever in the document an object has urls, url or uris, it's a server: so hosted services' answers fit, too.
"""

import json
from collections.abc import Iterator
from typing import Any

from edgeturn.command.failure import Wrong
from edgeturn.command.ice import Login

_URLS = ("urls", "url", "uris")
_CREDENTIALS = ("credential", "password")
_DEEPEST = 8


def servers(text: str, name: str) -> list[tuple[str, Login | None]]:
    """Return each URI once, with its login; Wrong where there's none."""
    try:
        found = dict(_entries(json.loads(text), _DEEPEST))
    except (ValueError, RecursionError):
        raise Wrong(f"{name} is no JSON; an iceServers document is, such as `edgeturn credentials` prints.") from None
    if not found:
        raise Wrong(f'{name} names no server: there is no "urls" in it.')
    return list(found.items())


def _entries(document: Any, deeper: int) -> Iterator[tuple[str, Login | None]]:
    if not deeper or not isinstance(document, (dict, list)):
        return
    if isinstance(document, dict):
        yield from _of_entry(document)
        document = list(document.values())
    for each in document:
        yield from _entries(each, deeper - 1)


def _of_entry(entry: dict[str, Any]) -> Iterator[tuple[str, Login | None]]:
    listed: Any = next((entry[name] for name in _URLS if name in entry), [])
    password = next((entry[name] for name in _CREDENTIALS if name in entry), None)
    user = entry.get("username")
    login = Login(user, password) if isinstance(user, str) and isinstance(password, str) else None
    for uri in [listed] if isinstance(listed, str) else listed if isinstance(listed, list) else []:
        if isinstance(uri, str):
            yield uri, login
