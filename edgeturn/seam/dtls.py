"""DTLS of the interpreter that runs; imported only where the configuration asks for it."""

import sys

if sys.implementation.name == "micropython":
    from edgeturn.seam.micropython_dtls import *
else:
    from edgeturn.seam.cpython_dtls import *
