"""What a relay says, as far as `top` reads it, with what a test changes."""

from typing import Any

from edgeturn.terminal.frame import frame
from edgeturn.terminal.glyphs import UNICODE, Glyphs
from edgeturn.terminal.header import Scene
from edgeturn.terminal.history import History
from edgeturn.terminal.picture import Look
from edgeturn.terminal.style import plain
from edgeturn.terminal.view import View

COUNTERS = ("up_packets", "up_bytes", "down_packets", "down_bytes", "kernel_packets", "kernel_bytes")


def counters(packets: int = 0, kernel: int = 0) -> dict[str, int]:
    """Return counters of so many packets of 1000 bytes up, half as many down, and the kernel's part of all."""
    return dict(
        zip(COUNTERS, (packets, 1000 * packets, packets // 2, 500 * packets, kernel, 1000 * kernel), strict=True)
    )


def status(**changes: Any) -> dict[str, Any]:
    """Return a status."""
    return {
        "version": "0.1.0",
        "interpreter": "CPython 3.11.2",
        "process": 77,
        "realm": "example.org",
        "uptime_seconds": 3723,
        "addresses_away": [],
        "not_listening": [],
        "external": [{"relay_address": "192.168.1.1", "address": "203.0.113.7", "problems": []}],
        "draining": False,
        "allocations": 3,
        "reservations": 0,
        "max_allocations": 64,
        "allocated_ever": 9,
        "traffic": counters(),
        "kernel": {"state": "on", "reason": "", "channels": 2},
        "certificate": None,
        "streams": {"connections": 3, "max_connections": 32},
        "dtls": None,
        "refused": {"401": 9, "486": 1},
        "tcp_relay": {"tcp_peers": 0, "max_tcp_peers": 0},
        "dropped": {"no permission": 4},
        "memory_bytes": 9 << 20,
    } | changes


def session(number: int = 1, user: str = "alice", packets: int = 0, kernel: int = 0, **changes: Any) -> dict[str, Any]:
    """Return a session."""
    return (
        {
            "session": number,
            "user": user,
            "client": f"192.0.2.{number % 250}:50000",
            "relayed": [f"203.0.113.7:{49152 + number}"],
            "relayed_transport": "udp",
            "transport": "udp",
            "age_seconds": 60 * number,
            "expires_seconds": 590,
            "idle_seconds": 0,
            "permissions": 1,
            "channels": 1,
            "tcp_peers": [],
            "kernel_channels": 0,
            "peers": [f"198.51.100.{number % 250}:40000"],
        }
        | counters(packets, kernel)
        | changes
    )


def seen(*looks: Look) -> History:
    """Return what somebody saw who looked so."""
    history = History()
    for each in looks:
        history.see(each, "12:00:00")
    return history


def drawn(
    history: History, view: View | None = None, columns: int = 80, rows: int = 24, glyphs: Glyphs = UNICODE
) -> list[str]:
    """Return the lines of a terminal."""
    lines = frame(Scene(history, columns, glyphs, "every 1 s"), view or View(), rows)
    return [plain(line) for line in lines]
