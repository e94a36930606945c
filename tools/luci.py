"""
The parts of luci-app-edgeturn that are made from others: `python -m tools.luci` writes them, a test compares them.

Rule 1: options.js is the relay's table of options: kinds, bounds, defaults and sentences are said once, in Python.
Rule 2: trickle.js is that of the page of `edgeturn web`: one module gathers candidates in a visitor's browser for both.
Rule 3: edgeturn.pot has every text of the views that can be translated, by the places where it stands.
"""

import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgeturn.relay import options
from edgeturn.relay.options import Option

ROOT = Path(__file__).resolve().parents[1]
APP = ROOT / "firmware" / "openwrt" / "luci-app-edgeturn"
VIEWS = APP / "htdocs" / "luci-static" / "resources"
OPTIONS = VIEWS / "edgeturn" / "options.js"
TRICKLE = APP / "htdocs" / "luci-static" / "edgeturn" / "trickle.js"
TEMPLATE = APP / "po" / "templates" / "edgeturn.pot"
MENU = APP / "root" / "usr" / "share" / "luci" / "menu.d" / "luci-app-edgeturn.json"
_WRONG = ("", "?!", '"')  # of every kind, one of these is no value
_OF_KIND = ("least", "most", "words", "scheme")
_TEXT = re.compile(r"""\b_\('((?:[^'\\]|\\.)*)'\)""")
_HEAD = "'use strict';\n'require baseclass';\n\n/* Made from edgeturn/relay/options.py by `python -m tools.luci`. */\n"
_POT_HEAD = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8"\n'


def row(option: Option) -> dict[str, Any]:
    """Return an option as the views know it."""
    made: dict[str, Any] = {"name": option.name, "list": option.is_list, "live": option.live}
    if option.default is not None:
        made["default"] = option.default
    return made | _kind(option.kind)


def options_js() -> str:
    """Return the file with the options of the relay section."""
    rows = ",\n".join(_row(option) for option in options.OPTIONS if option.section == "relay")
    return f"{_HEAD}return baseclass.extend({{ rows: [\n{rows}\n] }});\n"


def trickle_js() -> str:
    """Return the module that tests the relay from a browser."""
    return (ROOT / "edgeturn" / "web" / "page" / "trickle.js").read_text()


def _row(option: Option) -> str:
    """Return an option as JavaScript; its sentences can be translated."""
    known = json.dumps(row(option), ensure_ascii=False).removesuffix("}")
    said = ", ".join(f'"{name}": _({_quoted(text)})' for name, text in _said(option))
    return f"\t{known}, {said} }}"


def _said(option: Option) -> tuple[tuple[str, str], ...]:
    return ("wants", _wants(option.kind)), ("about", option.about)


def _quoted(text: str) -> str:
    """Return a JavaScript string in single quotes, as the views have them."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def template() -> str:
    """Return the texts of the views and the menu, as gettext wants them."""
    places: dict[str, list[str]] = {}
    for file in sorted(VIEWS.rglob("*.js")):
        for number, line in enumerate(file.read_text().split("\n"), 1):
            for found in _TEXT.findall(line):
                places.setdefault(found.replace("\\'", "'"), []).append(f"{file.relative_to(APP)}:{number}")
    for entry in json.loads(MENU.read_text()).values():
        places.setdefault(entry["title"], []).append(str(MENU.relative_to(APP)))
    return _POT_HEAD + "".join(_message(text, places[text]) for text in sorted(places))


def _message(text: str, places: list[str]) -> str:
    lines = "".join(f"#: {place}\n" for place in places)
    return f'\n{lines}msgid {json.dumps(text, ensure_ascii=False)}\nmsgstr ""\n'


def _kind(kind: Callable[[str], object]) -> dict[str, Any]:
    """Return a kind's name and its bounds, which a function that makes kinds has closed over."""
    closed = inspect.getclosurevars(kind).nonlocals
    inner = _kind(closed["kind"]) if "kind" in closed else {}
    return (
        {"kind": kind.__qualname__.split(".")[0]} | {name: closed[name] for name in _OF_KIND if name in closed} | inner
    )


def _wants(kind: Callable[[str], object]) -> str:
    """Return what a kind says of what it doesn't take."""
    for value in _WRONG:
        try:
            kind(value)
        except ValueError as error:
            return str(error)
    raise AssertionError(kind)


def main() -> None:
    """Write the files."""
    OPTIONS.write_text(options_js())
    TRICKLE.parent.mkdir(exist_ok=True)
    TRICKLE.write_text(trickle_js())
    TEMPLATE.write_text(template())


if __name__ == "__main__":
    main()
