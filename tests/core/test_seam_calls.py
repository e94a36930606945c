"""The C library's functions by name, where an interpreter can call them at all."""

import errno
import socket
from struct import pack, unpack
from unittest import SkipTest

from edgeturn import seam
from edgeturn.kernel import netfilter
from tests.core.dialogue import raises

if not seam.CALLS:
    raise SkipTest("this interpreter can't call the C library")


def test_numbers() -> None:
    assert seam.call("getpid") == seam.process_id() > 1
    assert seam.call("getuid") == seam.user_id()
    assert seam.call("if_nametoindex", "lo") == 1
    mask = seam.call("umask", 0o27)
    assert seam.call("umask", mask) == 0o27


def test_failures_have_their_number() -> None:
    for arguments, number in (
        (("mkdir", "/proc/no", 0o755), 2),
        (("rmdir", b"/\0"), 16),
        (("if_nametoindex", "no such"), 19),
        (("read", -1, None, 0), 9),
    ):
        try:
            seam.call(*arguments)
            raise AssertionError(arguments)
        except OSError as error:
            assert error.args[0] == number, (arguments, error)


def test_only_what_is_in_the_table_is_called() -> None:
    assert raises(KeyError, seam.call, "system", "true")


def test_buffers_are_written_where_they_are() -> None:
    ends = bytearray(8)
    seam.call("pipe2", ends, 0)
    reading, writing = unpack("ii", ends)
    assert seam.call("write", writing, b"hello", 5) == 5
    buffer = bytearray(b"........")
    assert seam.call("read", reading, memoryview(buffer)[2:], 6) == 5
    assert buffer == b"..hello."
    assert seam.call("close", reading) == seam.call("close", writing) == 0


def test_text_ends_by_a_zero() -> None:
    folder = f"/tmp/edgeturn-calls-{seam.process_id()}"
    for name in (folder, folder.encode() + b"\0"):
        assert seam.call("mkdir", name, 0o700) == 0
        assert seam.call("access", name, 0) == 0
        assert seam.call("rmdir", name) == 0


def test_a_buffer_has_its_address() -> None:
    buffer = bytearray(pack("I", 1))
    assert seam.memory_address(buffer) > 0xFFFF


def test_errors_have_words() -> None:
    here = {name: getattr(netfilter, name) for name in ("NO_PROTOCOL", "NOT_SUPPORTED", "NO_FAMILY")}
    for number in [1, 2, 13, errno.EADDRINUSE] + list(here.values()):
        words = seam.reason(seam.failure(number))
        assert " " in words and not any(each.isdigit() for each in words), (number, words)
    assert "protocol not supported" in seam.reason(seam.failure(here["NO_PROTOCOL"]))
    assert "7777" in seam.reason(seam.failure(7777))


def test_a_kernel_without_nf_tables_is_known_by_this_machines_numbers() -> None:
    try:
        socket.socket(seam.AF_NETLINK, socket.SOCK_RAW, 31)  # a protocol that no kernel has
    except OSError as error:
        assert error.args[0] == netfilter.NO_PROTOCOL, error
