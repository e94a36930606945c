"""A new configuration, as this tool asks for it; what stands in it is in edgeturn/command/identity.py."""

from dataclasses import dataclass
from pathlib import Path

from edgeturn.command import identity
from edgeturn.command.identity import found_realm, random_word

__all__ = ["Answers", "create", "found_realm", "random_word"]


@dataclass(frozen=True)
class Answers:
    """What a person may want otherwise: the realm, the address to announce, prefixes that may be peers."""

    realm: str
    external: str = ""
    allowed: tuple[str, ...] = ()


def create(file: Path, answers: Answers) -> None:
    """Make the file of a new relay, mode 0600; Wrong, and nothing made, where it would be no correct configuration."""
    identity.create(str(file), answers.realm, answers.external, answers.allowed)
