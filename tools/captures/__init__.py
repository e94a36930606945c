"""The captures that the tests of `edgeturn diagnose` read, made of real relays and clients."""
