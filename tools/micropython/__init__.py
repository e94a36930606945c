"""MicroPython for the tests: Debian 13's package and its libraries, unpacked into the build folder, not installed."""
