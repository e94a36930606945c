"""The init script's validation against the option table: every option, its type, bounds and default."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeturn.relay import options
from edgeturn.relay.configuration import Configuration
from edgeturn.relay.uci import ConfigError
from firmware.openwrt import staging, validation
from tests.openwrt.router import Router

INIT = staging.HERE / "edgeturn" / "files" / "edgeturn.init"

# By the name of the kind's function: values that the relay takes, values that it doesn't, and those of the latter that
# OpenWrt's type takes all the same, because it has no stricter one.
KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "text": (("a", "/run/x.sock"), ("",), ()),
    "absolute": (("/etc/x.pem",), (), ("x.pem",)),
    "realm": (("example.org", "r" * 127), ("r" * 128,), ('quo"te',)),
    "size": (("0", "125000", "2M", "1G"), (), ("2T", "fast")),
    "boolean": (("1", "0", "on", "off", "yes", "no", "true", "false", "enabled", "disabled"), ("2", "maybe"), ()),
    "place": (("192.0.2.1", "192.0.2.1:99", "[2001:db8::1]:99", "0.0.0.0"), (), ("nowhere",)),
    "server": (("stun.example.org", "192.0.2.1:3478"), (), ("no server",)),
    "uri": (("192.0.2.1:3478",), (), ("no server",)),
    "ice_uri": (("turn:turn.example.org?transport=udp", "stun:192.0.2.1"), (), ("https://example.org", "turn:")),
    "ip": (("192.0.2.1", "2001:db8::1"), ("nowhere", "192.0.2.0/24"), ()),
    "external": (("auto", "192.0.2.1", "192.0.2.1=198.51.100.1"), (), ("nowhere",)),
    "prefix": (("192.0.2.0/24", "192.0.2.1", "2001:db8::/32", "::1"), ("nowhere",), ("192.0.2.1/24",)),
    "port_range": (("49152-65535", "1024-1024"), ("65535-49152", "1024-70000", "1024"), ("80-90",)),
    "token_key": (("00112233445566778899aabbccddeeff",), (), ("short",)),
    "unix_time": (("0", "1800000000"), ("-1", "soon"), ()),
}


def samples(option: options.Option) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return good values, wrong ones, and wrong ones that only the relay sees."""
    import inspect

    kind = option.kind.__qualname__.partition(".")[0]
    made_with = inspect.getclosurevars(option.kind).nonlocals
    if kind == "number":
        least, most = made_with["least"], made_with["most"]
        return (str(least), str(most)), (str(least - 1), str(most + 1), "many"), ()
    if kind == "choice":
        return made_with["words"], ("nothing",), ()
    if kind == "hex_key":
        digits = made_with["digits"]
        return ("a" * digits, "F" * digits), ("a" * (digits - 2), "x" * digits), ()
    if option.name == "stun_server":
        kind = "server"
    return KINDS[kind]


def table() -> list[options.Option]:
    return list(options.OPTIONS)


def test_the_init_script_has_the_lines_of_the_table() -> None:
    assert validation.script() in INIT.read_text(), "write them anew: python3 -m firmware.openwrt validation"


def test_the_command_prints_them() -> None:
    done = subprocess.run(
        ["python3", "-m", "firmware.openwrt", "validation"], cwd=staging.ROOT, capture_output=True, text=True
    )
    assert done.stdout == validation.script(), done.stderr


@pytest.mark.parametrize("option", table(), ids=lambda option: f"{option.section}.{option.name}")
def test_the_samples_are_what_the_relay_takes(option: options.Option) -> None:
    good, wrong, unseen = samples(option)
    for value in good:
        option.kind(value)
    for value in (*wrong, *unseen):
        with pytest.raises(ValueError):
            option.kind(value)


def verdicts(router: Router, section: str, choose: Callable[[options.Option], tuple[str, ...]]) -> set[str]:
    """Have a router check a section with the values of each option that are chosen; return options that it refuses."""
    rows = [option for option in options.OPTIONS if option.section == section]
    longest = max(len(choose(option)) for option in rows)
    refused: set[str] = set()
    for at in range(longest):
        lines = [f"config {section} 'main'"]
        lines += [
            f"\t{'list' if option.is_list else 'option'} {option.name} '{choose(option)[at]}'"
            for option in rows
            if at < len(choose(option))
        ]
        router.configure("\n".join(lines) + "\n")
        said = router.run("/sbin/validate_data", "edgeturn", section, "main", *validation.lines(section), code=None)
        refused |= {
            line.partition("=")[0].partition(".")[2] + f"#{at}" for line in said.splitlines() if " is no " in line
        }
    return refused


@pytest.mark.parametrize("section", options.section_kinds())
def test_openwrts_types_take_all_that_the_relay_takes(router: Router, section: str) -> None:
    assert verdicts(router, section, lambda option: samples(option)[0]) == set()


@pytest.mark.parametrize("section", options.section_kinds())
def test_openwrts_types_refuse_what_they_can(router: Router, section: str) -> None:
    rows = [option for option in options.OPTIONS if option.section == section]
    every = {f"{option.name}#{at}" for option in rows for at in range(len(samples(option)[1]))}
    assert verdicts(router, section, lambda option: samples(option)[1]) == every


def test_what_the_package_installs_is_a_configuration(tmp_path: Path) -> None:
    text = (staging.HERE / "edgeturn" / "files" / "edgeturn.config").read_text()
    settings = Configuration(text, "edgeturn")
    assert settings.text("user") == "edgeturn"
    # What is commented out is right as well.
    with_all = text.replace("\t#", "\t").replace("\n#config", "\nconfig").replace("\n#\t", "\n\t")
    lines = [
        line
        for line in with_all.splitlines()
        if not line.startswith("#") and line.split()[:1] and line.split()[0] in ("config", "option", "list")
    ]
    try:
        Configuration("\n".join(lines), "edgeturn")
    except ConfigError as error:
        raise AssertionError(f"{error}: {lines}") from None
