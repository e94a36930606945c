"""The codec of PCP, the Port Control Protocol (RFC 6887), as far as MAP goes.

     0                   1                   2                   3
    |  version = 2  |R|   opcode    |   reserved    |    result     |   request: reserved
    |                      lifetime, seconds                        |
    |      client's IP address (16)     |  answer: epoch (4), reserved (12)
    MAP |                  nonce (12)                               |
        |   protocol    |              reserved (3)                 |
        |         internal port         |         external port     |
        |                  external IP address (16)                 |

Rule 1: an IPv4 address is written as an IPv4-mapped one.
Rule 2: what is no whole answer of version 2 is none, but for an answer that speaks of another version (§9).
"""

from struct import pack, unpack_from

from edgeturn.protocol.mapping.gateway import BUSY, FORBIDDEN, GRANTED, UNSUPPORTED, Answer, Wish

PORT = 5351
_VERSION = 2
_MAP = 1
_RESPONSE = 0x80
_HEADER_SIZE = 24
_MAP_SIZE = 36
_LARGEST = 1100  # §7
_MAPPED = bytes(10) + b"\xff\xff"

# §7.4; what isn't here may pass: BUSY.
_UNSUPP_VERSION, _NOT_AUTHORIZED, _MALFORMED_REQUEST, _UNSUPP_OPCODE = 1, 2, 3, 4
_UNSUPP_PROTOCOL, _ADDRESS_MISMATCH = 9, 12
_MEANINGS = {
    0: GRANTED,
    _UNSUPP_VERSION: UNSUPPORTED,
    _NOT_AUTHORIZED: FORBIDDEN,
    _MALFORMED_REQUEST: UNSUPPORTED,
    _UNSUPP_OPCODE: UNSUPPORTED,
    _UNSUPP_PROTOCOL: FORBIDDEN,
    _ADDRESS_MISMATCH: UNSUPPORTED,
}


def encode_map(own: bytes, wish: Wish, lifetime: int) -> bytes:
    """Return the request for a mapping of an IPv4 address of ours; a lifetime of 0 withdraws it (§11.1, §15)."""
    outside = (wish.external, wish.ip) if lifetime else (0, bytes(4))
    return (
        pack("!BBHI", _VERSION, _MAP, 0, lifetime)
        + _MAPPED
        + own
        + wish.nonce
        + pack("!B3sHH", wish.protocol, bytes(3), wish.port, outside[0])
        + _MAPPED
        + outside[1]
    )


def decode(data: bytes) -> "Answer | None":
    """Return an answer to MAP, or one that says that another version is spoken; None for all else."""
    if len(data) >= 4 and data[0] != _VERSION and data[1] & _RESPONSE:
        return Answer(UNSUPPORTED, _UNSUPP_VERSION, -1)  # NAT-PMP: version 0, result 1 (RFC 6886 §3.5)
    if not _HEADER_SIZE <= len(data) <= _LARGEST or data[:2] != bytes([_VERSION, _RESPONSE | _MAP]):
        return None
    code, lifetime, epoch = unpack_from("!xxxBII", data)
    answer = Answer(_MEANINGS.get(code, BUSY), code, epoch)
    if len(data) < _HEADER_SIZE + _MAP_SIZE:
        return answer if answer.meaning == UNSUPPORTED else None
    answer.lifetime = lifetime
    answer.nonce = data[_HEADER_SIZE : _HEADER_SIZE + 12]
    answer.protocol, answer.port, answer.external = unpack_from("!BxxxHH", data, _HEADER_SIZE + 12)
    ip = data[_HEADER_SIZE + 20 : _HEADER_SIZE + _MAP_SIZE]
    answer.ip = ip[12:] if ip[:12] == _MAPPED else ip
    return answer
