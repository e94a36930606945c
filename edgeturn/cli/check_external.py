"""What a running relay knows of the NAT in front of it, in words: for `check`."""

from pathlib import Path
from typing import Any

from edgeturn.cli import place
from edgeturn.cli.check_steps import FAILED, PASSED, Result
from edgeturn.command.addresses import known
from edgeturn.command.report import external_text
from edgeturn.relay.configuration import Configuration

_STEP = "external address"


def report(settings: Configuration, file: Path) -> list[Result]:
    """Judge each relay address that stands behind something, where the relay runs."""
    return [_result(each, file) for each in known(settings) if each["nat"] != "none" or each["problems"]]


def _result(found: dict[str, Any], file: Path) -> Result:
    problems = " ".join(found["problems"])
    then = f"do what fits of that; `{place.command('status', file)}` shows what the relay finds then"
    told = external_text(found)
    return Result("", "", "", _STEP, *((FAILED, told, problems, then) if problems else (PASSED, told)))
