"""
The option table in the words of OpenWrt's validate_data: the lines of `uci_load_validate` in the init script.

Rule 1: a type of OpenWrt's may take more than ours, never less: what it refuses is refused by the relay, too.
Rule 2: the init script's lines are these, which a test compares; `python3 -m firmware.openwrt validation` prints them.
"""

import inspect

from edgeturn.relay import options
from edgeturn.relay.options import Option

# Kind of the option table -> type of validate_data; {} are the values that the kind was made with.
_TYPES = {
    "text": "minlength(1)",
    "absolute": "string",
    "realm": "rangelength(1,127)",
    "number": "range({least},{most})",
    "size": "string",
    "boolean": "bool",
    "place": "string",
    "server": "string",
    "uri": "string",
    "ice_uri": "string",
    "ip": "ipaddr",
    "external": "string",
    "prefix": "or(ipaddr,cidr)",
    "port_range": "portrange",
    "hex_key": "and(hexstring,rangelength({digits},{digits}))",
    "token_key": "string",
    "unix_time": "uinteger",
}


def lines(section: str) -> list[str]:
    """Return what validate_data is given for each option of a section type: name:type or name:type:default."""
    return [_line(option) for option in options.OPTIONS if option.section == section]


def _line(option: Option) -> str:
    kind = f"list({_type(option)})" if option.is_list else _type(option)
    words = [option.name, kind] if option.default is None else [option.name, kind, option.default]
    return ":".join(words)


def _type(option: Option) -> str:
    maker = option.kind.__qualname__.partition(".")[0]
    made_with = inspect.getclosurevars(option.kind).nonlocals
    if maker == "choice":
        return "or({})".format(",".join(f'"{word}"' for word in made_with["words"]))
    return _TYPES[maker].format(**made_with)


def script() -> str:
    """Return the functions of the init script that validate each section type."""
    return "\n\n".join(_function(section) for section in options.section_kinds()) + "\n"


def _function(section: str) -> str:
    arguments = " \\\n".join(f"\t\t'{line}'" for line in lines(section))
    return f'validate_{section}() {{\n\tuci_load_validate edgeturn {section} "$1" "$2" \\\n{arguments}\n}}'
