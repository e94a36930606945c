"""
UDP packets, built and taken apart byte by byte, with every checksum and length that they carry.

Rule 1: `parse` accepts a right packet only; everything else is an AssertionError that says what is wrong.
Rule 2: what is built is right unless the caller asks for a lie.
"""

from dataclasses import dataclass, replace
from ipaddress import ip_address
from struct import pack, unpack_from

Address = tuple[str, int]

ETHERNET_SIZE = 14
IPV4, IPV6 = 0x0800, 0x86DD
UDP = 17
FRAGMENT_HEADER, DESTINATION_OPTIONS = 44, 60
UDP_SIZE = 8
HEADER_SIZE = {4: 20, 6: 40}
MTU = 1500


def family_of(host: str) -> int:
    """Return 4 or 6."""
    return 6 if ":" in host else 4


def fold(data: bytes, start: int = 0) -> int:
    """Return the one's complement sum of 16-bit words (RFC 1071)."""
    total: int = start + sum(unpack_from(f"!{len(data) // 2}H", data)) + (data[-1] << 8 if len(data) % 2 else 0)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@dataclass(frozen=True)
class Packet:
    """A UDP packet: all that a receiver can know of it, but for checksums and lengths, which `parse` judges.

    mark: IPv4 identification, IPv6 flow label; dont_fragment is False over IPv6; checksum: False where it's zero.
    """

    source: Address
    destination: Address
    payload: bytes
    hops: int = 64
    traffic_class: int = 0
    dont_fragment: bool = False
    mark: int = 0
    checksum: bool = True

    @property
    def family(self) -> int:
        return family_of(self.source[0])

    def pseudo_header(self, udp_size: int) -> bytes:
        """Return what the checksum covers besides the datagram (RFC 768, RFC 8200 section 8.1)."""
        both = ip_address(self.source[0]).packed + ip_address(self.destination[0]).packed
        return both + pack("!IHH", udp_size, 0, UDP)

    def udp(self, checksum: int | None = None, size: int | None = None) -> bytes:
        """Return the datagram; checksum and length are the right ones unless they are given."""
        length = UDP_SIZE + len(self.payload)
        head = pack("!HHHH", self.source[1], self.destination[1], length if size is None else size, 0)
        if checksum is None:
            found = ~fold(self.pseudo_header(length) + head + self.payload) & 0xFFFF
            checksum = (found or 0xFFFF) if self.checksum else 0
        return head[:6] + pack("!H", checksum) + self.payload

    def ip(self, data: bytes | None = None, protocol: int = UDP, options: bytes = b"", fragment: int = 0) -> bytes:
        """Return the IP packet around some data, by default its datagram; fragment: IPv4's flags and offset."""
        data = self.udp() if data is None else data
        places = ip_address(self.source[0]).packed + ip_address(self.destination[0]).packed
        if self.family == 6:
            first = 6 << 28 | self.traffic_class << 20 | self.mark
            return pack("!IHBB", first, len(data), protocol, self.hops) + places + data
        size = 20 + len(options)
        fragment |= 0x4000 if self.dont_fragment else 0
        head = pack("!BBHHHBBH", 0x40 | size // 4, self.traffic_class, size + len(data), self.mark, fragment,
                    self.hops, protocol, 0)  # fmt: skip
        check = ~fold(head + places + options) & 0xFFFF
        return head[:10] + pack("!H", check) + places + options + data

    @property
    def size(self) -> int:
        """Return the size of the IP packet."""
        return HEADER_SIZE[self.family] + UDP_SIZE + len(self.payload)


def ether(destination: str, source: str, data: bytes, kind: int | None = None) -> bytes:
    """Return an Ethernet frame around an IP packet or around something else of another kind."""
    kind = (IPV6 if data[0] >> 4 == 6 else IPV4) if kind is None else kind
    return bytes.fromhex((destination + source).replace(":", "")) + pack("!H", kind) + data


def with_checksum(packet: Packet, wanted: int) -> Packet:
    """Return the packet with its payload's last word chosen so that its checksum is the wanted one (0: it's sent as
    all ones, RFC 768)."""
    assert len(packet.payload) >= 2 and len(packet.payload) % 2 == 0
    bare = replace(packet, payload=packet.payload[:-2] + b"\0\0")
    rest = fold(bare.pseudo_header(UDP_SIZE + len(bare.payload)) + bare.udp(checksum=0))
    word = fold(pack("!HH", ~wanted & 0xFFFF, ~rest & 0xFFFF))
    return replace(packet, payload=packet.payload[:-2] + pack("!H", word))


def pseudo_sum(packet: Packet) -> int:
    """Return what stands in the checksum's place while the checksum itself is left to the device."""
    return fold(packet.pseudo_header(UDP_SIZE + len(packet.payload)))


def parse(data: bytes, checksum_ready: bool = True) -> Packet | None:
    """Return the UDP packet that an IP packet is, None for what isn't UDP; wrong ones are an AssertionError.

    checksum_ready: False where the sum is left to a device: then what must stand there is the pseudo header's sum.
    """
    return _parse_ipv6(data, checksum_ready) if data[0] >> 4 == 6 else _parse_ipv4(data, checksum_ready)


def _parse_ipv4(data: bytes, checksum_ready: bool) -> Packet | None:
    if data[9] != UDP:
        return None
    first, traffic_class, size, mark, fragment, hops = unpack_from("!BBHHHB", data)
    assert first == 0x45, f"IPv4 header begins with {first:#x}"
    assert size == len(data), f"IPv4 length {size} of a packet of {len(data)}"
    assert fold(data[:20]) == 0xFFFF, f"IPv4 header checksum of {data[:20].hex()}"
    assert fragment & 0xBFFF == 0, f"IPv4 fragment {fragment:#x}"
    source, destination = (str(ip_address(data[at : at + 4])) for at in (12, 16))
    packet = Packet((source, 0), (destination, 0), b"", hops, traffic_class, fragment == 0x4000, mark)
    return _parse_udp(packet, data[20:], checksum_ready)


def _parse_ipv6(data: bytes, checksum_ready: bool) -> Packet | None:
    first, size, protocol, hops = unpack_from("!IHBB", data)
    if protocol != UDP:
        return None
    assert size == len(data) - 40, f"IPv6 length {size} of a packet of {len(data)}"
    source, destination = (str(ip_address(data[at : at + 16])) for at in (8, 24))
    packet = Packet((source, 0), (destination, 0), b"", hops, first >> 20 & 0xFF, mark=first & 0xFFFFF)
    return _parse_udp(packet, data[40:], checksum_ready)


def _parse_udp(packet: Packet, data: bytes, checksum_ready: bool) -> Packet:
    source, destination, size, checksum = unpack_from("!HHHH", data)
    assert size == len(data), f"UDP length {size} of a datagram of {len(data)}"
    pseudo = packet.pseudo_header(size)
    if not checksum_ready:
        assert checksum == fold(pseudo), f"pseudo header's sum {checksum:#06x}, should be {fold(pseudo):#06x}"
    elif checksum:
        assert fold(pseudo + data) == 0xFFFF, f"UDP checksum {checksum:#06x} of {data.hex()}"
    else:
        assert packet.family == 4, "UDP over IPv6 without checksum"
    return replace(
        packet,
        source=(packet.source[0], source),
        destination=(packet.destination[0], destination),
        payload=data[UDP_SIZE:],
        checksum=checksum != 0,
    )
