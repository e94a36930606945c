"""The bare daemon: `python -m edgeturn.relay -c FILE`, `micropython -m edgeturn.relay -c FILE`."""

import sys

from edgeturn.relay.main import main

sys.exit(main(sys.argv[1:]))
