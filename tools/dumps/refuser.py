"""
A TURN server that gives no relayed address: it challenges, and answers who has a right credential by one error code.

    python -m tools.dumps.refuser HOST PORT CODE REALM SECRET USER PASSWORD

Rule 1: it is there for the codes that edgeturn has no reason to give a browser, so that a real browser's word is kept.
Rule 2: Binding works, as at any server; what is refused is signed, by the credential that it names.
"""

import base64
import hmac
import os
import socket
import sys
from dataclasses import dataclass

from edgeturn.protocol import address, stun
from edgeturn.protocol.credentials import MD5, long_term_key

_NONCE = b"one-of-the-refusers"
_CHALLENGE, _TRY_ALTERNATE = 401, 300
_ELSEWHERE = "203.0.113.99"  # where nobody is


@dataclass(frozen=True)
class Logins:
    """Who is right: a user with a password, and everybody with a credential that was made with the secret."""

    realm: bytes
    secret: bytes
    user: bytes
    password: bytes

    def key(self, user: bytes) -> bytes:
        """Return the key of a user name."""
        made = base64.b64encode(hmac.digest(self.secret, user, "sha1"))
        return long_term_key(MD5, user, self.realm, self.password if user == self.user else made)


def answer(data: bytes, source: tuple[str, int], code: int, logins: Logins) -> bytes | None:
    """Return what is answered to a datagram."""
    message = stun.Message(data)
    if message.message_class != stun.REQUEST:
        return None
    if message.method == stun.BINDING:
        place = address.join(address.parse_ip(source[0]), source[1])
        mapped = (stun.XOR_MAPPED_ADDRESS, stun.encode_xor_address(place, message.transaction))
        return stun.encode(stun.BINDING | stun.SUCCESS, message.transaction, [mapped], fingerprint=True)
    kind = message.method | stun.ERROR
    login = [(stun.REALM, logins.realm), (stun.NONCE, _NONCE + os.urandom(4).hex().encode())]
    user = message.attributes.get(stun.USERNAME)
    if user is None:
        return stun.encode(kind, message.transaction, [(stun.ERROR_CODE, stun.encode_error(_CHALLENGE)), *login])
    rows = [(stun.ERROR_CODE, stun.encode_error(code)), *login * (code in (_CHALLENGE, 438))]
    if code == _TRY_ALTERNATE:
        rows.append((stun.ALTERNATE_SERVER, stun.encode_address(address.join(address.parse_ip(_ELSEWHERE), 3478))))
    return stun.encode(kind, message.transaction, rows, stun.MESSAGE_INTEGRITY, logins.key(user))


def main() -> None:
    """Serve until it is ended."""
    host, port, code = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    logins = Logins(*(each.encode() for each in sys.argv[4:8]))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, port))
        while True:
            data, source = sock.recvfrom(2048)
            said = answer(data, source, code, logins)
            if said is not None:
                sock.sendto(said, source)


if __name__ == "__main__":
    main()
