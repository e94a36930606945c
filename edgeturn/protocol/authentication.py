"""The long-term credential mechanism, RFC 8489 §9.2.4, its checks in its order.

Rule 1: no integrity attribute: 401. One of username, realm and nonce missing: 400. Algorithms bid down: 400.
Rule 2: an unknown user and a wrong password are the same 401 after the same work; the comparison takes constant time.
Rule 3: where keys for tokens are configured, ACCESS-TOKEN stands for the password (RFC 7635 §7); later requests on the
        same 5-tuple may leave it out.
Rule 4: only then the nonce: 438 if it isn't one of ours for this client, or too old.
"""

from edgeturn.protocol import stun
from edgeturn.protocol.credentials import MD5, SHA256, Credentials, account_of
from edgeturn.protocol.limits import USERNAME_SIZE
from edgeturn.protocol.nonce import PASSWORD_ALGORITHMS_BIT, USERNAME_ANONYMITY_BIT, Nonces, features_of

# PASSWORD-ALGORITHMS (§14.11) by the algorithm that comes first: number and no parameters, the preferred one first.
_LISTS = {SHA256: b"\0\x02\0\0\0\x01\0\0", MD5: b"\0\x01\0\0"}


class Identity:
    """Who a request comes from, and how its answer is signed; ends: of an access token, in seconds of our clock."""

    def __init__(
        self, user: bytes, key: bytes, algorithm: int, integrity: int, account: bytes = b"", ends: int = 0
    ) -> None:
        """Take the username, its key and algorithm, the integrity attribute of the answer, and of a token the rest."""
        self.user = user
        self.key = key
        self.algorithm = algorithm
        self.integrity = integrity
        self.account = account or account_of(user)
        self.ends = ends


