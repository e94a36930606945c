"""Which addresses the init script takes for those of local networks, by busybox's `ip` and by iproute2's.

Whatever default route there is, its network leads out, and a port on it has to be opened.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "firmware/openwrt/edgeturn/files/edgeturn.init"
WAN, LAN, LAN6 = "192.168.7.1", "192.168.8.1", "fd00::9"
ASKED = (WAN, LAN, LAN6)
SETUP = f"""
ip link add wan type veth peer name lan
ip link set wan up
ip link set lan up
ip address add {WAN}/24 dev wan
ip address add {LAN}/24 dev lan
ip address add {LAN6}/64 dev lan nodad
ROUTES
extra_command() {{ :; }}
. {SCRIPT}
ip() {{ PROGRAM "$@"; }}
for place in {" ".join(ASKED)}; do ! is_local "$place" || echo "$place"; done
"""
IPROUTE2, BUSYBOX = "command ip", "busybox ip"
ROUTES = (
    ("no way out", "", ASKED, ASKED),
    ("one", "ip route add default via 192.168.7.2", (LAN, LAN6), (LAN, LAN6)),
    ("one in a table of its own", "ip route add default via 192.168.7.2 table 7", (LAN, LAN6), (LAN, LAN6)),
    ("one of IPv6 in a table of its own", "ip -6 route add default via fd00::2 table 7", (WAN,), (WAN,)),
    (
        "one by two next hops, of which busybox doesn't tell the devices",
        "ip route add default nexthop via 192.168.7.2 dev wan nexthop via 192.168.7.3 dev wan",
        (LAN, LAN6),
        (),
    ),
    (
        "one to another network by two next hops",
        "ip route add 198.51.100.0/24 nexthop via 192.168.7.2 dev wan nexthop via 192.168.7.3 dev wan",
        ASKED,
        ASKED,
    ),
)


@pytest.mark.parametrize("program", [IPROUTE2, BUSYBOX])
@pytest.mark.parametrize(
    ("routes", "local", "local_by_busybox"), [row[1:] for row in ROUTES], ids=[row[0] for row in ROUTES]
)
def test_a_place_is_local_where_no_default_route_leads_out(
    routes: str, local: tuple[str, ...], local_by_busybox: tuple[str, ...], program: str
) -> None:
    if os.geteuid() or not shutil.which("busybox"):
        pytest.skip("a network of its own takes root, and the router's own ip busybox")
    script = SETUP.replace("ROUTES", routes).replace("PROGRAM", program)
    done = subprocess.run(["unshare", "--net", "sh", "-ec", script], capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stderr) == (0, "")
    assert tuple(done.stdout.split()) == (local if program == IPROUTE2 else local_by_busybox)
