"""Batches: what came together is handed out one by one in its order, and what is sent together arrives like that."""

from unittest import SkipTest

try:
    import _edgeturn as native  # type: ignore[import-not-found]
except ImportError:
    raise SkipTest("this interpreter isn't our firmware")

from edgeturn import seam
from tests.core.dialogue import raises
from tests.firmware.scene import Scene, bound

SLOTS = 16  # of the C module
LONG = 40000  # bytes; loopback takes them whole


class Reader:
    """A socket, a receiver and a poller; what is read is kept as (source, data)."""

    def __init__(self, poller: "seam.Poller") -> None:
        self.sock, self.place = bound()
        self.buffer = bytearray(65536)
        self.receive = seam.receiver(self.sock, self.buffer, 0)
        self.most = 64
        self.came: "list[tuple[bytes, bytes]]" = []
        poller.register(self.sock, self.ready)

    def ready(self, events: int) -> None:
        """Read at most so many."""
        for _ in range(self.most):
            try:
                size, source = self.receive()
            except OSError as error:
                assert error.args[0] == seam.EAGAIN
                return
            self.came.append((seam.address_of(source), bytes(self.buffer[:size])))


def turn(poller: "seam.Poller") -> int:
    """Do what the loop does once; return how many were ready."""
    count = 0
    for handler, events in poller.wait(0):
        handler(events)
        count += 1
    return count


def send(reader: Reader, rows: "list[tuple[seam.Socket, bytes]]") -> None:
    """Send datagrams to a reader."""
    for sock, data in rows:
        sock.sendto(data, seam.native(reader.place))


def under_load(poller: "seam.Poller", reader: Reader) -> "tuple[seam.Socket, bytes]":
    """Let a reader learn that many come at once; return a socket that sends and its address."""
    sender, address = bound()
    send(reader, [(sender, b"load")] * 40)
    while len(reader.came) < 40:
        turn(poller)
    reader.came.clear()
    return sender, address


def test_order_and_sources() -> None:
    poller = seam.Poller()
    reader = Reader(poller)
    one, other = under_load(poller, reader), bound()
    for count in (1, 2, SLOTS - 1, SLOTS, SLOTS + 1, 50):
        rows = [((one, other)[at % 3 == 0], b"%d" % at * (at + 1)) for at in range(count)]
        send(reader, [(who[0], data) for who, data in rows])
        while turn(poller):
            pass
        assert reader.came == [(who[1], data) for who, data in rows], count
        reader.came.clear()


def test_long_and_empty_ones_are_whole() -> None:
    poller = seam.Poller()
    reader = Reader(poller)
    sender, _ = under_load(poller, reader)
    for _ in range(2):
        sent = [b"", b"a" * LONG, b"b" * 2049, b"c", b"d" * LONG, b"e" * 2048]
        send(reader, [(sender, data) for data in sent])
        while turn(poller):
            pass
        assert [data for _, data in reader.came] == sent
        reader.came.clear()


def test_what_a_handler_left_is_ready_again() -> None:
    poller = seam.Poller()
    reader, second = Reader(poller), Reader(poller)
    sender, _ = under_load(poller, reader)
    under_load(poller, second)
    sent = [b"%d" % at for at in range(SLOTS)]
    send(reader, [(sender, data) for data in sent])
    reader.most = 3
    turn(poller)
    assert raises(OSError, reader.sock.recv, 10)  # the kernel has none of them any longer
    send(second, [(sender, data) for data in sent])
    turns = 0
    while turn(poller):
        turns += 1
    assert [data for _, data in reader.came] == sent == [data for _, data in second.came] and turns < 10


def test_what_is_left_goes_with_its_socket() -> None:
    poller = seam.Poller()
    reader = Reader(poller)
    sender, _ = under_load(poller, reader)
    send(reader, [(sender, b"old")] * 8)
    reader.most = 1
    turn(poller)
    poller.unregister(reader.sock)
    poller.register(reader.sock, reader.ready)
    assert turn(poller) == 0
    send(reader, [(sender, b"new")])
    turn(poller)
    assert [data for _, data in reader.came] == [b"old", b"new"]


