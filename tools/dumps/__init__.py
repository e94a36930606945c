"""Makes the dumps that the tests of `edgeturn diagnose` read: `python -m tools.dumps [NAME...]`, as root."""
