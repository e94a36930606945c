#!/bin/sh
# The command, which needs no click.
MICROPYPATH=/usr/lib/edgeturn exec /usr/bin/micropython -m edgeturn.command "$@"
