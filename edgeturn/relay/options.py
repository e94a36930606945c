"""The table of options: parser, defaults, validation, `edgeturn config` and the reference all read it.

A new option is a new row. A kind turns text into a value and raises ValueError with what it wants.
"""

from edgeturn.protocol import address
from edgeturn.protocol.limits import MOST_ALLOCATIONS, Limits
from edgeturn.protocol.mapping import dns
from edgeturn.relay.tokens import ALGORITHMS, token_key, unix_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_PORT = 3478
TLS_PORT = 5349
HTTP_PORT = 80
HTTPS_PORT = 443
WEB_PORT = 8478
_LARGEST = 1 << 30
_LONGEST = 315360000  # seconds, ten years
_BY_UDP = "?transport=udp"
_TRUE = ("1", "on", "yes", "true", "enabled")
_FALSE = ("0", "off", "no", "false", "disabled")
_MULTIPLES = {"k": 1 << 10, "M": 1 << 20, "G": 1 << 30}
LEVELS = ("error", "warning", "info", "debug")
LOG_TARGETS = ("stderr", "syslog")
KERNEL_HOOKS = ("auto", "tc", "xdp", "off")
GRO_CHOICES = ("keep", "off")
MAPPING_CHOICES = ("auto", "pcp", "nat-pmp", "upnp", "off")
TOKEN_FORMATS = ("twilio", "xirsys", "cloudflare", "rest", "matrix")


def text(value: str) -> str:
    """Take any text but none."""
    if not value:
        raise ValueError("must not be empty")
    return value


def absolute(value: str) -> str:
    """Take a path that means the same wherever who reads it stands."""
    if value[:1] != "/":
        raise ValueError("must begin with /")
    return value


def realm(value: str) -> str:
    """Take a realm: RFC 8489 §14.9, fewer than 128 characters and no quotes."""
    if not 0 < len(value) < 128 or '"' in value:
        raise ValueError("must be 1 to 127 characters without quotation marks")
    return value


def number(least: int, most: int) -> "Callable[[str], int]":
    """Return the kind that takes whole numbers in bounds."""

    def take(value: str) -> int:
        digits = 0 < len(value) < 10 and all(digit in "0123456789" for digit in value)
        parsed = int(value) if digits else -1
        if parsed < least or parsed > most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return parsed

    return take


def size(value: str) -> int:
    """Take a number of bytes, with k, M or G behind it for 1024, 1024², 1024³."""
    multiple = _MULTIPLES.get(value[-1:], 1)
    digits = value if multiple == 1 else value[:-1]
    if not digits or any(digit not in "0123456789" for digit in digits) or int(digits) * multiple > _LARGEST:
        raise ValueError("must be a number of bytes up to 1G, such as 125000 or 2M")
    return int(digits) * multiple


def boolean(value: str) -> bool:
    """Take 1 or 0, and the other words that UCI knows for them."""
    if value not in _TRUE and value not in _FALSE:
        raise ValueError("must be 1 or 0")
    return value in _TRUE


def choice(words: "tuple[str, ...]") -> "Callable[[str], str]":
    """Return the kind that takes one of some words."""

    def take(value: str) -> str:
        if value not in words:
            raise ValueError("must be one of " + ", ".join(words))
        return value

    return take


def place(port: int) -> "Callable[[str], bytes]":
    """Return the kind that takes an address with or without port; listeners expand the wildcards 0.0.0.0 and ::."""

    def take(value: str) -> bytes:
        try:
            return address.parse(value, port)
        except ValueError:
            raise ValueError(f"must be an address such as 192.0.2.1:{port} or [2001:db8::1]:{port}")

    return take


def server(port: int) -> "Callable[[str], tuple[str, bytes]]":
    """Return the kind that takes a host name or an address, with or without port: the name with port||b"", or ""."""

    def take(value: str) -> "tuple[str, bytes]":
        name, colon, number = value.partition(":")
        try:
            if dns.is_name(name) and ":" not in number:  # an IPv6 address has more than one
                return name, address.join(b"", address.parse_port(number) if colon else port)
            return "", address.parse(value, port)
        except ValueError:
            raise ValueError(f"must be a name or an address such as stun.example.org or 192.0.2.1:{port}")

    return take


def uri(scheme: str, kind: "Callable[[str], object]") -> "Callable[[str], object]":
    """Return the kind that takes a server as another kind does, or as a URI with one scheme (RFC 7064, RFC 7065)."""

    def take(value: str) -> object:
        if value.lower().startswith(scheme + ":"):
            value = value[len(scheme) + 1 :]
            value = value[: -len(_BY_UDP)] if value.endswith(_BY_UDP) else value
        return kind(value)

    return take


