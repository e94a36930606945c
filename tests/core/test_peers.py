"""Who may be a peer (RFC 8656 §10.2, §12.2, §11.2, §21.4): every special-use prefix, in every form, at every place.

The registries stand here once more, independent of the code: a prefix that is missing there is found here.
"""

from edgeturn.protocol.address import format_ip as as_text
from edgeturn.protocol.address import parse, parse_ip, parse_prefix
from edgeturn.protocol.peers import Peers
from tests.core.dialogue import PEER, Server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# https://www.iana.org/assignments/iana-ipv4-special-registry, and multicast.
IPV4_REGISTRY = (
    "0.0.0.0/8",
    "0.0.0.0/32",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.0.0/29",
    "192.0.0.8/32",
    "192.0.0.9/32",
    "192.0.0.10/32",
    "192.0.0.170/32",
    "192.0.0.171/32",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.88.99.2/32",
    "192.168.0.0/16",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "255.255.255.255/32",
)

# https://www.iana.org/assignments/iana-ipv6-special-registry, multicast, and two that RFC 4291 and RFC 3879 gave up.
# 64:ff9b::/96 stands below: its addresses are judged by the IPv4 address inside.
IPV6_REGISTRY = (
    "::/128",
    "::1/128",
    "::ffff:0:0/96",
    "64:ff9b:1::/48",
    "100::/64",
    "100:0:0:1::/64",
    "2001::/23",
    "2001::/32",
    "2001:1::1/128",
    "2001:1::2/128",
    "2001:1::3/128",
    "2001:2::/48",
    "2001:3::/32",
    "2001:4:112::/48",
    "2001:10::/28",
    "2001:20::/28",
    "2001:30::/28",
    "2001:db8::/32",
    "2002::/16",
    "2620:4f:8000::/48",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
    "::/96",
)

RANGES = [
    (8 * len(ip), int.from_bytes(ip, "big"), int.from_bytes(ip, "big") + (1 << (8 * len(ip) - length)) - 1)
    for ip, length in [parse_prefix(text) for text in IPV4_REGISTRY + IPV6_REGISTRY]
]


def is_special(bits: int, value: int) -> bool:
    """Say by the lists above whether an address of 32 or 128 bits is special."""
    if bits == 128 and value >> 32 == 0x0064FF9B << 64:
        return is_special(32, value & 0xFFFFFFFF)
    if bits == 128 and value >> 125 != 1:  # only 2000::/3 is handed out
        return True
    return any(size == bits and first <= value <= last for size, first, last in RANGES)


def walk(bits: int) -> "Iterator[int]":
    """Yield first address, last address and both neighbours of every range of a family, as integers."""
    for size, first, last in RANGES:
        if size == bits:
            yield first
            yield last
            if first > 0:
                yield first - 1
            if last < (1 << bits) - 1:
                yield last + 1


