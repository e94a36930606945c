"""The command line tool. Nothing of it stays in memory while a relay runs: `run` hands its process to the daemon."""


def main() -> None:
    """Run the tool; the entry point of the package."""
    from edgeturn.cli.root import edgeturn

    edgeturn(prog_name="edgeturn")