def ice_uri(value: str) -> str:
    """Take what RTCPeerConnection takes (RFC 7064, RFC 7065)."""
    scheme, _, rest = value.partition(":")
    if scheme not in ("stun", "stuns", "turn", "turns") or not rest or " " in rest:
        raise ValueError("must be a URI such as turn:turn.example.org?transport=udp")
    return value


def ip(value: str) -> bytes:
    """Take an IP address."""
    try:
        return address.parse_ip(value)
    except ValueError:
        raise ValueError("must be an IP address")


def external(value: str) -> "tuple[bytes, bytes]":
    """Take ANNOUNCED or RELAY=ANNOUNCED, or auto for none; return both, the first empty where it isn't given."""
    bound, equals, announced = value.rpartition("=")
    if value == "auto":
        return b"", b""
    try:
        pair = (ip(bound) if equals else b"", ip(announced))
    except ValueError:
        raise ValueError("must be auto, an IP address, or RELAY=ANNOUNCED")
    if pair[0] and len(pair[0]) != len(pair[1]):
        raise ValueError("must name two addresses of one family")
    return pair


def prefix(value: str) -> str:
    """Take an IP address or a prefix; the text is kept, it is the rule's name."""
    try:
        address.parse_prefix(value)
    except ValueError:
        raise ValueError(
            "must be an address or a prefix such as 192.0.2.0/24, without address bits behind the prefix length"
        )
    return value


def port_range(value: str) -> "tuple[int, int]":
    """Take FIRST-LAST, both included."""
    first, dash, last = value.partition("-")
    try:
        bounds = (address.parse_port(first), address.parse_port(last))
    except ValueError:
        bounds = (0, 0)
    if not dash or bounds[0] < 1024 or bounds[0] > bounds[1]:
        raise ValueError("must be two ports from 1024 to 65535 such as 49152-65535")
    return bounds


def hex_key(digits: int) -> "Callable[[str], bytes]":
    """Return the kind that takes a key in hexadecimal digits."""

    def take(value: str) -> bytes:
        if len(value) != digits or any(digit not in "0123456789abcdef" for digit in value.lower()):
            raise ValueError(f"must be {digits} hexadecimal digits")
        return bytes([int(value[at : at + 2], 16) for at in range(0, digits, 2)])

    return take


class Option:
    """A row: section type, name, kind, default, whether a reload applies it, whether it's a list, what it is for."""

    def __init__(
        self,
        section: str,
        name: str,
        kind: "Callable[[str], object]",
        default: "str | None",
        live: bool,
        is_list: bool,
        about: str,
    ) -> None:
        """Take a row; default is the text that would be written, None where there's none."""
        self.section = section
        self.name = name
        self.kind = kind
        self.default = default
        self.live = live
        self.is_list = is_list
        self.about = about


_D = Limits()
_LIVE, _RESTART = True, False
_ONE, _MANY = False, True

