"""The seam: all that differs between CPython and MicroPython, and the only place that asks which of them runs.

Rule 1: both halves define the same names with the same meaning; what one of them can't do is a constant that says so.
Rule 2: nothing here knows STUN, TURN or the configuration.
Rule 3: a native address is whatever the interpreter's sendto takes: a tuple on CPython, a raw sockaddr on MicroPython.

Of MicroPython, our firmware has the most; with ffi there are no ICMP errors (ERROR_QUEUE); without that, nothing of the
C library can be called (CALLS), and there are no signals (SIGNALS) and one user (PRIVILEGES).
"""

import os
import sys

from edgeturn.seam.shared import *

if sys.implementation.name == "cpython":  # first, for a type checker believes the first
    from edgeturn.seam.cpython import *
else:
    from edgeturn.seam.micropython import *

random_bytes = os.urandom
