"""The daemon: sockets, loop, configuration and control around the pure core; runs on CPython and MicroPython."""
