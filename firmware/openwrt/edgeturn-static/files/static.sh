# What runs the relay: the binary itself, whose heap grows as it is used.
RELAY_PROGRAM="/usr/bin/edgeturn"
RELAY_FIXED_HEAP=""
RELAY_ENVIRONMENT=""
RELAY_FOLDERS=""
RELAY_PAGE=""
