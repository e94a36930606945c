"""The firmware in emulated machines: a router with 64 MB of memory, and one of the other byte order."""
