"""The codec of one DNS question and its answer (RFC 1035 §4), for the name of a STUN server.

Rule 1: an answer counts where it repeats number and question; who asked it of whom is for the socket to know.
Rule 2: names in answers aren't followed: any address record of the type asked for in the answer section counts,
        for a resolver puts the whole chain of aliases there.
"""

from struct import pack, unpack_from

from edgeturn.protocol.address import IPV4_SIZE, IPV6_SIZE

PORT = 53
_TYPES = {IPV4_SIZE: 1, IPV6_SIZE: 28}  # A, AAAA
_INTERNET = 1
_RECURSION_DESIRED = 0x0100
_HEADER_SIZE = 12
_MOST_RECORDS = 32
_POINTER = 0xC0


def is_name(text: str) -> bool:
    """Say whether a text is a host name: labels of letters, digits and hyphens, with a letter in the last one."""
    labels = text.split(".")
    good = [0 < len(label) < 64 and all(_is_letter(each) for each in label) for label in labels]
    return len(text) < 254 and all(good) and any(not "0" <= each <= "9" for each in labels[-1])


def _is_letter(each: str) -> bool:
    return "a" <= each <= "z" or "A" <= each <= "Z" or "0" <= each <= "9" or each in "-_"


def encode(number: int, name: str, ip_size: int) -> bytes:
    """Return the question for the addresses of a name, of so many bytes each."""
    labels = b"".join([bytes([len(label)]) + label.encode() for label in name.split(".")])
    header = pack("!HHHHHH", number, _RECURSION_DESIRED, 1, 0, 0, 0)
    return header + labels + pack("!BHH", 0, _TYPES[ip_size], _INTERNET)


def decode(data: bytes, question: bytes, ip_size: int) -> "list[bytes] | None":
    """Return the addresses in the answer to a question, none where it says that there are none; None for no answer."""
    end = len(question)
    if data[:2] != question[:2] or data[_HEADER_SIZE:end] != question[_HEADER_SIZE:] or not data[2] & 0x80:
        return None
    found: list[bytes] = []
    at = end
    for _ in range(min(unpack_from("!H", data, 6)[0], _MOST_RECORDS)):
        at = _skip_name(data, at)
        if at + 10 > len(data):
            break
        kind, record_class, _, size = unpack_from("!HHIH", data, at)
        at += 10 + size
        if (kind, record_class, size) == (_TYPES[ip_size], _INTERNET, ip_size) and at <= len(data):
            found.append(data[at - size : at])
    return found


def _skip_name(data: bytes, at: int) -> int:
    """Return what is behind a name."""
    while at < len(data) and data[at]:
        if data[at] & _POINTER:
            return at + 2
        at += 1 + data[at]
    return at + 1
