"""AES-GCM of this interpreter, where there is one; loaded only where the configuration has a token key."""

import sys

if sys.implementation.name == "cpython":
    from edgeturn.seam.cpython_aead import *
else:
    from edgeturn.seam.micropython_aead import *
