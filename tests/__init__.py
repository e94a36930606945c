"""The tests; every module is tests.<folder>.<name> on both interpreters."""
