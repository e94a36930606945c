"""Emulated machines with the firmware in them: a router with 64 MB of memory, and one of the other byte order."""
