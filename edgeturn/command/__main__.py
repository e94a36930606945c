"""`python -m edgeturn.command`, `micropython -m edgeturn.command`."""

import sys

from edgeturn.command import main

sys.exit(main(sys.argv[1:]))
