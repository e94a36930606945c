"""Who may be a peer: a relay on a router must not be a door into the network behind it.

Rule 1: an address is judged in every form that it embeds (IPv4-mapped, IPv4-compatible, NAT64, 6to4, Teredo):
        one denied form denies it.
Rule 2: the first that applies: our own relayed addresses that live are allowed, `deny_peer` denies, what nobody can
        open (SEALED) is denied, an address of this machine is denied unless `allow_peer` names just it,
        `allow_peer` allows, a subnet that this machine is connected to, a special-use range and IPv6 outside
        2000::/3 are denied.
Rule 3: prefixes are compared as integers.

The answer is the name of the rule that denies, or None.
Source: IANA IPv4 and IPv6 Special-Purpose Address Registries, RFC 8656 §21.4.
"""

from edgeturn.protocol.address import IPV4_SIZE, PORT_SIZE, format_ip, parse_prefix

# RFC 8656 §21.4: a server MUST NOT accept 6to4 or Teredo addresses. The others have no single host behind them.
SEALED = (
    ("0.0.0.0/8", "this network"),
    ("224.0.0.0/4", "multicast"),
    ("255.255.255.255/32", "broadcast"),
    ("::/128", "unspecified"),
    ("::ffff:0:0/96", "IPv4-mapped"),
    ("2001::/32", "Teredo"),
    ("2002::/16", "6to4"),
    ("ff00::/8", "multicast"),
)

