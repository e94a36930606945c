"""What a running relay knows of the NAT in front of it, in words: for `check` and `status`."""

from pathlib import Path
from typing import Any

from edgeturn.cli import external, place
from edgeturn.cli.probe import FAILED, PASSED, Result
from edgeturn.relay.configuration import Configuration

_STEP = "external address"


def report(settings: Configuration, file: Path) -> list[Result]:
    """Judge each relay address that stands behind something, where the relay runs."""
    return [_result(each, file) for each in external.known(settings) if each["nat"] != "none" or each["problems"]]


def words(found: dict[str, Any]) -> str:
    """Return what is known of one relay address, in words."""
    told = f"{found['address'] or 'not known yet'} for {found['relay_address']}, {found['nat']}"
    ports = f", {found['mapped_ports']} of {found['ports']} ports mapped" if found.get("ports") else ""
    return told + (f" by {found['by']}" if found["by"] else "") + ports


def _result(found: dict[str, Any], file: Path) -> Result:
    problems = " ".join(found["problems"])
    then = f"do what fits of that; `{place.command('status', file)}` shows what the relay finds then"
    return Result("", "", "", _STEP, *((FAILED, words(found), problems, then) if problems else (PASSED, words(found))))
