"""Which addresses a running relay has found to be its external ones, where the configuration leaves that to it."""

from typing import Any

from edgeturn.cli import control
from edgeturn.protocol import address
from edgeturn.relay.configuration import Configuration
from edgeturn.relay.nat.external import AUTO


def learn(settings: Configuration) -> None:
    """Take over what the running relay has found, so that `announced` says it."""
    if AUTO in settings.items("external_address") and not settings.found:
        for each in known(settings):
            if each["address"]:
                settings.found[address.parse_ip(each["relay_address"])] = address.parse_ip(each["address"])


def known(settings: Configuration) -> list[dict[str, Any]]:
    """Return what the running relay says of its relay addresses, nothing where none runs."""
    status: dict[str, Any] = control.is_served(settings) or {}
    found: list[dict[str, Any]] = status.get("external", [])
    return found
