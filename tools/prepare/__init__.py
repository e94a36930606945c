"""
What the make targets need, brought about on a machine that has python3, its venv module, make and nothing else.

Each step looks first whether its work is done and then does nothing, so that a prepared machine needs no network.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 (this is where an older one is told)
    sys.exit(f"edgeturn needs Python 3.11 or newer, and {sys.executable} is {sys.version.split()[0]}")
