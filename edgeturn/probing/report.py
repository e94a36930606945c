"""What a probe has found, as JSON; times are milliseconds."""

from dataclasses import asdict
from typing import Any

from edgeturn.diagnose.evidence import IceError
from edgeturn.probing import verdict
from edgeturn.probing.behaviour import Behaviour
from edgeturn.probing.candidate import Gathered
from edgeturn.probing.echo import Measured
from edgeturn.probing.gathering import LookUp
from edgeturn.probing.picture import Picture
from edgeturn.protocol import address
from edgeturn.protocol.address import format_ip


def as_json(picture: Picture) -> dict[str, Any]:
    """Return all that was found."""
    return {
        "servers": [each.uri for each in picture.wanted],
        "candidates": [_candidate(each) for each in picture.gathered],
        "errors": [_error(each) for each in picture.errors],
        "names": [_look_up(each) for each in picture.look_ups],
        "nat": [_behaviour(each) for each in picture.behaviours],
        "router_says": {format_ip(ip): format_ip(outer) for ip, outer in picture.outer.items()},
        "unreached": picture.gave_nothing(),
        "verdict": [] if picture.stopped else verdict.conclude(picture),
        "stopped": picture.stopped,
    }


def _candidate(each: Gathered) -> dict[str, Any]:
    found = each.candidate
    return {
        "candidate": each.line(),
        "type": found.kind,
        "address": found.address,
        "port": found.port,
        "related": found.related,
        "priority": found.priority,
        "foundation": each.foundation,
        "base": address.format(each.base),
        "server": found.server,
        "relay_transport": found.relay_transport,
        "milliseconds": milliseconds(found.at),
    }


def _error(each: IceError) -> dict[str, Any]:
    return {"server": each.server, "code": each.code, "text": each.text, "milliseconds": milliseconds(each.at)}


def _look_up(each: LookUp) -> dict[str, Any]:
    places = [address.format(place) for place in each.places]
    return {"server": each.uri, "name": each.name, "places": places, "milliseconds": milliseconds(each.seconds)}


def _behaviour(each: Behaviour) -> dict[str, Any]:
    return {
        "server": address.format(each.server),
        "base": address.format(each.base),
        "mapped": address.format(each.mapped) if each.mapped else None,
        "mapping": each.mapping or None,
        "filtering": each.filtering or None,
        "hairpin": each.hairpin,
        "keeps_port": each.keeps_port,
        "unknown": each.unknown,
    }


def measured(found: Measured) -> dict[str, Any]:
    """Return what packets through a relay met with."""
    figures = {name: _rounded(value) for name, value in asdict(found.figures).items()}
    figures["latencies"] = [_rounded(each) for each in found.figures.latencies]
    places = {"relayed": found.relayed, "other": found.other, "other_is": found.other_is}
    return places | {"stopped": found.stopped, "loss_percent": _rounded(found.figures.loss)} | figures


def _rounded(value: Any) -> Any:
    return round(value, 3) if isinstance(value, float) else value


def milliseconds(seconds: float) -> float:
    """Return seconds as milliseconds, to the tenth."""
    return round(seconds * 1000, 1)
