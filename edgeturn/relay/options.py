"""The table of options: parser, defaults, validation, `edgeturn config` and the reference all read it.

A new option is a new row. A kind turns text into a value and raises ValueError with what it wants.
"""

from edgeturn.protocol import address
from edgeturn.protocol.limits import MOST_ALLOCATIONS, Limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_PORT = 3478
TLS_PORT = 5349
HTTPS_PORT = 443
_LARGEST = 1 << 30
_TRUE = ("1", "on", "yes", "true", "enabled")
_FALSE = ("0", "off", "no", "false", "disabled")
_MULTIPLES = {"k": 1 << 10, "M": 1 << 20, "G": 1 << 30}
LEVELS = ("error", "warning", "info", "debug")
LOG_TARGETS = ("stderr", "syslog")
KERNEL_HOOKS = ("auto", "tc", "xdp", "off")
GRO_CHOICES = ("keep", "off")


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
            ("relay", "listen", place(DEFAULT_PORT), None, _RESTART, _MANY,
             "Address and port for clients; every address, port 3478, if none is given."),
            ("relay", "relay_address", ip, None, _RESTART, _MANY,
             "Address that peers see; found by the default routes if none is given."),
            ("relay", "external_address", external, None, _RESTART, _MANY,
             "Address to announce where a one-to-one NAT stands in front: auto, ANNOUNCED or RELAY=ANNOUNCED."),
            ("relay", "relay_ports", port_range, "49152-65535", _RESTART, _ONE,
             "Ports of relayed addresses; keep it larger than max_allocations."),
            ("relay", "secret", text, None, _LIVE, _MANY,
             "Shared secret for time-limited credentials; several while one is rotated."),
            ("relay", "user_quota", number(0, 65535), str(_D.user_quota), _LIVE, _ONE,
             "Allocations of one user at a time; 0 is unlimited."),
            ("relay", "max_allocations", number(1, MOST_ALLOCATIONS), str(_D.max_allocations), _RESTART, _ONE,
             "Allocations in all; their memory and sockets are taken at start."),
            ("relay", "max_permissions", number(1, 256), str(_D.max_permissions), _RESTART, _ONE,
             "Permissions of an allocation."),
            ("relay", "max_channels", number(1, 256), str(_D.max_channels), _RESTART, _ONE,
             "Channels of an allocation."),
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
            ("relay", "wide_channels", boolean, "0", _LIVE, _ONE,
             "1 admits channel numbers up to 0x7FFF, for clients of RFC 5766."),
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
            ("relay", "log", choice(LOG_TARGETS), "stderr", _RESTART, _ONE,
             "Where log lines go: stderr or syslog."),
            ("relay", "log_level", choice(LEVELS), "info", _LIVE, _ONE,
             "error, warning, info or debug."),
            ("user", "password", text, None, _LIVE, _ONE,
             "Password of the user that the section is named after."),
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
