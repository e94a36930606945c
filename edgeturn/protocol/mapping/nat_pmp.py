"""The codec of NAT-PMP, the NAT Port Mapping Protocol (RFC 6886).

    address      request  | 0 | 0 |                               answer | 0 | 128 | result | epoch | external IPv4 |
    mapping      request  | 0 | 1 UDP, 2 TCP | reserved (2) | internal | external | lifetime (4) |
                  answer  | 0 | 128 + 1, 2 | result (2) | epoch (4) | internal | external | lifetime (4) |

Rule 1: what is no whole answer of version 0 is none.
"""

from struct import pack, unpack_from

from edgeturn.protocol.mapping.gateway import BUSY, FORBIDDEN, GRANTED, TCP, UDP, UNSUPPORTED, Answer, Wish

_OPCODES = {UDP: 1, TCP: 2}
_PROTOCOLS = {0: 0, 1: UDP, 2: TCP}
_RESPONSE = 128
_SIZES = {0: 12, 1: 16, 2: 16}
_SHORTEST = 8

# §3.5: unsupported version, not authorized, network failure, out of resources, unsupported opcode.
_MEANINGS = {0: GRANTED, 1: UNSUPPORTED, 2: FORBIDDEN, 3: BUSY, 4: BUSY, 5: UNSUPPORTED}


def encode_address() -> bytes:
    """Return the question for the external address (§3.2)."""
    return bytes(2)


def encode_map(own: bytes, wish: Wish, lifetime: int) -> bytes:
    """Return the request for a mapping; a lifetime of 0 withdraws it (§3.3, §3.4)."""
    external = wish.external if lifetime else 0
    return pack("!BBHHHI", 0, _OPCODES[wish.protocol], 0, wish.port, external, lifetime)


def decode(data: bytes) -> "Answer | None":
    """Return an answer, None where it's none; one that refuses may end behind its result and epoch."""
    if len(data) < _SHORTEST or data[0] != 0 or data[1] & ~_RESPONSE not in _PROTOCOLS or not data[1] & _RESPONSE:
        return None
    opcode = data[1] & ~_RESPONSE
    code, epoch = unpack_from("!HI", data, 2)
    answer = Answer(_MEANINGS.get(code, BUSY), code, epoch)
    answer.protocol = _PROTOCOLS[opcode]
    if len(data) < _SIZES[opcode]:
        return None if answer.meaning == GRANTED else answer
    if answer.protocol:
        answer.port, answer.external, answer.lifetime = unpack_from("!HHI", data, 8)
    else:
        answer.ip = data[8:12]
    return answer
