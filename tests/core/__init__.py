"""The core, tested without a socket: the same files run on CPython and on MicroPython."""
