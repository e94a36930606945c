"""Transport addresses are bytes, port||ip.

Rule 1: inside edgeturn an address is 6 bytes (IPv4) or 18 bytes (IPv6): the port in network order, then the IP address.
Rule 2: the same bytes are the key of every table, the value that STUN masks, and later the kernel's flow key.
Rule 3: text exists only in configuration, on the command line and in log lines; this file is the only way across.
"""

IPV4 = 0x01  # RFC 8489 §14.1, the family numbers of STUN
IPV6 = 0x02
IPV4_SIZE = 4
IPV6_SIZE = 16
PORT_SIZE = 2


def family(ip: bytes) -> int:
    """Return the STUN family number of an IP address of 4 or 16 bytes."""
    return IPV4 if len(ip) == IPV4_SIZE else IPV6


def join(ip: bytes, port: int) -> bytes:
    """Return port||ip."""
    return port.to_bytes(PORT_SIZE, "big") + ip


def port_of(address: bytes) -> int:
    """Return the port of port||ip."""
    return address[0] << 8 | address[1]


def ip_of(address: bytes) -> bytes:
    """Return the IP address of port||ip, 4 or 16 bytes."""
    return address[PORT_SIZE:]


def parse_ip(text: str) -> bytes:
    """Return an IP address in text as 4 or 16 bytes; ValueError where it is none."""
    if ":" in text:
        return _parse_ipv6(text)
    parts = text.split(".")
    if len(parts) != IPV4_SIZE:
        raise ValueError("not an IP address: " + text)
    return bytes([_number(part, 10, 255, text) for part in parts])


def _number(part: str, base: int, highest: int, text: str) -> int:
    """Return a plain number without sign, space or underscore; int() alone would admit those."""
    digits = "0123456789abcdef"[:base]
    if not part or len(part) > 4 or any(digit not in digits for digit in part.lower()):
        raise ValueError("not an IP address: " + text)
    value = int(part, base)
    if value > highest or (base == 10 and len(part) > 1 and part[0] == "0"):
        raise ValueError("not an IP address: " + text)
    return value


def _parse_ipv6(text: str) -> bytes:
    head, gap, tail = text.partition("::")
    if "::" in tail:
        raise ValueError("not an IP address: " + text)
    if gap and "." in head:  # an IPv4 address ends the text
        raise ValueError("not an IP address: " + text)
    left, right = _groups(head, text), _groups(tail, text)
    missing = IPV6_SIZE - len(left) - len(right)
    if missing < 0 or (missing == 0) == bool(gap):
        raise ValueError("not an IP address: " + text)
    return left + bytes(missing) + right


def _groups(text: str, whole: str) -> bytes:
    """Return the groups of one side of a `::`, an IPv4 address at the end included."""
    if not text:
        return b""
    groups = b""
    parts = text.split(":")
    for index, part in enumerate(parts):
        if "." in part and index == len(parts) - 1:
            groups += parse_ip(part)
        else:
            groups += _number(part, 16, 0xFFFF, whole).to_bytes(2, "big")
    return groups


def format_ip(ip: bytes) -> str:
    """Return an IP address as text, IPv6 by RFC 5952."""
    if len(ip) == IPV4_SIZE:
        return ".".join([str(byte) for byte in ip])
    groups = [ip[at] << 8 | ip[at + 1] for at in range(0, IPV6_SIZE, 2)]
    start, length = _longest_zeros(groups)
    if length < 2:
        return ":".join([f"{group:x}" for group in groups])
    left = ":".join([f"{group:x}" for group in groups[:start]])
    right = ":".join([f"{group:x}" for group in groups[start + length :]])
    return left + "::" + right


def _longest_zeros(groups: list[int]) -> tuple[int, int]:
    """Return start and length of the first longest run of zero groups."""
    best = (0, 0)
    start = 0
    while start < len(groups):
        end = start
        while end < len(groups) and groups[end] == 0:
            end += 1
        if end - start > best[1]:
            best = (start, end - start)
        start = end + 1
    return best


def parse(text: str, port: int = 0) -> bytes:
    """Return `ip`, `ip:port` or `[ip]:port` as port||ip; ValueError where it is none of them."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError("not an address: " + text)
        return join(parse_ip(host), parse_port(rest[1:]) if rest else port)
    if text.count(":") == 1:
        host, _, number = text.partition(":")
        return join(parse_ip(host), parse_port(number))
    return join(parse_ip(text), port)


def parse_port(text: str) -> int:
    """Return a port number, 0 to 65535; ValueError where it is none."""
    if not text or len(text) > 5 or any(digit not in "0123456789" for digit in text) or int(text) > 0xFFFF:
        raise ValueError("not a port: " + text)
    return int(text)


def format(address: bytes) -> str:
    """Return port||ip as `ip:port` or `[ip]:port`."""
    text = format_ip(ip_of(address))
    if len(address) > IPV4_SIZE + PORT_SIZE:
        text = "[" + text + "]"
    return text + ":" + str(port_of(address))


def parse_prefix(text: str) -> tuple[bytes, int]:
    """Return `ip` or `ip/length` as its first address and length; ValueError where bits stand behind the length."""
    host, slash, bits = text.partition("/")
    ip = parse_ip(host)
    length = parse_port(bits) if slash else 8 * len(ip)
    if length > 8 * len(ip):
        raise ValueError("not a prefix: " + text)
    if network(ip, length) != int.from_bytes(ip, "big"):
        raise ValueError("address bits behind the prefix length: " + text)
    return ip, length


def network(ip: bytes, length: int) -> int:
    """Return the first address of the prefix that an IP address is in, as an integer."""
    host_bits = 8 * len(ip) - length
    return int.from_bytes(ip, "big") >> host_bits << host_bits
