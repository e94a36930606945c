"""What stands instead of the tables while somebody asks: the keys, or all that is known of one session or user."""

from collections.abc import Sequence
from textwrap import wrap

from edgeturn.command.output import bytes_text, seconds_text
from edgeturn.terminal.amounts import bits, packets, share
from edgeturn.terminal.columns import path
from edgeturn.terminal.header import Scene
from edgeturn.terminal.picture import Session, User
from edgeturn.terminal.style import BOLD, DIM, KEY, PLAIN, Line
from edgeturn.terminal.view import Row, View, chosen_row

_HELP = (
    ("{arrows}", "choose a row; page up, page down, home and end as well"),
    ("enter", "all that is known of it"),
    ("k", "end the session, or all of the user; it asks before"),
    ("/", "filter as you type: by user, client, relayed address or peer; esc takes it away"),
    ("< >", "sort by the column before or behind; s and S as well"),
    ("r", "turn the order round"),
    ("tab", "users or sessions"),
    ("space", "pause, and go on"),
    ("q", "quit"),
)
_WORDS = (
    ("PATH", "who carries: the kernel, Python, or `k 40 %` where the kernel has that part of the packets"),
    ("LOGINS", "credentials of a user; time-limited ones have EXPIRY:USER for a username, and go together"),
    ("UP", "from clients to peers, DOWN the other way; bits per second of data"),
    ("refused", "answers by error code; a 401 is how each login begins, so some are usual"),
    ("dropped", "what got no answer, by reason"),
)


def help_lines(scene: Scene) -> list[Line]:
    """Return the keys, and what the words mean."""
    keys = [(key.format(arrows=scene.glyphs.arrows), text) for key, text in _HELP]
    return [
        [("Keys", BOLD)],
        *_explained(keys, scene.columns),
        [],
        [("Words", BOLD)],
        *_explained(_WORDS, scene.columns),
    ]


def _explained(pairs: Sequence[tuple[str, str]], columns: int) -> list[Line]:
    indent = max(len(word) for word, _ in pairs) + 4
    lines: list[Line] = []
    for word, text in pairs:
        first, *others = wrap(text, max(columns - indent, 10))
        lines.append([(f"  {word:<{indent - 2}}", KEY), (first, PLAIN)])
        lines += [[(" " * indent + other, PLAIN)] for other in others]
    return lines


def detail_lines(scene: Scene, view: View, shown: Sequence[Row]) -> list[Line]:
    """Return all that is known of the chosen row."""
    at = chosen_row(view, shown)
    if at is None:
        return [[("It has ended.", PLAIN)]]
    row = shown[at]
    pairs = _user(row) if isinstance(row, User) else _session(row)
    lines: list[Line] = []
    for name, text in pairs:
        first, *others = wrap(text, max(scene.columns - 14, 10)) or ["-"]
        lines.append([(f"{name:<14}", DIM), (first, PLAIN)])
        lines += [[(" " * 14 + other, PLAIN)] for other in others]
    return lines


def _session(each: Session) -> list[tuple[str, str]]:
    told, rates = each.told, each.rates
    return [
        ("session", str(each.number)),
        ("user", each.user),
        ("client", f"{told['client']} by {str(told['transport']).upper()}"),
        ("relayed", f"{', '.join(told['relayed'])} by {str(told['relayed_transport']).upper()}"),
        ("age", seconds_text(told["age_seconds"])),
        ("idle for", seconds_text(told["idle_seconds"])),
        ("ends in", f"{seconds_text(told['expires_seconds'])}, unless it's refreshed"),
        ("up", _carried(rates.up_bits, rates.up_packets, told["up_bytes"])),
        ("down", _carried(rates.down_bits, rates.down_packets, told["down_bytes"])),
        ("carried by", f"{path(rates, told['kernel_channels'])}; kernel so far {bytes_text(told['kernel_bytes'])}"),
        ("permissions", str(told["permissions"])),
        ("channels", f"{told['channels']}, {told['kernel_channels']} of them in the kernel"),
        ("peers", ", ".join(told["peers"])),
        ("TCP peers", ", ".join(told["tcp_peers"])),
    ]


def _user(each: User) -> list[tuple[str, str]]:
    rates = each.rates
    return [
        ("user", each.name),
        ("sessions", str(each.sessions)),
        ("credentials", f"{each.credentials}, as many as usernames that they log in by"),
        ("up", f"{bits(rates.up_bits)}, {packets(rates.up_packets)}"),
        ("down", f"{bits(rates.down_bits)}, {packets(rates.down_packets)}"),
        ("in kernel", share(rates.kernel)),
        ("carried", bytes_text(each.carried_bytes)),
    ]


def _carried(per_second: float, packets_per_second: float, size: int) -> str:
    return f"{bits(per_second)}, {packets(packets_per_second)}, {bytes_text(size)} so far"
