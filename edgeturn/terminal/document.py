"""One picture as a JSON document, for programs; names and units stand in the keys, as on the control socket."""

from dataclasses import asdict
from typing import Any

from edgeturn.terminal.picture import Picture, Rates, Session, User


def document(seen: Picture) -> dict[str, Any]:
    """Return what one frame shows."""
    return {
        "status": dict(seen.status),
        "rates": _rates(seen.rates),
        "refused_per_second": dict(seen.refused),
        "dropped_per_second": dict(seen.dropped),
        "users": [_user(each) for each in seen.users],
        "sessions": [_session(each) for each in seen.sessions],
    }


def _rates(rates: Rates) -> dict[str, float | None]:
    per_second = {f"{name}_per_second": value for name, value in asdict(rates).items() if name != "kernel"}
    return per_second | {"kernel_share": rates.kernel}


def _session(each: Session) -> dict[str, Any]:
    return dict(each.told) | {"rates": _rates(each.rates)}


def _user(each: User) -> dict[str, Any]:
    return {
        "user": each.name,
        "sessions": each.sessions,
        "credentials": each.credentials,
        "carried_bytes": each.carried_bytes,
        "rates": _rates(each.rates),
    }
