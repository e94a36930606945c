"""API keys: who may ask for credentials, from the sections `api_key` of a configuration.

Rule 1: the file has SHA-256 of a key, never the key. A made key has 128 random bits, which no list of hashes tells.
Rule 2: a key is found by its hash, so that no comparison tells how much of a guess was right.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from edgeturn.relay.configuration import Configuration
from edgeturn.tokens.endpoint import Proof


@dataclass(frozen=True)
class Key:
    """A section `api_key`; ttls are seconds, formats and origins empty where all or none are meant."""

    name: str
    id: str
    token_sha256: str
    formats: tuple[str, ...] = ()
    ttl: int = 86400
    min_ttl: int = 60
    max_ttl: int = 86400
    per_minute: int = 600
    shared_quota: bool = False
    origins: tuple[str, ...] = ()

    def allows_format(self, name: str) -> bool:
        """Say whether it's good for a service's requests."""
        return not self.formats or name in self.formats

    def allows_origin(self, origin: str) -> bool:
        """Say whether pages of an origin may use it."""
        return "*" in self.origins or origin in self.origins


class Keys:
    """All keys of a configuration."""

    def __init__(self, settings: Configuration) -> None:
        """Take a configuration."""
        self.all = tuple(_key(name, values) for name, values in settings.api_keys)
        self._by_hash = {key.token_sha256: key for key in self.all}

    def find(self, proof: Proof) -> Key | None:
        """Return the key that somebody proves to have, where the id or name that goes with it is its own."""
        key = self._by_hash.get(token_hash(proof.key))
        if key is None or (proof.id is not None and proof.id not in (key.id, key.name)):
            return None
        return key

    def any_allows_origin(self, origin: str) -> bool:
        """Say whether pages of an origin may use some key: what is asked before a key is seen."""
        return any(key.allows_origin(origin) for key in self.all)


def token_hash(token: str) -> str:
    """Return SHA-256 of a key in hexadecimal digits."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


def _key(name: str, values: Mapping[str, object]) -> Key:
    return Key(
        name=name,
        id=_hex(values["id"]),
        token_sha256=_hex(values["token_sha256"]),
        formats=_texts(values["format"]),
        ttl=_number(values["ttl"]),
        min_ttl=_number(values["min_ttl"]),
        max_ttl=_number(values["max_ttl"]),
        per_minute=_number(values["per_minute"]),
        shared_quota=bool(values["shared_quota"]),
        origins=_texts(values["origin"]),
    )


def _hex(value: object) -> str:
    assert isinstance(value, bytes)
    return value.hex()


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value


def _texts(value: object) -> tuple[str, ...]:
    assert isinstance(value, list)
    return tuple(str(each) for each in value)
