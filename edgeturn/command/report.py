"""What a running relay says of itself, in rows for people: its status and its sessions."""

from edgeturn.command.output import bytes_text, counted, of_the_relay_before, seconds_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SESSION_HEADER = (
    "ID", "USER", "CLIENT", "BY", "RELAYED", "AGE", "IDLE", "ENDS IN", "UP", "DOWN", "CHANNELS", "IN KERNEL",
)  # fmt: skip
_WORTH_A_LOOK = ("reservations", "unsent_packets", "lost_log_lines", "failures")  # mostly 0, and then not shown


def status_rows(answer: "dict[str, Any]") -> "list[tuple[str, object]]":
    """Return what is shown of a status, with the names of its lines."""
    state = "draining" if answer["draining"] else "running"
    rows = [
        ("edgeturn", f"{answer['version']} on {answer['interpreter']}, process {answer['process']}, {state}"),
        ("running for", seconds_text(answer["uptime_seconds"])),
        ("configuration", answer["configuration"]),
        ("realm", answer["realm"]),
        ("listening on", ", ".join(answer["listening"])),
        ("", _transports(answer)),
    ]
    rows += [("", reason) for reason in answer["not_listening"]]
    rows.append(("relaying from", ", ".join(answer["relay_addresses"])))
    rows += [("", f"{ip} is away now: no new allocation there") for ip in answer["addresses_away"]]
    rows += _external(answer["external"])
    rows.append(("allocations", "{allocations} of {max_allocations}, {allocated_ever} so far".format(**answer)))
    rows += _connections(answer) + _traffic(answer["traffic"])
    rows += [("refused", _counts(answer["refused"])), ("dropped", _counts(answer["dropped"]))]
    rows.append(("kernel path", _kernel(answer["kernel"])))
    rows += _certificate(answer["certificate"])
    rows += [(name.replace("_", " "), answer[name]) for name in _WORTH_A_LOOK if answer[name]]
    return rows + [("memory", bytes_text(answer["memory_bytes"]))]


def session_row(each: "dict[str, Any]") -> "tuple[object, ...]":
    """Return what is shown of a session."""
    return (
        each["session"],
        each["user"],
        each["client"],
        each["transport"].upper(),
        ", ".join(each["relayed"]),
        seconds_text(each["age_seconds"]),
        seconds_text(each["idle_seconds"]),
        seconds_text(each["expires_seconds"]),
        bytes_text(each["up_bytes"]),
        bytes_text(each["down_bytes"]),
        each["channels"],
        f"{each['kernel_channels']}, {bytes_text(each['kernel_bytes'])}",
    )


def external_text(found: "dict[str, Any]") -> str:
    """Return what is known of one relay address, in words."""
    told = f"{found['address'] or 'not known yet'} for {found['relay_address']}, {found['nat']}"
    ports = f", {found['mapped_ports']} of {found['ports']} ports mapped" if found.get("ports") else ""
    return told + (f" by {found['by']}" if found["by"] else "") + ports


def _transports(answer: "dict[str, Any]") -> str:
    """Return by which transports clients come in, and where, if that isn't everywhere."""
    datagrams = "by UDP and DTLS" if answer["dtls"] else "by UDP"
    streams = "TCP and TLS" if answer["certificate"] else "TCP"
    places = answer["listening_tcp"]
    if not places:
        return datagrams
    if len(places) == len(answer["listening"]):
        return f"{datagrams}, {streams}"
    return f"{datagrams}; by {streams} at {', '.join(places)} only"


def _connections(answer: "dict[str, Any]") -> "list[tuple[str, object]]":
    """Return how full the pools of connections and sessions are, those that there are."""
    streams, dtls = answer["streams"], answer["dtls"]
    rows: list[tuple[str, object]] = []
    if streams:
        kinds = ", ".join([f"{streams[kind]} by {kind.upper()}" for kind in ("tcp", "tls")])
        handed = f", {streams['spliced']} handed to a backend" if streams["max_spliced"] and streams["spliced"] else ""
        rows.append(("connections", f"{streams['connections']} of {streams['max_connections']}: {kinds}{handed}"))
    if dtls:
        rows.append(("DTLS sessions", f"{dtls['sessions']} of {dtls['max_sessions']}"))
    return rows


def _traffic(counts: "dict[str, int]") -> "list[tuple[str, object]]":
    """Return what was relayed."""
    ways = (("relayed up", "up"), ("relayed down", "down"), ("of it in kernel", "kernel"))
    return [(name, _carried(counts[f"{way}_packets"], counts[f"{way}_bytes"])) for name, way in ways]


def _carried(packets: int, size: int) -> str:
    return f"{counted(packets, 'packet')}, {bytes_text(size)}"


def _external(found: "list[dict[str, Any]]") -> "list[tuple[str, object]]":
    """Return how the world knows the relay where that isn't by its own addresses, and what is wrong with it."""
    rows: list[tuple[str, object]] = []
    for each in found:
        if each["address"] != each["relay_address"] or each["problems"]:
            rows.append(("known as", external_text(each)))
            rows += [("", problem) for problem in each["problems"]]
    return rows


def _kernel(path: "dict[str, Any]") -> str:
    """Return where the kernel path stands, in words."""
    words = [path["state"]]
    if path["reason"]:
        words.append(path["reason"])
    if path["state"] == "on":
        carried = counted(path["channels"], "channel") + of_the_relay_before(path["orphans"])
        words = [f"attached; carries {carried}"]
        held_up = _came_up_for_forwarding(path["folder"])
        if held_up:
            words.append(f"{counted(held_up, 'packet')} came up to Python because forwarding was off")
    if path["failures"]:
        words.append(f"{counted(path['failures'], 'failed call')}")
    return ", ".join(words)


def _came_up_for_forwarding(folder: str) -> int:
    """Return how many packets couldn't be sent on, 0 where that may not be read."""
    from edgeturn.kernel.direct import inspection  # here, because it takes memory

    try:
        found = inspection.inspect(folder)
    except OSError:
        return 0
    return found.outcomes["forwarding"] if found else 0


def _certificate(found: "dict[str, Any] | None") -> "list[tuple[str, str]]":
    """Return the lines about the certificate: what it is and how long, and what is wrong with it."""
    if found is None:
        return []
    left = found["expires_seconds"]
    ends = f"expires in {seconds_text(left)}" if left > 0 else "has expired"
    about = f"{', '.join(found['names']) or 'no name'}, issued by {found['issuer']}, {ends}"
    return [("certificate", about)] + [("", problem) for problem in found["problems"]]


def _counts(counts: "dict[str, int]") -> str:
    return ", ".join([f"{name}: {count}" for name, count in counts.items()]) or "none"
