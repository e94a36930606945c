"""Granting: a request, proved and inside its key's limits, becomes a credential of the relay's first secret.

Rule 1: nothing is kept of what was minted but counts: the credential proves itself to the relay, so copies of this
        behind a balancer needn't know of each other. Limits are each copy's own.
Rule 2: a key that is right is never refused for what others at the same address got wrong.
Rule 3: the log has who, which key, for whom, until when; never the password, nor a key.
"""

import asyncio
import logging
import math
import secrets
import shlex
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from edgeturn.command import ice
from edgeturn.relay.configuration import Configuration
from edgeturn.serving.source import source
from edgeturn.tokens.endpoint import Asked, Endpoint, Minted, Refusal, Wish
from edgeturn.tokens.keys import Key, Keys
from edgeturn.tokens.limits import Failures, KeyRates

LOG = logging.getLogger("edgeturn.tokens")
_STATUSES = ("401", "403", "429", "503")  # those that are counted from 0 on
_STALE = 60  # seconds after which the relay may have another address


class Service:
    """What one process hands out."""

    def __init__(
        self,
        settings: Configuration,
        uris: Sequence[str] = (),
        find: Callable[[], Awaitable[Sequence[str]]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the configuration, URIs to tell instead of those that it names, and who knows the relay's, if not we."""
        self._given = tuple(uris)
        self._find = find or self._find_here
        self._clock = clock
        self.urls: tuple[str, ...] = ()
        self._rates = KeyRates()
        self._failures = Failures()
        self.minted: Counter[str] = Counter()
        self.refused: Counter[int] = Counter()
        self.reload(settings)

    def reload(self, settings: Configuration) -> None:
        """Take another configuration: keys that it hasn't are refused from now on."""
        self.settings = settings
        self.keys = Keys(settings)
        self._rates.keep({key.id for key in self.keys.all})
        self.proxies = tuple(str(each) for each in settings.items("forwarded_from"))
        named = self._given or tuple(str(each) for each in settings.items("ice_uri"))
        self.urls, self._stale_at = named or self.urls, math.inf if named else -math.inf

    async def freshen(self) -> None:
        """Find out which URIs the relay has, where none are named and it may have others by now."""
        if self._clock() >= self._stale_at:
            self._stale_at = self._clock() + _STALE
            self.urls = tuple(await self._find())

    async def _find_here(self) -> Sequence[str]:
        self.settings.found.clear()
        return await asyncio.to_thread(ice.urls, self.settings)

    def grant(self, endpoint: Endpoint, asked: Asked, origin: str, client: str) -> tuple[Key, Minted]:
        """Return a credential and the key that it was asked for with; Refusal where there's none."""
        try:
            key = self._prove(endpoint, asked, client)
            made = self._mint(key, endpoint, asked, origin)
        except Refusal as refusal:
            self.refused[refusal.status] += 1
            if refusal.status != 429:
                LOG.warning(
                    "refused status=%d format=%s client=%s: %s", refusal.status, endpoint.format, client, refusal
                )
            raise
        self.minted[key.name] += 1
        until = datetime.fromtimestamp(made.expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        row = (endpoint.format, shlex.quote(key.name), shlex.quote(made.username), made.ttl, until, client)
        LOG.info("minted format=%s key=%s username=%s ttl=%d until=%s client=%s", *row)
        return key, made

    def counts(self) -> dict[str, dict[str, int]]:
        """Return how much was minted, by key, and refused, by HTTP status."""
        minted = {key.name: self.minted[key.name] for key in self.keys.all}
        refused = {str(status): count for status, count in self.refused.items()}
        return {"minted": minted, "refused": dict.fromkeys(_STATUSES, 0) | refused}

    def _prove(self, endpoint: Endpoint, asked: Asked, client: str) -> Key:
        proof = endpoint.proof(asked)
        key = None if proof is None else self.keys.find(proof)
        if key is None:
            wait = self._failures.take(source(client), self._clock())
            if wait:
                raise Refusal(429, "too many requests without a valid key", wait)
            raise Refusal(401, "there is no valid key in the request" if proof is None else "the key isn't valid")
        return key

    def _mint(self, key: Key, endpoint: Endpoint, asked: Asked, origin: str) -> Minted:
        if not key.allows_format(endpoint.format):
            raise Refusal(403, f"the key isn't good for the format {endpoint.format}")
        if origin and key.origins and not key.allows_origin(origin):
            raise Refusal(403, "the key isn't good for pages of this origin")
        wish = endpoint.wish(asked)
        ttl = _bounded(key, wish.ttl, endpoint.says_ttl)
        shared = self.settings.items("secret")
        if not shared:
            raise Refusal(503, "the relay has no shared secret to mint from")
        if not self.urls:
            raise Refusal(503, "the relay's addresses aren't known now")
        wait = self._rates.take(key.id, key.per_minute, self._clock())
        if wait:
            raise Refusal(429, f"more than {key.per_minute} credentials a minute", wait)
        login = ice.mint(str(shared[0]), _name(key, wish), ttl)
        return Minted(login.username, login.password, ttl, login.expires, login.expires - ttl, self.urls)


def log_to_stderr() -> None:
    """Have the log written, by a process that begins to serve."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    LOG.propagate = False


def _bounded(key: Key, wanted: int | None, says_ttl: bool) -> int:
    """Return how long a credential lasts; see the rule of edgeturn/tokens/endpoint.py."""
    if wanted is None:
        return key.ttl
    if wanted > key.max_ttl and not says_ttl:
        raise Refusal(400, f"credentials of this key last {key.max_ttl} seconds at most")
    return min(max(wanted, key.min_ttl), key.max_ttl)


def _name(key: Key, wish: Wish) -> str:
    """Return what quotas count by: the key, and behind it the user or a random word, unless all share one quota."""
    return key.name if key.shared_quota else f"{key.name}/{wish.user or secrets.token_hex(4)}"
