"""The reference of options, made from their table: for a terminal, for the README, for the manual page."""

from collections.abc import Callable

from edgeturn.relay import options
from edgeturn.relay.options import Option


def rows() -> list[dict[str, object]]:
    """Return every option for programs."""
    return [
        {
            "section": option.section,
            "name": option.name,
            "list": option.is_list,
            "default": option.default,
            "applied_on": _applied(option),
            "about": option.about,
        }
        for option in options.OPTIONS
    ]


def text() -> str:
    """Return every option for a terminal."""
    lines = []
    for kind in options.section_kinds():
        lines.append(_heading(kind))
        for option in _of(kind):
            lines += [f"  {_signature(option)}  (applied on {_applied(option)})", f"      {option.about}"]
    return "\n".join(lines) + "\n"


def markdown() -> str:
    """Return a table for each kind of section."""
    lines = []
    for kind in options.section_kinds():
        lines += [f"### config {kind}", "", "| | option | default | applied on | |", "|---|---|---|---|---|"]
        for option in _of(kind):
            default = "" if option.default is None else f"`{option.default}`"
            lines.append(f"| {_keyword(option)} | `{option.name}` | {default} | {_applied(option)} | {option.about} |")
        lines.append("")
    return "\n".join(lines)


def roff() -> str:
    """Return the sections of a manual page."""
    lines = []
    for kind in options.section_kinds():
        lines.append(f'.SS "{_heading(kind)}"')
        for option in _of(kind):
            lines += [
                ".TP",
                f".B {_escaped(_signature(option))}",
                _escaped(option.about),
                f"Applied on {_applied(option)}.",
            ]
    return "\n".join(lines) + "\n"


FORMS: dict[str, Callable[[], str]] = {"text": text, "markdown": markdown}


def _heading(kind: str) -> str:
    return f"config {kind}" + ("" if kind == "relay" else " 'NAME'")


def _signature(option: Option) -> str:
    default = "" if option.default is None else f" = {option.default}"
    return f"{_keyword(option)} {option.name}{default}"


def _escaped(line: str) -> str:
    """Return a line in which roff sees no command."""
    line = line.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + line if line[:1] in (".", "'") else line


def _of(kind: str) -> list[Option]:
    return [option for option in options.OPTIONS if option.section == kind]


def _keyword(option: Option) -> str:
    return "list" if option.is_list else "option"


def _applied(option: Option) -> str:
    return "reload" if option.live else "restart"
