"""`edgeturn kernel`: attach the program that carries media, take it away, and show what it does, without pyroute2.

What does it is loaded when it's called, for it takes memory.
"""

from edgeturn.command import control, place
from edgeturn.command.failure import Failure
from edgeturn.command.output import bytes_text, counted, of_the_relay_before, print_json, print_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from edgeturn.command.calling import Given
    from edgeturn.relay.configuration import Configuration


def attach(given: "Given") -> None:
    """Attach to the interfaces that packets of this relay come in by."""
    settings = place.read(given.file)

    def act() -> "dict[str, Any] | None":
        from edgeturn.kernel.direct import attachment

        names, again = tuple(given.texts("--interface")), not given.flag("--following")
        attachment.attach(settings, names, given.flag("--enable-forwarding"), again)
        return _tell_relay(settings)

    told = _tried(settings, act)
    _show(settings, told, given, "no interface of this relay can be attached to now.")


def detach(given: "Given") -> None:
    """Take everything away."""
    settings = place.read(given.file)
    done = _tried(settings, lambda: _take_away(settings))
    done["relay"] = _tell_relay(settings)
    if given.flag("--json"):
        print_json(done)
        return
    names = ", ".join(done["detached"])
    print(f"Detached from {names}." if names else "Nothing was attached.")
    for what, where in done["undone"].items():
        print(f"Put back: {what} at {', '.join(where)}.")
    if names and done["relay"] is not None:
        print("The relay that runs goes on in Python.")


def _take_away(settings: "Configuration") -> "dict[str, Any]":
    """Detach; return what became of it."""
    from edgeturn.kernel.direct import attachment, inspection, survey
    from edgeturn.kernel.hooks import FORWARDING_IPV4, FORWARDING_IPV6, GRO

    folder = inspection.folder_of(settings)
    had_pins, changed = place.exists(folder + "/hooks"), inspection.changes(folder)
    found = attachment.detach(settings)
    undone = survey.put_back(changed)
    rows = (("forwarding_ipv4", FORWARDING_IPV4), ("forwarding_ipv6", FORWARDING_IPV6), ("gro", GRO))
    return {
        "detached": found,
        "undone": {name: undone[number] for name, number in rows if undone.get(number)},
        "pins_lost": bool(found) and not had_pins,
    }


def status(given: "Given") -> None:
    """Show what is attached and what it carries."""
    settings = place.read(given.file)
    running: Any = control.is_served(settings)
    hint = f"`{place.command('kernel attach', given.file)}` does it, as root."
    _show(settings, running and running.get("kernel"), given, hint)


def document(file: str) -> "dict[str, Any]":
    """Return what is attached and what it carries, and where the relay that runs stands, as `--json` has it."""
    settings = place.read(file)
    running: Any = control.is_served(settings)
    return _document(settings, running and running.get("kernel"))


def _document(settings: "Configuration", told: "dict[str, Any] | None") -> "dict[str, Any]":
    def act() -> "dict[str, Any]":
        from edgeturn.kernel.direct import attachment

        return attachment.status(settings, _typed(settings), told)

    found: dict[str, Any] = _tried(settings, act)
    found["relay"] = told
    return found


def _tried(settings: "Configuration", act: "Callable[[], Any]") -> "Any":
    """Return what an action returns; Failure, with what to do, where it can't be done."""
    from edgeturn.kernel import hooks, loader
    from edgeturn.kernel.direct import report

    try:
        return act()
    except (loader.LoadError, hooks.Unattachable) as error:
        message = f"{error}."
    except OSError as error:
        message = report.explain(error, settings, _typed(settings))
    raise Failure(message)


def _typed(settings: "Configuration") -> "Callable[[str], str]":
    """Return what gives the command to type, by its words."""
    return lambda words: place.command(words, settings.file)


def _show(settings: "Configuration", told: "dict[str, Any] | None", given: "Given", missing: str) -> None:
    """Print what is attached, how the relay stands to it, what was left to Python, what to do.

    missing: what is said where nothing is attached.
    """

    document = _document(settings, told)
    if given.flag("--json"):
        print_json(document)
        return
    if not document["attached"]:
        print(f"Nothing is attached; {missing}")
        return
    print_table(("INTERFACE", "HOOK", "STATE", "FLOWS", "PACKETS", "BYTES"), [_row(each) for each in document["hooks"]])
    print(f"\n{relay_text(told)}")
    for name, count in sorted(document["passed"].items(), key=lambda row: -int(row[1])):
        print(f"Passed to user space, {name}: {counted(count, 'packet')}.")
    if document["dropped"]:
        print(f"Dropped because a rate is used up: {counted(document['dropped'], 'packet')}.")
    for each in document["to_do"]:
        print(f"To do: {each}")


def _row(each: "dict[str, Any]") -> "tuple[object, ...]":
    state = f"{each['state']}: {each['reason']}" if each["reason"] else each["state"]
    return (each["interface"], each["hook"], state, each["flows"], each["packets"], bytes_text(each["bytes"]))


def _tell_relay(settings: "Configuration") -> "dict[str, Any] | None":
    """Let the relay that runs look at its maps; return where it stands, None where none runs."""
    try:
        return control.ask(settings, "kernel")
    except control.Unreachable:
        return None
    except control.Refused as error:
        return {"state": "failed", "reason": error.message.rstrip("."), "channels": 0}


def relay_text(told: "dict[str, Any] | None") -> str:
    """Return how the relay that runs stands to the kernel path; told: its answer, None where none runs."""
    if told is None:
        return "No relay runs with this configuration now; the next one finds what is attached."
    if told["reason"]:
        return f"The relay that runs leaves media in Python: {told['reason']}."
    if told["state"] == "off":
        return "The relay that runs leaves media in Python: option `kernel` was off when it started."
    channels = counted(told["channels"], "channel")
    return f"The relay that runs has {channels} in the kernel{of_the_relay_before(told.get('orphans', 0))}."
