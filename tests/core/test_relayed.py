"""Which addresses are relayed from, as a machine's addresses come and go: no machine is needed to choose.

Each row is a look: what is wanted, what the machine has, the second; and then what is chosen, former, away and lost.
"""

from edgeturn.protocol.address import IPV4, IPV6, format_ip, parse_ip
from edgeturn.relay.relayed import Relayed

GRACE = 10
LOOPBACK = "127.0.0.1"
A, B, C = "192.0.2.1", "192.0.2.2", "192.0.2.3"
SIX, SEVEN = "2001:db8::6", "2001:db8::7"

FOUND, WRITTEN = False, True

A_B, A_C, SIX_SEVEN = A + " " + B, A + " " + C, SIX + " " + SEVEN
A_SIX, B_SIX = A + " " + SIX, B + " " + SIX

# what, whether the wish is written, looks
LIVES: "list[tuple[str, bool, list[tuple[str, str, int, str, str, str, str]]]]" = [
    ("renumbered", FOUND, [(A, A, 1, A, "", "", ""), (B, B, 2, B, "", "", A), (B, B, 3, B, "", "", "")]),
    ("a flap", FOUND, [(A, A, 1, A, "", "", ""), ("", "", 2, A, "", A, ""), (A, A, 11, A, "", "", "")]),
    ("back without route", FOUND, [(A, A, 1, A, "", "", ""), ("", "", 2, A, "", A, ""), ("", A, 3, A, "", "", "")]),
    ("the route is gone", FOUND, [(A, A, 1, A, "", "", ""), ("", A, 99, A, "", "", "")]),
    ("gone for good", FOUND, [(A, A, 1, A, "", "", ""), ("", "", 2, A, "", A, ""), ("", "", 12, A, "", A, A),
                              ("", "", 13, A, "", A, ""), (A, A, 14, A, "", "", ""), ("", "", 15, A, "", A, "")]),
    ("replaced while away", FOUND, [(A, A, 1, A, "", "", ""), ("", "", 2, A, "", A, ""), (B, B, 3, B, "", "", A)]),
    ("deprecated, then gone", FOUND, [(SIX, SIX, 1, SIX, "", "", ""), (SEVEN, SIX_SEVEN, 2, SEVEN, SIX, "", ""),
                                      (SEVEN, SEVEN, 3, SEVEN, "", "", SIX)]),
    ("chosen again", FOUND, [(A, A, 1, A, "", "", ""), (B, A_B, 2, B, A, "", ""), (A, A_B, 3, A, B, "", "")]),
    ("IPv6 comes later", FOUND, [(A, A, 1, A, "", "", ""), (A_SIX, A_SIX, 2, A_SIX, "", "", "")]),
    ("the other family stays", FOUND, [(A_SIX, A_SIX, 1, A_SIX, "", "", ""), (SIX, SIX, 2, A_SIX, "", A, ""),
                                       (B_SIX, B_SIX, 3, B_SIX, "", "", A)]),
    ("nothing, then something", FOUND, [("", LOOPBACK, 1, LOOPBACK, "", "", ""),
                                        ("", LOOPBACK, 2, LOOPBACK, "", "", ""),
                                        (A, A + " " + LOOPBACK, 3, A, LOOPBACK, "", ""),
                                        ("", LOOPBACK, 4, A, LOOPBACK, A, "")]),
    ("nothing, then only IPv6", FOUND, [("", LOOPBACK, 1, LOOPBACK, "", "", ""),
                                        (SIX, SIX + " " + LOOPBACK, 2, SIX, LOOPBACK, "", "")]),
    ("several are written", WRITTEN, [(A_B, A_B, 1, A_B, "", "", ""), (A_B, B, 2, A_B, "", A, ""),
                                      (A_B, B, 12, A_B, "", A, A)]),
    ("other ones are written", WRITTEN, [(A_SIX, A_SIX, 1, A_SIX, "", "", ""), (A_C, A_SIX, 2, A_C, SIX, C, "")]),
]  # fmt: skip


def ips(text: str) -> "list[bytes]":
    return [parse_ip(word) for word in text.split()]


def words(found: "list[bytes]") -> str:
    return " ".join([format_ip(ip) for ip in found])


def test_addresses_come_and_go() -> None:
    for what, is_written, looks in LIVES:
        relayed = Relayed((IPV4, IPV6))
        for wanted, home, now, chosen, former, away, lost in looks:
            gone = relayed.choose(ips(wanted), is_written, ips(home), now, GRACE)
            seen = words(relayed.chosen()), words(relayed.former), words(list(relayed.away)), words(gone)
            assert seen == (chosen, former, away, lost), (what, now, seen)


def test_the_end_of_the_grace_is_due_once() -> None:
    relayed = Relayed((IPV4,))
    assert relayed.due() == 0
    relayed.choose(ips(A), FOUND, ips(A), 1, GRACE)
    relayed.choose([], FOUND, [], 2, GRACE)
    assert relayed.due() == 12
    assert relayed.choose([], FOUND, [], 12, GRACE) == ips(A) and relayed.due() == 0


def test_a_family_without_a_pool_is_left_alone() -> None:
    relayed = Relayed((IPV6,))
    relayed.choose(ips(A_SIX), FOUND, ips(A_SIX), 1, GRACE)
    assert words(relayed.chosen()) == SIX
