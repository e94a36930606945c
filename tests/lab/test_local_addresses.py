"""
What the peer policy knows of the machine, asked from the kernel of a router that has every kind of address.

    router: another link with an address that is still tentative        2a0f:1::5/64
                              a point-to-point address                  46.6.6.6 peer 47.7.7.7/24
                              a prefix that only a route names          45.5.5.0/24, 2a0f:5::/64
                              routes that stand in for a default route  0.0.0.0/1, 128.0.0.0/1
"""

import sys

import pytest

from tests.lab.network import Network

LINK = "et-local"
SET_UP = (
    f"link add {LINK} type veth peer name {LINK}-far",
    f"link set {LINK}-far up",
    f"link set {LINK} up",
    f"address add 46.6.6.6 peer 47.7.7.7/24 dev {LINK}",
    f"route add 45.5.5.0/24 dev {LINK}",
    f"-6 route add 2a0f:5::/64 dev {LINK}",
    f"route add 0.0.0.0/1 dev {LINK}",
    f"route add 128.0.0.0/1 dev {LINK}",
    f"-6 address add 2a0f:1::5/64 dev {LINK}",
)
ASK = """
import sys
from edgeturn.protocol.address import format_ip, parse_ip
from edgeturn.protocol.peers import Peers
from edgeturn.relay import network
peers = Peers()
found = network.interfaces()
peers.set_local([each.ip for each in found], [each.subnet() for each in found] + network.connected_routes())
print([str(peers.denies(parse_ip(text))) for text in sys.argv[1:]])
print([format_ip(each.ip) for each in found if each.can_listen()])
"""
EXPECTED = {
    "2a0f:1::5": "this machine",
    "2a0f:1::9": "connected subnet 2a0f:1::/64",
    "46.6.6.6": "this machine",
    "46.6.6.7": "None",
    "47.7.7.8": "connected subnet 47.7.7.0/24",
    "45.5.5.9": "connected subnet 45.5.5.0/24",
    "2a0f:5::9": "connected subnet 2a0f:5::/64",
    "8.8.8.8": "None",
    "200.1.1.1": "None",
}


def test_every_kind_of_local_address_is_known(network: Network, interpreter: list[str]) -> None:
    router = network.router
    router.run([sys.executable, "-c", "open('/proc/sys/net/ipv6/conf/default/accept_dad', 'w').write('1')"], 5)
    try:
        for words in SET_UP:
            router.ip(*words.split())
        shown = router.ip("-6", "address", "show", "dev", LINK)
        if "tentative" not in shown:
            pytest.skip("duplicate address detection was over before it could be looked at")
        asked = router.run([*interpreter, "-c", ASK, *EXPECTED], 10)
    finally:
        router.ip("link", "delete", LINK)
    rules, listening = asked.stdout.strip().split("\n")
    assert rules == str(list(EXPECTED.values())), asked.stderr
    assert "2a0f:1::5" not in listening and "46.6.6.6" in listening