class Sending:
    """A poller with two sockets that are ready, which is when senders gather; `action` is called in the first turn."""

    def __init__(self) -> None:
        self.poller = seam.Poller()
        for _ in range(2):
            reader = Reader(self.poller)
            send(reader, [(reader.sock, b"x")])
        seam.flush()

    def during(self, action: "object") -> None:
        """Call something while senders gather."""
        for handler, events in self.poller.wait(0):
            handler(events)
            if action:
                action()  # type: ignore[operator]
                action = None


def arrived(sock: "seam.Socket") -> "list[bytes]":
    """Return what came to a socket."""
    came = []
    try:
        while True:
            came.append(sock.recv(65536))
    except OSError:
        return came


def test_what_is_gathered_arrives_as_it_was() -> None:
    (sock, _), (target, place) = bound(), bound()
    sending, buffer = Sending(), bytearray(4)
    sender = seam.sender(sock)
    sent = [b"%04d" % at for at in range(2 * SLOTS + 3)]

    def action() -> None:
        for data in sent:
            buffer[:] = data  # as the loop's buffer, which is used again
            sender(buffer, seam.native(place))
        assert len(arrived(target)) == 2 * SLOTS

    sending.during(action)
    assert arrived(target) == sent[2 * SLOTS :] and seam.flush() == 0


def test_several_sockets_long_data_and_others_in_between() -> None:
    one, other, (target, place) = bound()[0], bound()[0], bound()
    sending = Sending()
    senders = seam.sender(one), seam.sender(other)
    sent = [b"aa", b"b" * 3000, b"c", b"", b"d" * 2048, b"e" * 2049]

    def action() -> None:
        for data in sent:
            senders[len(data) % 2](data, seam.native(place))

    sending.during(action)
    assert arrived(target) == sent


def test_one_that_fails_costs_itself() -> None:
    (sock, _), (target, place) = bound(), bound()
    sending = Sending()
    sender = seam.sender(sock)

    def action() -> None:
        for name in (b"\0" * 16, seam.native(place), seam.native(place), b"\xff" * 16, seam.native(place), b"\0" * 3):
            sender(b"x", name)

    sending.during(action)
    assert arrived(target) == [b"x"] * 3 and seam.flush() == 3 and seam.flush() == 0


def test_errors_of_earlier_ones_cost_nothing() -> None:
    (sock, _), (gone, nowhere), (target, place) = bound(), bound(), bound()
    sock.setsockopt(native.IPPROTO_IP, native.IP_RECVERR, 1)
    gone.close()
    sending = Sending()
    sender = seam.sender(sock)

    def action() -> None:
        for name in (nowhere, place, nowhere, place, place):
            sender(b"x", seam.native(name))

    sending.during(action)
    assert arrived(target) == [b"x"] * 3 and seam.flush() == 0
    sending = Sending()
    sock.sendto(b"x", seam.native(nowhere))
    sending.during(lambda: sender(b"one", seam.native(place)))
    assert arrived(target) == [b"one"] and seam.flush() == 0


def test_gathered_ones_are_sent_before_a_socket_is_unregistered() -> None:
    (sock, _), (target, place) = bound(), bound()
    sending = Sending()
    sender = seam.sender(sock)
    sending.poller.register(sock, None)

    def action() -> None:
        sender(b"last", seam.native(place))
        assert arrived(target) == []
        sending.poller.unregister(sock)
        sock.close()

    sending.during(action)
    assert arrived(target) == [b"last"] and seam.flush() == 0


def test_alone_it_is_sent_at_once_and_says_its_error() -> None:
    (sock, _), (target, place) = bound(), bound()
    sender = seam.sender(sock)
    turn(seam.Poller())
    sender(b"x", seam.native(place))
    assert arrived(target) == [b"x"] and raises(OSError, sender, b"x", b"\0" * 16)


def test_bursts_of_media_arrive_in_order() -> None:
    scene = Scene()
    scene.relay(640, b"load", SLOTS)
    arrived(scene.peer), arrived(scene.client)
    framed = [b"\x40\0\0\x04%04d" % at for at in range(48)]
    for each in framed:
        scene.client.send(each)
        scene.peer.send(each[4:])
    for _ in range(20):
        scene.turn_once(0)
    assert arrived(scene.peer) == [each[4:] for each in framed] and arrived(scene.client) == framed
    assert scene.loop.unsent == 0
