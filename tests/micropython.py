"""
The test runner for MicroPython: `micropython tests/micropython.py [FILE or FOLDER]…`, by default tests/core.

Rule 1: A test is a function test_*; it fails by an exception. The order is that of the file.
Rule 2: `from unittest import SkipTest` and `raise SkipTest("why")` skips a test, here as under pytest.
Rule 3: It ends with "N passed, N failed, N skipped", and with exit code 1 where something failed or nothing ran.
"""

import os
import sys

FOLDER = 0x4000
HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
ROOT = HERE + "/.."


class SkipTest(Exception):
    pass


class Unittest:
    """What MicroPython lacks of CPython's unittest, as far as the tests use it."""

    SkipTest = SkipTest


class Score:
    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.skipped = 0

    def run_file(self, path):
        """Run the tests of a file; a file that can't be imported or has no test is a failure."""
        if not self.ends_well("import of " + path, lambda: __import__(module_name(path))):
            return
        module = sys.modules[module_name(path)]
        names = test_names(path)
        if not names:
            self.ends_well(path, no_tests)
        for name in names:
            if self.ends_well(path + "::" + name, getattr(module, name)):
                self.passed += 1

    def ends_well(self, what, action):
        """Return whether an action raised nothing; count and print what it raised."""
        try:
            action()
            return True
        except SkipTest as reason:
            self.skipped += 1
            print("SKIPPED", what + ":", reason)
        except Exception as error:
            self.failed += 1
            print("FAILED", what)
            sys.print_exception(error)
        return False


def no_tests():
    raise ValueError("no test in this file")


def module_name(path):
    """Return tests.core.test_x for any path of tests/core/test_x.py."""
    return path[path.rindex("tests/") : -len(".py")].replace("/", ".")


def test_names(path):
    """Return the names of a file's tests in its order, which a module's dict does not keep."""
    with open(path) as file:
        return [line[4 : line.index("(")] for line in file if line.startswith("def test_")]


def files(path):
    """Return a file, or the test files of a folder."""
    if not os.stat(path)[0] & FOLDER:
        return [path]
    names = [row[0] for row in os.ilistdir(path)]
    return [path + "/" + name for name in sorted(names) if name.startswith("test_") and name.endswith(".py")]


def main(paths):
    sys.path.insert(0, ROOT)
    sys.modules["unittest"] = Unittest
    score = Score()
    for path in paths or [HERE + "/core"]:
        for file in files(path):
            score.run_file(file)
    print(f"{score.passed} passed, {score.failed} failed, {score.skipped} skipped")
    sys.exit(1 if score.failed or not score.passed else 0)


main(sys.argv[1:])