def ip_of(bits: int, value: int) -> bytes:
    return value.to_bytes(bits // 8, "big")


def mapped(ipv4: bytes) -> bytes:
    return bytes(10) + b"\xff\xff" + ipv4


def compatible(ipv4: bytes) -> bytes:
    return bytes(12) + ipv4


def nat64(ipv4: bytes) -> bytes:
    return parse_ip("64:ff9b::")[:12] + ipv4


def nat64_local(ipv4: bytes) -> bytes:
    return parse_ip("64:ff9b:1::")[:12] + ipv4


def six_to_four(ipv4: bytes) -> bytes:
    return b"\x20\x02" + ipv4 + bytes(9) + b"\x01"


def teredo_server(ipv4: bytes) -> bytes:
    return parse_ip("2001::")[:4] + ipv4 + bytes(4) + bytes([255 - byte for byte in parse_ip("8.8.8.8")])


def teredo_client(ipv4: bytes) -> bytes:
    return parse_ip("2001::")[:4] + parse_ip("8.8.8.8") + bytes(4) + bytes([255 - byte for byte in ipv4])


# embedding, whether allow_peer can open it
EMBEDDINGS: "tuple[tuple[Callable[[bytes], bytes], bool], ...]" = (
    (mapped, False),
    (compatible, True),
    (nat64, True),
    (nat64_local, True),
    (six_to_four, False),
    (teredo_server, False),
    (teredo_client, False),
)


def denies(peers: Peers, ip: bytes) -> bool:
    """Say whether a policy denies an IP address; permissions and transport addresses must agree."""
    by_ip = peers.denies(ip) is not None
    assert (peers.denies_transport(b"\x10\x00" + ip, {}) is not None) == by_ip
    return by_ip


def test_rfc8656_21_every_special_use_prefix_is_denied_and_its_neighbours_are_not() -> None:
    peers = Peers()
    for bits in (32, 128):
        results = []
        for value in walk(bits):
            ip = ip_of(bits, value)
            assert denies(peers, ip) == is_special(bits, value), as_text(ip)
            results.append(is_special(bits, value))
        assert results.count(False) >= 10 and results.count(True) >= 50


def test_rfc8656_21_4_every_special_use_prefix_in_every_embedding() -> None:
    peers = Peers()
    for embed, _ in EMBEDDINGS:
        for value in walk(32):
            ip = embed(ip_of(32, value))
            expected = is_special(32, value) if embed is nat64 else True
            assert denies(peers, ip) == expected, as_text(ip)


def test_allowing_an_embedding_by_name_leaves_the_address_inside_judged() -> None:
    peers = Peers(allow=["::/0"])
    for embed, can_open in EMBEDDINGS:
        for value in walk(32):
            ip = embed(ip_of(32, value))
            if ip[:15] == bytes(15):
                continue  # `::` and `::1` are no embeddings
            assert denies(peers, ip) == (is_special(32, value) or not can_open), as_text(ip)


def test_deny_peer_is_found_in_every_embedding() -> None:
    peers = Peers(allow=["::/0", "0.0.0.0/0"], deny=["8.8.4.4"])
    for embed, can_open in EMBEDDINGS:
        assert denies(peers, embed(parse_ip("8.8.4.4")))
        assert denies(peers, embed(parse_ip("8.8.8.8"))) != can_open


def test_what_nobody_can_open_stays_closed() -> None:
    peers = Peers(allow=["::/0", "0.0.0.0/0"])
    sealed = ("0.0.0.0", "0.255.255.255", "224.0.0.1", "239.255.255.255", "255.255.255.255", "::", "ff02::1")
    for text in sealed + ("::ffff:8.8.8.8", "2002:808:808::1", "2001:0:808:808::1"):
        assert denies(peers, parse_ip(text)), text
    for text in ("127.0.0.1", "10.0.0.1", "::1", "fe80::1", "fc00::1", "8.8.8.8", "2001:db8::1", "254.1.1.1"):
        assert not denies(peers, parse_ip(text)), text


def test_allow_peer_opens_its_prefix_and_no_more() -> None:
    peers = Peers(allow=["192.168.1.0/24", "fd00::/16", "::1"])
    for text in ("192.168.1.0", "192.168.1.255", "fd00::1", "fd00:ffff::1", "::1"):
        assert not denies(peers, parse_ip(text)), text
    for text in ("192.168.0.255", "192.168.2.0", "fd01::1", "fcff::1", "::2", "127.0.0.1"):
        assert denies(peers, parse_ip(text)), text


def test_deny_peer_comes_before_allow_peer_and_closes_public_addresses() -> None:
    peers = Peers(allow=["10.0.0.0/8"], deny=["10.1.0.0/16", "8.8.8.0/24", "2a01::/16"])
    for text in ("10.1.0.0", "10.1.255.255", "8.8.8.8", "2a01::8"):
        assert denies(peers, parse_ip(text)), text
    for text in ("10.0.255.255", "10.2.0.0", "8.8.9.0", "8.8.7.255", "2a02::"):
        assert not denies(peers, parse_ip(text)), text


def test_this_machine_and_connected_subnets_are_denied_unless_allowed() -> None:
    rows = (
        ((), True, True),
        (("81.2.3.0/24", "2a03::/64"), True, False),
        (("81.2.3.0/24", "2a03::/64", "81.2.3.4", "2a03::4/128"), False, False),
    )
    for allow, machine, subnet in rows:
        peers = Peers(allow=allow)
        peers.set_local(
            [parse_ip("81.2.3.4"), parse_ip("2a03::4")], [(parse_ip("81.2.3.4"), 25), (parse_ip("2a03::4"), 64)]
        )
        for text in ("81.2.3.4", "2a03::4"):  # the machine itself is opened by its very address only
            assert denies(peers, parse_ip(text)) == machine, text
        for text in ("81.2.3.0", "81.2.3.127", "2a03::ffff:ffff:ffff:ffff"):
            assert denies(peers, parse_ip(text)) == subnet, text
        for text in ("81.2.2.255", "81.2.4.0", "2a03:0:0:1::", "2a02:ffff:ffff:ffff:ffff:ffff:ffff:ffff"):
            assert not denies(peers, parse_ip(text)), text
    unopened = Peers()
    unopened.set_local([], [(parse_ip("81.2.3.4"), 25)])
    assert denies(unopened, nat64(parse_ip("81.2.3.9"))) and not denies(unopened, nat64(parse_ip("81.2.3.200")))


def test_local_addresses_are_replaced_and_not_added() -> None:
    peers = Peers()
    peers.set_local([parse_ip("81.2.3.4")], [])
    peers.set_local([parse_ip("81.2.3.5")], [])
    assert not denies(peers, parse_ip("81.2.3.4")) and denies(peers, parse_ip("81.2.3.5"))


def test_own_relayed_addresses_are_open_only_while_they_live() -> None:
    peers = Peers()
    ip = parse_ip("81.2.3.4")
    peers.set_local([ip], [])
    peers.set_relays({ip})
    live = {parse("81.2.3.4:50000"): 0}
    assert peers.denies(ip) is None
    assert peers.denies_transport(parse("81.2.3.4:50000"), live) is None
    for port in (0, 53, 49999, 50001, 65535):
        assert peers.denies_transport(port.to_bytes(2, "big") + ip, live) == "this machine"
    assert peers.denies(nat64(ip)) == "this machine"


def test_announced_relay_address_is_this_machine_although_no_interface_has_it() -> None:
    peers = Peers()
    announced = parse_ip("81.2.3.4")
    peers.set_relays({announced, parse_ip("10.0.0.1")})
    assert peers.denies_transport(b"\x00\x35" + announced, {}) == "this machine"
    assert peers.denies_transport(b"\x00\x35" + parse_ip("10.0.0.1"), {}) == "this machine"
    assert peers.denies(nat64(announced)) == "this machine"


def test_deny_peer_closes_own_relayed_addresses_too() -> None:
    peers = Peers(deny=["81.2.3.4"])
    peers.set_relays({parse_ip("81.2.3.4")})
    assert peers.denies(parse_ip("81.2.3.4")) == "deny_peer 81.2.3.4"
    assert peers.denies_transport(parse("81.2.3.4:50000"), {parse("81.2.3.4:50000"): 0}) == "deny_peer 81.2.3.4"


def test_the_answer_names_the_rule() -> None:
    peers = Peers(deny=["8.8.8.0/24"])
    peers.set_local([], [(parse_ip("81.2.3.0"), 24)])
    rows = (
        ("8.8.8.8", "deny_peer 8.8.8.0/24"),
        ("10.1.1.1", "private use"),
        ("81.2.3.7", "connected subnet 81.2.3.0/24"),
        ("224.0.0.1", "multicast"),
        ("2002::1", "6to4"),
    )
    for text, rule in rows:
        assert peers.denies(parse_ip(text)) == rule


def test_wrong_prefixes_are_value_errors() -> None:
    for text in ("10.0.0.1/8", "10.0.0.0/33", "lan", ""):
        try:
            Peers(allow=[text])
        except ValueError:
            continue
        raise AssertionError(text)


def test_rfc8656_10_2_and_12_2_denied_addresses_are_403_at_every_place() -> None:
    server = Server(max_allocations=1, max_permissions=250, peers_per_minute=0, unauthenticated_rate=0)
    alice = server.client()
    alice.relayed((0x8000, b"\x02\0\0\0"))
    for bits in (32, 128):
        for value in walk(bits):
            text = as_text(ip_of(bits, value))
            peer = text + ":5000" if bits == 32 else "[" + text + "]:5000"
            code = 403 if is_special(bits, value) else 0
            assert alice.permit(peer) == code, peer
            assert (alice.send(peer, b"x") is not None) == (code == 0), peer
    for peer in (
        "192.168.1.1:53",
        "[::1]:53",
        "[::ffff:8.8.8.8]:53",
        "[64:ff9b::192.168.1.1]:53",
        "[2002:808:808::]:1",
    ):
        assert alice.bind(0x4000, peer) == 403, peer
        assert alice.channel(0x4000, b"x") is None


def test_rfc8656_11_2_policy_is_asked_for_every_send() -> None:
    server = Server()
    alice = server.client()
    alice.relayed()
    assert alice.permit(PEER, "193.0.0.1:1") == 0
    assert alice.send(PEER, b"x") is not None
    assert alice.send("193.0.0.1:53", b"x") is None
