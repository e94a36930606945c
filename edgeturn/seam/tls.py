"""TLS of this interpreter; loaded only where a certificate is configured, for it takes memory."""

import sys

if sys.implementation.name == "micropython":
    from edgeturn.seam.micropython_tls import *
else:
    from edgeturn.seam.cpython_tls import *
