"""The seam on MicroPython, 1.23 and newer: by our own C module where the firmware has it, by ffi where there is one.

What differs between these, and what is left without both, is in micropython_{native,ffi,bare}; here is what they share.
"""

import gc
import os
import sys

from edgeturn.seam.micropython_addresses import *
from edgeturn.seam.shared import EADDRINUSE, EADDRNOTAVAIL, EAGAIN, Stream, error_is_writable

try:
    from edgeturn.seam.micropython_native import *
except ImportError:
    try:
        from edgeturn.seam.micropython_ffi import *
    except ImportError:
        from edgeturn.seam.micropython_bare import *

SHOWN = 200  # lines that a tap shows in a second
INTERPRETER = "MicroPython " + ".".join([str(part) for part in sys.implementation.version[:3]])


def accept(sock):
    """Return the next connection of a listening socket, non-blocking, and the port||ip that it comes from."""
    accepted, source = sock.accept()
    accepted.setblocking(False)
    return accepted, address_of(bytes(source))


class Plain(Stream):
    """A stream as it is."""

    def read(self, view: memoryview) -> "int | None":
        """Read into a buffer; return how much, 0 at the end, None where there's nothing now; OSError where it broke."""
        return read_stream(self.sock, view)

    def write(self, view: memoryview) -> int:
        """Take something to send; return how much."""
        try:
            return self.sock.send(view)
        except OSError as error:
            if error.args[0] != EAGAIN:
                raise
            return 0

    def finish(self) -> None:
        """Tell the other side that nothing more comes; where nothing can be called, only the close says so."""
        if CALLS:
            call("shutdown", self.sock.fileno(), 1)


_MESSAGES = {
    1: "not permitted",
    2: "no such file",
    13: "permission denied",
    20: "not a folder",
    21: "is a folder",
    28: "no space left",
    30: "read-only file system",
    EADDRINUSE - 5: "protocol not supported",
    EADDRINUSE - 3: "not supported",
    EADDRINUSE - 1: "address family not supported",
    EADDRINUSE: "address in use",
    EADDRNOTAVAIL: "no interface has this address",
}


failure = OSError  # the error of a number


def reason(error: OSError) -> str:
    """Return what went wrong, in words."""
    name = str(error).split("] ")[-1]  # as "[Errno 105] ENOBUFS", or the number alone
    return _MESSAGES.get(error.args[0]) or ("error " + name if name.isdigit() else name)


def drop_privileges(uid: int, gid: int) -> None:
    """Become another user for good; OSError where it isn't allowed."""
    call("setgroups", 0, None)
    call("setgid", gid)
    call("setuid", uid)


def user_id() -> int:
    """Return the user number of this process."""
    return call("getuid") if CALLS else 0


def process_id() -> int:
    """Return the number of this process."""
    return call("getpid") if CALLS else 0


def set_mode(path: str, mode: int) -> None:
    """Set a file's mode; OSError where it can't be."""
    if CALLS:
        call("chmod", path, mode)
    elif os.system(f"chmod {mode:o} '{path}'"):
        raise OSError(1)


def settle() -> None:
    """Collect now, and from now on before the garbage of packets fills the heap; that costs 0.5 µs a packet.

    On the firmware only requests leave garbage, and what it may fill is resident memory.
    """
    gc.collect()
    gc.threshold(65536 if FIRMWARE else 262144)


gc.threshold(32768)  # while the modules are compiled, which leaves much garbage


def memory_bytes() -> int:
    """Return the bytes that objects take on the heap."""
    gc.collect()
    return gc.mem_alloc()


def write_error(text: str) -> bool:
    """Write a line to standard error, if that takes it at once."""
    try:
        return error_is_writable() and sys.stderr.write(text) > 0
    except OSError:
        return False


def handed_over(name: str) -> str:
    """Return nothing: only `edgeturn run` hands something over, and that is CPython's."""
    return ""


def print_trace(error: Exception) -> None:
    """Write an exception with its trace to standard error, if that takes it."""
    if write_error("error defect\n"):
        sys.print_exception(error, sys.stderr)
