"""The C module's way of a packet: nothing is allocated for it, and what is reused shows what it should."""

import gc
import socket
from struct import pack
from unittest import SkipTest

try:
    import _edgeturn as native  # type: ignore[import-not-found]
except ImportError:
    raise SkipTest("this interpreter isn't our firmware")

from edgeturn import seam
from tests.core.dialogue import raises
from tests.firmware.scene import Scene, bound

PACKETS = 5000  # in each direction
SOURCES = 256  # places of the C module's table


def test_relayed_media_allocates_nothing() -> None:
    for burst in (1, 16):
        scene = Scene()
        scene.relay(320, b"warm up", burst)
        owner = scene.loop.turn.live_sessions()[0]
        passed = owner.up_packets + owner.down_packets
        gc.collect()
        gc.disable()
        try:
            before = gc.mem_alloc()  # type: ignore[attr-defined]
            scene.relay(PACKETS, bytes(172), burst)
            grown = gc.mem_alloc() - before  # type: ignore[attr-defined]
        finally:
            gc.enable()
        assert owner.up_packets + owner.down_packets - passed > PACKETS
        assert grown < 1024, grown  # the scene's own calls


def test_media_arrives() -> None:
    scene = Scene()
    scene.relay(3, b"payload")
    assert [scene.peer.recv(100) for _ in range(3)] == [b"payload"] * 3
    assert [scene.client.recv(100) for _ in range(3)] == [b"\x40\0\0\x07payload"] * 3


def test_a_receiver_gives_the_source_of_each_datagram() -> None:
    sock, place = bound()
    others = [bound() for _ in range(2)]
    buffer = bytearray(64)
    receive = seam.receiver(sock, buffer, 8)
    sources = []
    for at in (0, 1, 0, 1):
        others[at][0].sendto(b"from %d" % at, seam.native(place))
        size, source = receive()
        assert bytes(buffer[8 : 8 + size]) == b"from %d" % at and seam.address_of(source) == others[at][1]
        sources.append(source)
    assert sources[0] is sources[2] and sources[1] is sources[3]


def test_more_sources_than_the_table_has_places() -> None:
    sock, place = bound()
    receive = seam.receiver(sock, bytearray(64), 0)
    senders = [bound() for _ in range(40)]
    for _ in range(3):
        for sender, address in senders:
            sender.sendto(b"x", seam.native(place))
            assert seam.address_of(receive()[1]) == address
    for sender, _ in senders:
        sender.close()


def test_nothing_to_receive_is_an_error_each_time() -> None:
    receive = seam.receiver(bound()[0], bytearray(64), 0)
    for _ in range(3):
        try:
            receive()
            raise AssertionError("there was something")
        except OSError as error:
            assert error.args[0] == seam.EAGAIN


def test_an_offset_outside_of_the_buffer_is_refused() -> None:
    assert raises(ValueError, native.Receiver, 0, bytearray(4), 5)


# buffer, offset, the two numbers; None where they aren't whole
PAIRS = (
    (b"\1\2\3\4", 0, (0x0102, 0x0304)),
    (b"\xff\xfe\xfd\xfc\xfb", 1, (0xFEFD, 0xFCFB)),
    (b"\1\2\3", 0, None),
    (b"\1\2\3\4", 1, None),
    (b"\1\2\3\4", 99, None),
    (b"", 0, None),
)


def test_pairs() -> None:
    for data, offset, expected in PAIRS:
        buffer = bytearray(data)
        if expected is None:
            assert raises(ValueError, native.unpack_pair, buffer, offset), (data, offset)
            assert raises(ValueError, native.pack_pair, buffer, offset, 1, 2), (data, offset)
            continue
        assert native.unpack_pair(buffer, offset) == expected
        native.pack_pair(buffer, offset, expected[1], expected[0])
        assert native.unpack_pair(memoryview(buffer), offset) == (expected[1], expected[0])


def test_a_datagram_is_a_part_of_the_packet_itself() -> None:
    packet = memoryview(bytearray(b"0123456789"))
    via, destination, part = native.datagram(7, b"place", packet[2:], 1, 5)
    assert (via, destination, bytes(part)) == (7, b"place", b"3456")
    packet[3:4] = b"x"
    assert bytes(part) == b"x456"
    assert bytes(native.datagram(7, b"place", packet, 10, 10)[2]) == b""
    for start, end in ((0, 11), (6, 5), (11, 11)):
        assert raises(ValueError, native.datagram, 7, b"place", packet, start, end), (start, end)
    assert raises(ValueError, native.datagram, 7, b"place", b"0123456789", 0, 1)


def test_a_table_remembers_and_is_bounded() -> None:
    asked = []

    def double(number: int) -> int:
        asked.append(number)
        return 2 * number

    table = native.Table(double)
    assert [table[3], table[4], table[3]] == [6, 8, 6] and asked == [3, 4]
    for number in range(SOURCES + 10):
        assert table[number] == 2 * number
    assert table[3] == 6 and asked.count(3) == 2


def test_room_is_empty_and_writable() -> None:
    room = native.room(100000)
    assert len(room) == 100000 and room[0] == room[-1] == 0
    room[99990:] = b"0123456789"
    assert bytes(room[-10:]) == b"0123456789"


def test_what_comes_along_with_a_datagram() -> None:
    sock, place = bound()
    sender, address = bound()
    for option in (native.IP_RECVTTL, native.IP_RECVTOS, native.IP_PKTINFO):
        sock.setsockopt(native.IPPROTO_IP, option, 1)
    sender.setsockopt(native.IPPROTO_IP, native.IP_TTL, 33)
    tos = (native.IPPROTO_IP, native.IP_TOS, b"\xb8")  # a byte: qemu-user doesn't swap the bytes of what is sent along
    assert native.send_message(sender.fileno(), b"hello", seam.native(place), [tos]) == 5
    buffer = bytearray(100)
    size, ancillary, flags, source = native.receive_message(sock.fileno(), buffer, 0)
    assert (bytes(buffer[:size]), flags, seam.address_of(source)) == (b"hello", 0, address)
    came = {kind: data for level, kind, data in ancillary if level == native.IPPROTO_IP}
    assert sum(came[native.IP_TTL]) == 33 and came[native.IP_TOS] == b"\xb8"
    assert came[native.IP_PKTINFO][-4:] == b"\x7f\0\0\1"
    assert raises(ValueError, native.send_message, sender.fileno(), b"", seam.native(place), [(0, 0, bytes(600))])


def test_icmp_errors() -> None:
    sock, _ = bound()
    sock.setsockopt(native.IPPROTO_IP, native.IP_RECVERR, 1)
    gone, place = bound()
    gone.close()
    assert seam.read_error(sock) is None
    sock.sendto(b"x", seam.native(place))
    destination, kind, code, _ = seam.read_error(sock)
    assert (seam.address_of(destination), kind, code) == (place, 3, 3)  # port unreachable
    assert seam.read_error(sock) is None


def test_streams() -> None:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(seam.native(b"\0\0\x7f\0\0\1"))
    listener.listen(1)
    name = bytearray(16)
    seam.call("getsockname", listener.fileno(), name, bytearray(pack("I", 16)))
    one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    one.connect(bytes(name))
    other, _ = seam.accept(listener)
    view = memoryview(bytearray(10))
    assert seam.read_stream(other, view) is None
    one.send(b"abc")
    assert seam.read_stream(other, view[4:]) == 3 and bytes(view[4:7]) == b"abc"
    seam.call("shutdown", one.fileno(), 1)
    assert seam.read_stream(other, view) == 0
