"""What is printed: amounts and times as people say them, tables, and JSON that is readable for people too."""

import json
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeturn.protocol.limits import Limits

_UNITS = ("kB", "MB", "GB")


def print_json(document: object) -> None:
    """Print a JSON document."""
    print(json_text(document))


def json_text(document: object, margin: str = "") -> str:
    """Return JSON in lines, which MicroPython's own hasn't."""
    inner = margin + "  "
    if isinstance(document, str):
        return _string(document)
    if isinstance(document, dict) and document:
        rows = [f"{_string(str(key))}: {json_text(document[key], inner)}" for key in document]
        return "{\n" + ",\n".join([inner + row for row in rows]) + f"\n{margin}}}"
    if isinstance(document, (list, tuple)) and document:
        return "[\n" + ",\n".join([inner + json_text(each, inner) for each in document]) + f"\n{margin}]"
    return json.dumps(document)


def _string(text: str) -> str:
    """Return a string of JSON, with the letters of other languages as they are."""
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n")):
        text = text.replace(plain, escaped)
    return '"' + "".join([f"\\u{ord(each):04x}" if each < " " else each for each in text]) + '"'


def print_table(header: "Sequence[str]", rows: "Sequence[Sequence[object]]") -> None:
    """Print a table; its columns are as wide as they need to be."""
    cells = [list(header)] + [[str(cell) for cell in row] for row in rows]
    widths = [max([len(row[column]) for row in cells]) for column in range(len(header))]
    for row in cells:
        print("  ".join([cell + " " * (width - len(cell)) for cell, width in zip(row, widths)]).rstrip())


def counted(count: int, noun: str) -> str:
    """Return a number of things as people say it."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def of_the_relay_before(orphans: int) -> str:
    """Return what is said behind a number of channels of those that a restart left in the kernel."""
    return f", and {orphans} of the relay before it" if orphans else ""


def pool_text(limits: "Limits") -> str:
    """Return what an allocation has, as people say it."""
    text = f"{counted(limits.max_permissions, 'permission')} and {counted(limits.max_channels, 'channel')}"
    count = limits.all_channels(limits.max_allocations)
    is_shared = count < limits.max_allocations * limits.max_channels
    return f"{text} at most ({count} channels in all)" if is_shared else text


def bytes_text(count: int) -> str:
    """Return a number of bytes as people say it."""
    if count < 1024:
        return f"{count} bytes"
    unit = 1024
    for name in _UNITS:
        if count < unit << 10 or name == _UNITS[-1]:
            break
        unit <<= 10
    if count >= 100 * unit:
        return f"{(count + unit // 2) // unit} {name}"
    tenths = (count * 10 + unit // 2) // unit
    return f"{tenths // 10}.{tenths % 10} {name}"


def seconds_text(seconds: int) -> str:
    """Return a time as people say it, its two largest parts."""
    parts = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    told = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(told[:2]) or "0 s"


def date_text(seconds: int) -> str:
    """Return a Unix time as people write it."""
    year, month, day, hour, minute, second = time.gmtime(seconds)[:6]
    return f"{year}-{month:02d}-{day:02d} {hour:02d}:{minute:02d}:{second:02d} UTC"
