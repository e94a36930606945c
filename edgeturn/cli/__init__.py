"""The command line tool. Nothing of it stays in memory while a relay runs: `run` hands its process to the daemon.

Rule 1: a file of a command's name is that command; NAME_….py is what belongs to it; other names are there for several.
"""


def main() -> None:
    """Run the tool; the entry point of the package."""
    from edgeturn.cli.root import edgeturn

    edgeturn(prog_name="edgeturn")
