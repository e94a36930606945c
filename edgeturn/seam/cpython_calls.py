"""The C library's functions on CPython, by ctypes; imported at the first call, for it takes 0.7 MB."""

import ctypes
import os

from edgeturn.seam.calls import INTEGER, LONG, POSITIVE, RESULTS, UNSIGNED, failed

_TYPES = {INTEGER: ctypes.c_int, LONG: ctypes.c_long, UNSIGNED: ctypes.c_uint, POSITIVE: ctypes.c_uint}
_library = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments) -> int:
    """Call a function of the C library; OSError where it fails, KeyError where it isn't among them."""
    kind = RESULTS[name]
    function = getattr(_library, name)
    function.restype = _TYPES[kind]
    result = function(*[_argument(each) for each in arguments])
    if failed(kind, result):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _argument(value):
    """Return what ctypes passes: numbers as long as a register, the addresses of all else."""
    if isinstance(value, int):
        return ctypes.c_long(value)
    if isinstance(value, str):
        return value.encode(errors="surrogateescape") + b"\0"  # a file's name needn't be UTF-8
    if value is None or isinstance(value, bytes):
        return value
    return (ctypes.c_char * len(memoryview(value))).from_buffer(value)


def memory_address(buffer) -> int:
    """Return where a buffer is in memory."""
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))
