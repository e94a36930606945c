"""Tests of the client that probes servers."""
