"""What is said of a document that nobody can read: one sentence with its name and what would be."""

from edgeturn.command.failure import Wrong


class Unreadable(Wrong):
    """A document that is none of those that are understood, or is broken."""
