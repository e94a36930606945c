"""
A home behind a client of the lab, which hides it behind its own address.

    home  10.9.0.2 ── 10.9.0.1  client2, the NAT  192.0.2.12 ── the lab

Rule 1: masquerading keeps the port of a source as long as nobody else wants it, which looks endpoint-independent;
        `random` takes another port per destination. Both let in only what was written to.
Rule 2: `open_to` lets in more: `anybody`, or `known` hosts, which were written to, from any of their ports.
"""

from tests.lab.network import Namespace, Network
from tests.lab.programs import program

HOME, GATEWAY = "10.9.0.2", "10.9.0.1"
ENDS_WITHIN = 60.0
_SET = "set known { type ipv4_addr; flags dynamic; size 64; }"
# Who gets in -> what remembers whom the home wrote to, and who is passed on to it.
_OPEN = {
    "": ("", ""),
    "anybody": ("", "udp dport 1024-65535"),
    "known": ("update @known { ip daddr }", "ip saddr @known udp dport 1024-65535"),
}


def behind(network: Network) -> Namespace:
    """Return a namespace that reaches the rest through client2 only."""
    gateway, made = network.client2.namespace, network._namespace("home")
    gateway.ip("link", "add", "home", "type", "veth", "peer", "name", "uplink", "netns", made.name)
    gateway.ip("address", "add", f"{GATEWAY}/24", "dev", "home")
    made.ip("address", "add", f"{HOME}/24", "dev", "uplink")
    gateway.ip("link", "set", "home", "up")
    made.ip("link", "set", "uplink", "up")
    made.ip("route", "add", "default", "via", GATEWAY)
    run(gateway, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
    return made


def masquerade(network: Network, how: str, open_to: str = "") -> None:
    """Let client2 hide its home behind its own address."""
    note, pass_on = _OPEN[open_to]
    hidden = f'oifname "uplink" {note} masquerade {how}'
    passed = f'iifname "uplink" {pass_on} dnat to {HOME}' if pass_on else ""
    chains = f"chain out {{ type nat hook postrouting priority 100; {hidden}\n}}\n"
    chains += f"chain in {{ type nat hook prerouting priority -100; {passed}\n}}\n"
    table = f"table ip nat {{}}\ndelete table ip nat\ntable ip nat {{\n{_SET}\n{chains}}}\n"
    run(network.client2.namespace, program("nft"), table)


def run(space: Namespace, *argv: str) -> str:
    done = space.run(argv, ENDS_WITHIN)
    assert done.returncode == 0, done.stdout
    return done.stdout