OPTIONS = tuple(
    [
        Option(*row)
        for row in (
            ("relay", "realm", realm, "edgeturn", _LIVE, _ONE,
             "Domain of the credentials; short keeps answers small."),
            ("relay", "listen", place(DEFAULT_PORT), None, _LIVE, _MANY,
             "Address and port for clients; every address, port 3478, if none is given."),
            ("relay", "listen_tls", place(TLS_PORT), None, _RESTART, _MANY,
             "Address and port for TLS, beside all that listen serves; port 5349 of its addresses if none is given."),
            ("relay", "tcp", boolean, "1", _RESTART, _ONE,
             "0 listens on UDP only where `listen` says so."),
            ("relay", "certificate", absolute, None, _RESTART, _ONE,
             "File with the certificate for TLS and its chain, PEM; TLS and TCP share their ports."),
            ("relay", "key", absolute, None, _RESTART, _ONE,
             "File with the certificate's private key, PEM."),
            ("relay", "tls_names", text, None, _LIVE, _MANY,
             "Name that clients know the relay by, and that the certificate has to be for."),
            ("relay", "dtls", boolean, "0", _RESTART, _ONE,
             "1 serves DTLS at every UDP listener too, with the certificate for TLS."),
            ("relay", "max_dtls_sessions", number(1, 16384), "64", _RESTART, _ONE,
             "DTLS sessions in all; the oldest without an allocation gives way to one more."),
            ("relay", "max_connections", number(1, 16384), str(_D.max_connections), _RESTART, _ONE,
             "Connections over TCP and TLS in all; their memory is taken at start."),
            ("relay", "max_handshakes", number(1, 16384), "32", _LIVE, _ONE,
             "TLS handshakes under way at a time; the oldest gives way to one more."),
            ("relay", "stream_buffer", number(2048, 65536), str(_D.stream_buffer), _RESTART, _ONE,
             "Bytes of the largest message over TCP and TLS; a connection has them twice."),
            ("relay", "handshake_timeout", number(1, 3600), "10", _LIVE, _ONE,
             "Seconds a connection may take until its first whole message, TLS handshake included."),
            ("relay", "unauthenticated_timeout", number(1, 86400), "60", _LIVE, _ONE,
             "Seconds a connection may stay without an allocation."),
            ("relay", "idle_timeout", number(1, 86400), "3600", _LIVE, _ONE,
             "Seconds a connection with an allocation or to a backend may stay silent; keep it above max_lifetime."),
            ("relay", "stuck_timeout", number(1, 3600), "15", _LIVE, _ONE,
             "Seconds a connection may take to receive anything of what waits for it, or to end a message."),
            ("relay", "https_backend", place(HTTPS_PORT), None, _LIVE, _ONE,
             "Server to which TLS that isn't the relay's is handed, byte for byte: a web interface on the same port."),
            ("relay", "http_backend", place(HTTP_PORT), None, _LIVE, _ONE,
             "Server to which plain HTTP is handed; closed if none is given."),
            ("relay", "backend_from", prefix, None, _LIVE, _MANY,
             "Address or prefix whose connections are handed to a backend; everybody's if none is given."),
            ("relay", "backend_proxy_protocol", boolean, "0", _LIVE, _ONE,
             "1 tells backends who the client is, by a PROXY header of version 2, which they have to expect."),
            ("relay", "max_spliced", number(1, 8192), str(_D.max_spliced), _RESTART, _ONE,
             "Connections handed to backends at a time; at most half of max_connections, part of which they are."),
            ("relay", "proxy_from", prefix, None, _LIVE, _MANY,
             "Address or prefix of proxies in front, which begin each TCP connection with a PROXY header and have to."),
            ("relay", "relay_address", ip, None, _LIVE, _MANY,
             "Address that peers see; found by the default routes if none is given."),
            ("relay", "external_address", external, None, _LIVE, _MANY,
             "Address to announce where a NAT stands in front: ANNOUNCED, RELAY=ANNOUNCED, or auto to find it out."),
            ("relay", "stun_server", uri("stun", server(DEFAULT_PORT)), None, _LIVE, _MANY,
             "STUN server to ask for the external address, with external_address auto; a name or an IP address."),
            ("relay", "port_mapping", choice(MAPPING_CHOICES), "auto", _LIVE, _ONE,
             "How the router is asked to map ports, with external_address auto: auto, pcp, nat-pmp, upnp or off."),
            ("relay", "gateway", ip, None, _LIVE, _ONE,
             "Router that is asked to map ports; that of the default route if none is given."),
            ("relay", "address_grace", number(0, 86400), "300", _LIVE, _ONE,
             "Seconds that allocations and listeners stay when their address went away and no other took its place."),
            ("relay", "relay_ports", port_range, "49152-65535", _RESTART, _ONE,
             "Ports of relayed addresses; keep it larger than max_allocations."),
            ("relay", "secret", text, None, _LIVE, _MANY,
             "Shared secret for time-limited credentials; several while one is rotated."),
            ("relay", "ice_uri", ice_uri, None, _LIVE, _MANY,
             "STUN or TURN URI that applications are given; those of this relay if none is given."),
            ("relay", "forwarded_from", prefix, None, _LIVE, _MANY,
             "Address or prefix of HTTP proxies, whose X-Forwarded-For is believed."),
            ("relay", "oauth_server", text, None, _LIVE, _ONE,
             "Name of this relay for authorization servers, beside sections token_key; the realm if none is given."),
            ("relay", "user_quota", number(0, 65535), str(_D.user_quota), _LIVE, _ONE,
             "Allocations of one user at a time; 0 is unlimited."),
            ("relay", "max_allocations", number(1, MOST_ALLOCATIONS), str(_D.max_allocations), _RESTART, _ONE,
             "Allocations in all; their memory and sockets are taken at start."),
            ("relay", "max_permissions", number(1, 256), str(_D.max_permissions), _RESTART, _ONE,
             "Permissions of an allocation."),
            ("relay", "max_channels", number(1, 256), str(_D.max_channels), _RESTART, _ONE,
             "Channels of an allocation at most: it is sure of 2, and all share 4 an allocation."),
            ("relay", "tcp_relay", boolean, "0", _RESTART, _ONE,
             "1 relays TCP between clients and peers too, for clients that come over TCP or TLS (RFC 6062)."),
            ("relay", "max_peer_connections", number(1, 256), str(_D.max_peer_connections), _LIVE, _ONE,
             "TCP connections with peers of an allocation; half of them are for those that it makes itself."),
            ("relay", "max_tcp_peers", number(1, 16384), str(_D.max_tcp_peers), _RESTART, _ONE,
             "TCP connections with peers in all; a user has at most half of them, unless user_quota is 0."),
            ("relay", "peers_per_minute", number(0, 65535), str(_D.peers_per_minute), _LIVE, _ONE,
             "New peers of one user in a minute; 0 is unlimited."),
            ("relay", "bandwidth", size, "0", _LIVE, _ONE,
             "Bytes a second of an allocation, in each direction; 0 is unlimited, less than 1500 stops large packets."),
            ("relay", "user_bandwidth", size, "0", _LIVE, _ONE,
             "Bytes a second of all allocations of a user, in each direction; 0 is unlimited."),
            ("relay", "total_bandwidth", size, "0", _LIVE, _ONE,
             "Bytes a second in all, in each direction; 0 is unlimited."),
            ("relay", "unauthenticated_rate", number(0, 16383), str(_D.unauthenticated_rate), _LIVE, _ONE,
             "Requests a second without valid credentials of a source prefix (IPv4 /24, IPv6 /56); 0 is unlimited."),
            ("relay", "default_lifetime", number(60, 86400), str(_D.default_lifetime), _LIVE, _ONE,
             "Seconds an allocation lasts if the client asks for no more."),
            ("relay", "max_lifetime", number(60, 86400), str(_D.max_lifetime), _LIVE, _ONE,
             "Seconds an allocation lasts at most without a refresh."),
            ("relay", "nonce_lifetime", number(30, 86400), str(_D.nonce_lifetime), _LIVE, _ONE,
             "Seconds a nonce is valid."),
            ("relay", "discovery", boolean, "0", _LIVE, _ONE,
             "1 lets clients of this network find the relay at 192.0.0.10 and 2001:1::2 (RFC 8155)."),
            ("relay", "wide_channels", boolean, "0", _LIVE, _ONE,
             "1 admits channel numbers up to 0x7FFF, for clients of RFC 5766."),
            ("relay", "nat_discovery", boolean, "0", _LIVE, _ONE,
             "1 helps clients find out what NAT they are behind (RFC 5780, RFC 3489)."),
            ("relay", "alternate_address", ip, None, _LIVE, _MANY,
             "Second address for nat_discovery, one of each family; the second that listen names if none is given."),
            ("relay", "alternate_port", number(1, 65535), "3479", _LIVE, _ONE,
             "Second port for nat_discovery, on both addresses."),
            ("relay", "alternate_server", uri("turn", place(DEFAULT_PORT)), None, _LIVE, _MANY,
             "Another relay, to which clients are sent while this one is full or drains."),
            ("relay", "alternate_domain", text, None, _LIVE, _ONE,
             "Name in the certificate of the alternate servers, told to clients that came by TLS."),
            ("relay", "mobility", boolean, "1", _LIVE, _ONE,
             "0 gives no tickets by which clients resume their session from another address (RFC 8016)."),
            ("relay", "allow_peer", prefix, None, _LIVE, _MANY,
             "Address or prefix that is allowed as a peer although it's special or local."),
            ("relay", "deny_peer", prefix, None, _LIVE, _MANY,
             "Address or prefix that is never allowed as a peer."),
            ("relay", "kernel", choice(KERNEL_HOOKS), "auto", _RESTART, _ONE,
             "How the kernel carries media: auto, tc, xdp, or off for not at all."),
            ("relay", "kernel_pins", absolute, "/sys/fs/bpf/edgeturn", _RESTART, _ONE,
             "Folder in a BPF file system, where the kernel keeps what it carries by."),
            ("relay", "kernel_gro", choice(GRO_CHOICES), "keep", _RESTART, _ONE,
             "off takes GRO fraglists, which hide packets from tc, off the interfaces that are attached to."),
            ("relay", "control", text, "/run/edgeturn/control.sock", _RESTART, _ONE,
             "Unix socket for status, sessions, kick, drain and reload."),
            ("relay", "user", text, None, _RESTART, _ONE,
             "User to become once all sockets are open, where started as root."),
            ("relay", "web_listen", place(WEB_PORT), None, _LIVE, _MANY,
             "Address and port of the page for people and of metrics; there is none if none is given."),
            ("relay", "web_public", boolean, "0", _LIVE, _ONE,
             "1 allows addresses in web_listen that others than the local network may reach."),
            ("relay", "web_token", text, None, _LIVE, _ONE,
             "What people log in to the page with; `edgeturn web --make-token` makes it."),
            ("relay", "web_certificate", absolute, None, _LIVE, _ONE,
             "File with the page's certificate and its chain, PEM; that of the relay if none is given."),
            ("relay", "web_key", absolute, None, _LIVE, _ONE,
             "File with the private key of web_certificate, PEM."),
            ("relay", "log", choice(LOG_TARGETS), "stderr", _RESTART, _ONE,
             "Where log lines go: stderr or syslog."),
            ("relay", "log_level", choice(LEVELS), "info", _LIVE, _ONE,
             "error, warning, info or debug."),
            ("token_key", "name", text, None, _LIVE, _ONE,
             "Identifier of the key, where it can't be the section's name: UCI has letters, digits and _ there."),
            ("token_key", "key", token_key, None, _LIVE, _ONE,
             "Key that is shared with an authorization server (RFC 7635): 16 or 32 bytes, hexadecimal or base64."),
            ("token_key", "algorithm", choice(ALGORITHMS), ALGORITHMS[0], _LIVE, _ONE,
             "How tokens are sealed by it: A256GCM with 32 bytes, A128GCM with 16."),
            ("token_key", "not_before", unix_time, "0", _LIVE, _ONE,
             "Unix time from which the key counts."),
            ("token_key", "lifetime", number(0, 999999999), "0", _LIVE, _ONE,
             "Seconds the key counts from then on; 0 is for ever."),
            ("api_key", "name", text, None, _LIVE, _ONE,
             "Name of the key, where it can't be the section's name: UCI has letters, digits and _ there."),
            ("api_key", "id", hex_key(32), None, _LIVE, _ONE,
             "What its holder logs in with: 32 hexadecimal digits, behind AC where that's a Twilio account."),
            ("api_key", "token_sha256", hex_key(64), None, _LIVE, _ONE,
             "SHA-256 of the key itself, which only its holder has."),
            ("api_key", "format", choice(TOKEN_FORMATS), None, _LIVE, _MANY,
             "Service whose requests it is good for; all if none is given."),
            ("api_key", "ttl", number(1, _LONGEST), "86400", _LIVE, _ONE,
             "Seconds that its credentials last if no more and no less is asked for."),
            ("api_key", "min_ttl", number(1, _LONGEST), "60", _LIVE, _ONE,
             "Seconds that they last at least."),
            ("api_key", "max_ttl", number(1, _LONGEST), "86400", _LIVE, _ONE,
             "Seconds that they last at most."),
            ("api_key", "per_minute", number(0, 999999), "600", _LIVE, _ONE,
             "Credentials in a minute; 0 is unlimited."),
            ("api_key", "shared_quota", boolean, "0", _LIVE, _ONE,
             "1 counts all its credentials as one user for user_quota; 0 each by itself."),
            ("api_key", "origin", text, None, _LIVE, _MANY,
             "Origin of web pages that may use it, such as https://example.org; * is any."),
            ("user", "name", text, None, _LIVE, _ONE,
             "Name to log in with, where it can't be the section's name: UCI has letters, digits and _ there."),
            ("user", "password", text, None, _LIVE, _ONE,
             "Password of the user."),
            ("user", "key", hex_key(32), None, _LIVE, _ONE,
             "Instead of the password: MD5 of name:realm:password, in hexadecimal."),
            ("user", "key_sha256", hex_key(64), None, _LIVE, _ONE,
             "Beside key: SHA-256 of the same, for clients that know RFC 8489."),
        )
    ]
)  # fmt: skip


def find(section: str, name: str) -> "Option | None":
    """Return the row of an option."""
    for option in OPTIONS:
        if option.section == section and option.name == name:
            return option
    return None


def section_kinds() -> "list[str]":
    """Return the section types that there are."""
    kinds: list[str] = []
    for option in OPTIONS:
        if option.section not in kinds:
            kinds.append(option.section)
    return kinds
