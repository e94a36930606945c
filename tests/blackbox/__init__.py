"""Tests of a relay process, over UDP sockets on the loopback addresses."""
