"""What the tests of the probe are given: the tool, and real relays on the loopback interface."""

from tests.cli.conftest import call, certificate, start

__all__ = ["call", "certificate", "start"]
