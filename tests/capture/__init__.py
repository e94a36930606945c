"""Tests of what the relay shows of its signalling: redaction, captures for Wireshark, traces."""
