"""The form's validation against the relay's own: both are given the same values, by hand and by chance."""

import json
import random
import subprocess
from pathlib import Path

from edgeturn.relay import options
from edgeturn.relay.options import Option
from tests.lab.programs import program
from tools import luci

HERE = Path(__file__).parent
VALUES = """
    0 1 00 01 -1 +1 1.5 1e3 0x10 16383 16384 65535 65536 86400 999999999 1000000000 12345678901234567890 1k 2M
    1G 2G 1048577k 1K k on off yes no true True enabled disabled x example.org / /etc/x etc/x auto tc xdp pcp
    nat-pmp keep syslog 192.0.2.1 192.0.2.256 192.0.2 192.0.2.1.5 192.00.2.1 0.0.0.0 192.0.2.1: 192.0.2.1:0
    192.0.2.1:3478 192.0.2.1:65536 192.0.2.1:+1 192.0.2.1:03478 [192.0.2.1]:1 :: ::1 1:: 2001:db8::1
    2001:db8:::1 1::2::3 2001:db8::1%eth0 1:2:3:4:5:6:7:8 1:2:3:4:5:6:7 1:2:3:4:5:6:7:8:9 1:2:3:4:5:6:7::
    ::2:3:4:5:6:7:8 1::3:4:5:6:7:8 1:2:3:4::5:6:7:8 ::ffff:192.0.2.1 192.0.2.1:: ::192.0.2.1:1
    1:2:3:4:5:6:192.0.2.1 12345:: g:: [::1] [::1]:3478 [::1]: [::1]x [::1 ::1] [] []:1 [::1]:99999
    192.0.2.0/24 192.0.2.1/24 192.0.2.0/33 0.0.0.0/0 128.0.0.0/1 192.0.2.1/32 192.0.2.0/ /24 192.0.2.0/024
    2001:db8::/32 2001:db8::/33 2001:db8:8000::/33 2001:db8:8000::/32 ::/0 ::1/128 ::1/129 192.0.2.0/24/1
    stun.example.org stun.example.org:3478 stun:stun.example.org STUN:stun.example.org:1
    stun:192.0.2.1?transport=udp stuns:x stun.example.org: stun.example.org:1:2 a..b .a a. -a _a a.1 a.1b
    é.org turn:192.0.2.1 turn:[::1]:1?transport=udp turn:192.0.2.1?transport=tcp 10.0.0.1=192.0.2.1
    10.0.0.1=::1 =192.0.2.1 10.0.0.1= a=b=192.0.2.1 ::1=2001:db8::1 49152-65535 1023-2000 1024-65536 2000-1999
    2000-2000 49152 49152- -65535 1-2-3 01024-2000
""".split()  # noqa: SIM905
VALUES += ["", " 1", "1 ", "a b", "1024 - 2000", '"', "a" * 127, "a" * 128, "x" * 64]
CHANCE = 300
LETTERS = "0123456789abcdef.:/[]-=kMG %"


def accepts(option: Option, value: str) -> bool:
    """Say what the relay says."""
    try:
        option.kind(value)
    except ValueError:
        return False
    return True


def test_the_form_and_the_relay_take_the_same() -> None:
    by_chance = random.Random(5)
    made = ["".join(by_chance.choices(LETTERS, k=by_chance.randint(1, 12))) for _ in range(CHANCE)]
    made += [_changed(by_chance, by_chance.choice(VALUES)) for _ in range(CHANCE)]
    values = [*VALUES, *made]
    rows = [option for option in options.OPTIONS if option.section == "relay"]
    node = [program("node"), str(HERE / "kinds.mjs"), str(luci.VIEWS / "edgeturn" / "kinds.js"), str(luci.OPTIONS)]
    given = json.dumps({option.name: values for option in rows})
    found = json.loads(subprocess.run(node, input=given, capture_output=True, text=True, check=True, timeout=60).stdout)
    wrong = [
        (option.name, value, taken)
        for option in rows
        for value, taken in zip(values, found[option.name], strict=True)
        if taken != accepts(option, value)
    ]
    assert not wrong, wrong[:20]


def _changed(by_chance: random.Random, value: str) -> str:
    """Return a value with a character more, less or another."""
    at = by_chance.randint(0, len(value))
    return value[:at] + by_chance.choice(["", by_chance.choice(LETTERS)]) + value[at + by_chance.randint(0, 1) :]