SPECIAL_USE = (
    ("10.0.0.0/8", "private use"),
    ("100.64.0.0/10", "carrier-grade NAT"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link local"),
    ("172.16.0.0/12", "private use"),
    ("192.0.0.0/24", "IETF protocol assignments"),
    ("192.0.2.0/24", "documentation"),
    ("192.31.196.0/24", "AS112"),
    ("192.52.193.0/24", "AMT"),
    ("192.88.99.0/24", "6to4 relay anycast"),
    ("192.168.0.0/16", "private use"),
    ("192.175.48.0/24", "AS112"),
    ("198.18.0.0/15", "benchmarking"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("240.0.0.0/4", "reserved"),
    ("::1/128", "loopback"),
    ("::/96", "IPv4-compatible"),
    ("64:ff9b:1::/48", "local-use NAT64"),
    ("100::/64", "discard only"),
    ("100:0:0:1::/64", "dummy prefix"),
    ("2001::/23", "IETF protocol assignments"),
    ("2001:db8::/32", "documentation"),
    ("2620:4f:8000::/48", "AS112"),
    ("3fff::/20", "documentation"),
    ("5f00::/16", "segment routing"),
    ("fc00::/7", "unique local"),
    ("fe80::/10", "link local"),
    ("fec0::/10", "site local"),
)

_NAT64 = b"\x00\x64\xff\x9b" + bytes(8)
_NAT64_LOCAL = b"\x00\x64\xff\x9b\x00\x01"
_MAPPED = bytes(10) + b"\xff\xff"
_COMPATIBLE = bytes(12)
_6TO4 = b"\x20\x02"
_TEREDO = b"\x20\x01\x00\x00"
_IPV4_BITS = 0xFFFFFFFF


def embedded(ip: bytes) -> list[bytes]:
    """Return the IPv4 addresses that an IPv6 address carries inside it."""
    if len(ip) == IPV4_SIZE:
        return []
    if ip[:12] == _MAPPED or ip[:12] == _NAT64 or ip[:6] == _NAT64_LOCAL:
        return [ip[12:]]
    if ip[:12] == _COMPATIBLE:  # `::` and `::1` look like it and are none
        return [] if ip[:15] == bytes(15) and ip[15] < 2 else [ip[12:]]
    if ip[:2] == _6TO4:
        return [ip[2:6]]
    if ip[:4] == _TEREDO:  # RFC 4380 §4: the server, and the client with all its bits inverted
        client = int.from_bytes(ip[12:], "big") ^ _IPV4_BITS
        return [ip[4:8], client.to_bytes(IPV4_SIZE, "big")]
    return []


class Prefixes:
    """A list of prefixes, each with the name of its rule, that finds the one an address is in."""

    def __init__(self) -> None:
        """Begin with no prefix."""
        self._rows: dict[int, list[tuple[int, int, str]]] = {}

    def add(self, prefix: tuple[bytes, int], name: str) -> None:
        """Add a prefix given as first address and length."""
        ip, length = prefix
        host_bits = 8 * len(ip) - length
        self._rows.setdefault(len(ip), []).append((host_bits, int.from_bytes(ip, "big") >> host_bits, name))

    def find(self, ip: bytes) -> "str | None":
        """Return the name of the first prefix that holds an IP address."""
        value = int.from_bytes(ip, "big")
        for host_bits, network, name in self._rows.get(len(ip), ()):
            if value >> host_bits == network:
                return name
        return None


def _table(rows: tuple[tuple[str, str], ...]) -> Prefixes:
    table = Prefixes()
    for text, name in rows:
        table.add(parse_prefix(text), name)
    return table


def _outside_unicast(ip: bytes) -> "str | None":
    """Name what isn't handed out to anybody: IPv6 but for 2000::/3 and the well-known prefix of NAT64."""
    if len(ip) == IPV4_SIZE or ip[0] >> 5 == 1 or ip[:12] == _NAT64:
        return None
    return "not global unicast"


class Peers:
    """The policy: deny by default, open by name."""

    def __init__(self, allow: "list[str] | tuple[str, ...]" = (), deny: "list[str] | tuple[str, ...]" = ()) -> None:
        """Take prefixes in text; ValueError where one is none."""
        self._sealed = _table(SEALED)
        self._special = _table(SPECIAL_USE)
        self._allow = _table(tuple((text, "allow_peer " + text) for text in allow))
        self._deny = _table(tuple((text, "deny_peer " + text) for text in deny))
        self._allowed_hosts = {ip for ip, length in map(parse_prefix, allow) if length == 8 * len(ip)}
        self._subnets = Prefixes()
        self._own_ips: set[bytes] = set()
        self._relay_ips: set[bytes] = set()

    def set_local(self, addresses: list[bytes], subnets: list[tuple[bytes, int]]) -> None:
        """Take the IP addresses of this machine and the subnets that it is connected to."""
        self._own_ips = set(addresses)
        self._subnets = Prefixes()
        for ip, length in subnets:
            self._subnets.add((ip, length), "connected subnet " + format_ip(ip) + "/" + str(length))

    def set_relays(self, ips: "set[bytes]") -> None:
        """Take the IP addresses on which relayed transport addresses of ours live, bound and announced ones."""
        self._relay_ips = ips

    def is_relay(self, ip: bytes) -> bool:
        """Say whether relayed transport addresses of ours live on an IP address."""
        return ip in self._relay_ips

    def is_tunnelled(self, ip: bytes) -> bool:
        """Say whether an IP address is of 6to4 or Teredo: not accepted from clients either (RFC 8656 §21.4)."""
        return self._sealed.find(ip) in ("6to4", "Teredo")

    def denies(self, ip: bytes) -> "str | None":
        """Return the rule that forbids an IP address as a peer, for permissions."""
        if ip in self._relay_ips:
            return self._deny.find(ip)
        return self._denies_every_form(ip)

    def denies_transport(self, address: bytes, relayed: "dict[bytes, int]") -> "str | None":
        """Return the rule that forbids port||ip as a peer; on our own addresses only live relayed ports are open."""
        ip = address[PORT_SIZE:]
        if ip not in self._relay_ips:
            return self._denies_every_form(ip)
        if address in relayed:
            return self._deny.find(ip)
        return self._denies_every_form(ip)

    def _denies_every_form(self, ip: bytes) -> "str | None":
        rule = self._denies_form(ip)
        for form in embedded(ip):
            rule = rule or self._denies_form(form)
        return rule

    def _denies_form(self, ip: bytes) -> "str | None":
        rule = self._deny.find(ip) or self._sealed.find(ip)
        if rule is not None or ip in self._allowed_hosts:
            return rule
        if ip in self._own_ips or ip in self._relay_ips:  # an announced address leads to this machine too
            return "this machine"
        if self._allow.find(ip) is not None:
            return None
        return self._subnets.find(ip) or self._special.find(ip) or _outside_unicast(ip)