class Authenticator:
    """Checks requests against the credentials; wall_offset is what turns the relay's clock into Unix time."""

    def __init__(self, credentials: Credentials, nonces: Nonces) -> None:
        """Take the credentials and the nonces."""
        self.nonces = nonces
        self.wall_offset = 0
        self.use(credentials)

    def use(self, credentials: Credentials) -> None:
        """Take other credentials from now on."""
        self._credentials = credentials
        self._offered = _LISTS[credentials.algorithms()[0]]
        self._features = PASSWORD_ALGORITHMS_BIT
        if credentials.hides_usernames():
            self._features |= USERNAME_ANONYMITY_BIT

    def challenge(self, code: int, source: bytes, now: int, detail: str) -> stun.Reject:
        """Return the 401 or 438 that lets the client at port||ip try again."""
        nonce = self.nonces.mint(source, self._features, self._offered, now)
        attributes = [
            (stun.REALM, self._credentials.realm),
            (stun.NONCE, nonce),
            (stun.PASSWORD_ALGORITHMS, self._offered),
        ]
        if self._credentials.tokens.are_taken():
            attributes.append((stun.THIRD_PARTY_AUTHORIZATION, self._credentials.tokens.server))
        return stun.Reject(code, detail, attributes)

    def has_valid_nonce(self, message: stun.Message, source: bytes, now: int) -> bool:
        """Say whether the sender has read an answer of ours at its address, so that the address isn't forged."""
        return self._is_valid(message.attributes.get(stun.NONCE, b""), source, now)

    def identify(self, message: stun.Message, source: bytes, now: int, known: "Identity | None") -> Identity:
        """Return who sent a request; Reject where the checks fail.

        known: the identity that this client proved before; its key serves without another derivation.
        """
        attributes = message.attributes
        if stun.MESSAGE_INTEGRITY not in attributes and stun.MESSAGE_INTEGRITY_SHA256 not in attributes:
            raise self.challenge(401, source, now, "")
        nonce = attributes.get(stun.NONCE)
        if nonce is None or stun.REALM not in attributes:
            raise stun.Reject(400, "no realm or nonce")
        identity = self._bearer(message, now, known) or self._user(message, nonce, source, now, known)
        if identity is None or attributes[stun.REALM] != self._credentials.realm:
            raise self.challenge(401, source, now, "unknown user, wrong password or expired credential")
        if not self._is_valid(nonce, source, now):
            raise self.challenge(438, source, now, "")
        return identity

    def _bearer(self, message: stun.Message, now: int, known: "Identity | None") -> "Identity | None":
        """Return who brings a token, or brought it on the same 5-tuple before (RFC 7635 §7)."""
        kid, value = message.attributes.get(stun.USERNAME, b""), message.attributes.get(stun.ACCESS_TOKEN)
        if value is not None:
            token = self._credentials.tokens.read(kid, value, now + self.wall_offset)
            if token is None:
                return None
            keys, account, ends = token.keys(), token.account(kid), token.ends - self.wall_offset
        elif known is not None and known.user == kid and known.ends > now:
            keys, account, ends = [known.key], known.account, known.ends
        else:
            return None
        made_with = _integrity_of(message)
        for key in keys:
            if message.integrity_holds(made_with, key):
                return Identity(kid, key, 0, made_with, account, ends)
        return None

    def _user(
        self, message: stun.Message, nonce: bytes, source: bytes, now: int, known: "Identity | None"
    ) -> "Identity | None":
        """Return who knows a password."""
        name = self._name(message)
        algorithm, defaulted = self._algorithm(message, nonce, source)
        answer = stun.MESSAGE_INTEGRITY if defaulted else stun.MESSAGE_INTEGRITY_SHA256
        key = self._proven_key(message, name, algorithm, now, known)
        return None if key is None else Identity(name, key, algorithm, answer)

    def _name(self, message: stun.Message) -> bytes:
        """Return the username, looked up where only its hash was sent (§9.2.4)."""
        name = message.attributes.get(stun.USERNAME)
        if name is not None and len(name) <= USERNAME_SIZE:
            return name
        hashed = message.get(stun.USERHASH, 32)
        if hashed is None:
            raise stun.Reject(400, "no username")
        return self._credentials.name_of(hashed)

    def _is_valid(self, nonce: bytes, source: bytes, now: int) -> bool:
        """Say whether a nonce is one that the client would get now, and not too old."""
        return self.nonces.is_ours(nonce, source, self._offered) and self.nonces.is_fresh(nonce, now)

    def _algorithm(self, message: stun.Message, nonce: bytes, source: bytes) -> "tuple[int, bool]":
        """Return the password algorithm and whether it is MD5 for want of a choice (§9.2.4, third point).

        The list must be the one that was sent with the nonce, which need not be the one that is offered now.
        """
        listed = message.attributes.get(stun.PASSWORD_ALGORITHMS)
        chosen = message.attributes.get(stun.PASSWORD_ALGORITHM)
        if not features_of(nonce) & PASSWORD_ALGORITHMS_BIT or (listed is None and chosen is None):
            return MD5, True
        changed = any(sent != listed and self.nonces.is_ours(nonce, source, sent) for sent in _LISTS.values())
        if listed is None or chosen is None or changed or listed not in _LISTS.values() or chosen[2:] != bytes(2):
            raise stun.Reject(400, "password algorithms were changed on the way")
        for at in range(0, len(listed), 4):
            if listed[at : at + 2] == chosen[:2]:
                return int.from_bytes(chosen[:2], "big"), False
        raise stun.Reject(400, "password algorithm that was not offered")

    def _proven_key(
        self, message: stun.Message, name: bytes, algorithm: int, now: int, known: "Identity | None"
    ) -> "bytes | None":
        """Return the key that the message was made with, None where it's none of the name's."""
        attribute = _integrity_of(message)
        if known is not None and (known.user, known.algorithm) != (name, algorithm):
            known = None
        if known is not None and message.integrity_holds(attribute, known.key):
            return known.key
        proven = None
        for key, counts in self._credentials.keys(name, algorithm, now + self.wall_offset):
            if message.integrity_holds(attribute, key) and counts:
                proven = key
        return proven


def _integrity_of(message: stun.Message) -> int:
    """Return the integrity attribute that counts."""
    if stun.MESSAGE_INTEGRITY_SHA256 in message.attributes:
        return stun.MESSAGE_INTEGRITY_SHA256
    return stun.MESSAGE_INTEGRITY
