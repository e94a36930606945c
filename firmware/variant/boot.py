"""
The first module: it makes of the command line what runs.

`edgeturn COMMAND …` is edgeturn.command; `edgeturn -m MODULE …` runs a module or a package's __main__,
as every interpreter does.
"""

import sys


def run_module(arguments: "list[str]") -> None:
    """Import a module as __main__; the arguments begin with its name."""
    sys.argv[:] = arguments
    as_main = False  # what this MicroPython takes instead of the names to import
    module = __import__(arguments[0], None, None, as_main)
    if hasattr(module, "__path__"):
        __import__(arguments[0] + ".__main__", None, None, as_main)


if sys.argv[1:2] == ["-m"] and len(sys.argv) > 2:
    run_module(sys.argv[2:])
else:
    from edgeturn.command import main

    sys.exit(main(sys.argv[1:]))
