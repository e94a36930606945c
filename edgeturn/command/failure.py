"""What goes wrong, and the codes that the tool ends with.

Rule 1: an error is one sentence: what is wrong, where, and what to do.
Rule 2: a script can tell by the code who has to act: nobody, who runs the machine, who typed or configured, or who
        runs the relay.
"""

DONE = 0
FAILED = 1
WRONG = 2
FAULT = 3

EXIT_CODES = (
    (DONE, "done; of a relay: ended as it was told to"),
    (FAILED, "it can't be done: no relay reached, address in use, no permission, stopped by hand"),
    (WRONG, "wrong usage or configuration; nothing was changed"),
    (FAULT, "`check` or `probe` found a fault"),
)


class Failure(Exception):
    """What couldn't be done."""

    exit_code = FAILED

    def __init__(self, message: str) -> None:
        """Take the sentence."""
        super().__init__(message)
        self.message = message


class Wrong(Failure):
    """What was typed or configured wrongly."""

    exit_code = WRONG
