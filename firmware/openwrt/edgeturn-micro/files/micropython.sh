# What runs the relay: MicroPython, whose heap has a fixed size.
RELAY_PROGRAM="/usr/bin/micropython"
RELAY_FIXED_HEAP="1"
RELAY_ENVIRONMENT="MICROPYPATH=/usr/lib/edgeturn"
# ffi opens the C library by name.
RELAY_FOLDERS="/lib /usr/lib"
RELAY_PAGE=""
