"""`python -m edgeturn`: the command line tool."""

from edgeturn.cli import main

main()
