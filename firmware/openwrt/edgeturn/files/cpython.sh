# What runs the relay: CPython, without site packages, which take 3 MB; @PYTHON_PACKAGES@ is filled in when it is built.
RELAY_PROGRAM="/usr/bin/python3 -S -P"
RELAY_FIXED_HEAP=""
RELAY_ENVIRONMENT="PYTHONPATH=@PYTHON_PACKAGES@"
# Modules load libraries while the relay runs.
RELAY_FOLDERS="/lib /usr/lib"
# The page, where python3-aiohttp is installed.
RELAY_PAGE="/usr/bin/edgeturn web"
