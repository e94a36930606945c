"""The command for places without click: a router's firmware and packages, on both interpreters.

    python -m edgeturn.command status        micropython -m edgeturn.command status        edgeturn status

Rule 1: what there is stands in table.py, for the click tool too; words, exit codes and JSON are the same in both.
Rule 2: a command's file is loaded when it is called; what click's tool needs as well is here and without click.
Rule 3: integers only, and nothing that MicroPython 1.23 hasn't got.
"""


def main(arguments: "list[str]") -> int:
    """Run a command line without the program's name; return the exit code."""
    from edgeturn.command import calling

    return calling.main(arguments)
