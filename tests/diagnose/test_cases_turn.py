"""
What `diagnose` says of captures of real relays and clients, each with one fault; tools/captures makes them again.

Rule 1: a row is the captures, the case, how certain, and words that the answer must have; "" is nothing wrong.
Rule 2: the first finding counts, for its first sentence is the answer; nothing else may be as certain beside it.
"""

import re
import shlex
from pathlib import Path

import click
import pytest

from edgeturn.cli.root import edgeturn
from edgeturn.diagnose.case import CERTAIN, LIKELY, PAIRING, Case, Finding
from edgeturn.diagnose.conclusion import conclude
from edgeturn.diagnose.evidence import Evidence, Side
from edgeturn.diagnose.reading import read
from edgeturn.diagnose.texts import gathering, pairing, refusing, roles

CAPTURES = Path(__file__).parent / "captures"

ROWS = (
    ("works", "", "", ""),
    ("relayed-call-client", "", "", ""),
    ("relayed-call-relay", "", "", ""),
    ("relayed-call-client relayed-call-peer", "", "", ""),
    ("role-conflict", "", "", ""),  # one 487, which settles it
    # No relayed address.
    ("wrong-password", "wrong-password", LIKELY, "alice"),
    ("wrong-secret", "wrong-secret", LIKELY, "another secret"),
    ("expired", "credential-expired", CERTAIN, "90 min before"),
    ("clock", "credential-expired", CERTAIN, "clock"),
    ("other-realm", "wrong-realm", CERTAIN, "example.org, and the server's realm is turn.example.net"),
    ("stale", "stale-nonce", CERTAIN, "again and again"),
    ("quota", "quota", CERTAIN, "486"),
    ("full", "relay-full", CERTAIN, "508"),
    ("mismatch", "allocation-mismatch", CERTAIN, "437"),
    ("redirected", "redirected", CERTAIN, "300"),
    ("unknown-attribute", "unknown-attribute", CERTAIN, "420"),
    ("other-transport", "transport-refused", CERTAIN, "442"),
    ("other-family", "family-refused", CERTAIN, "440"),
    ("bad-request", "bad-request", CERTAIN, "400"),
    ("bad-channel", "bad-request", CERTAIN, "400"),
    ("forbidden", "forbidden", CERTAIN, "403"),
    ("server-error", "server-error", CERTAIN, "500"),
    ("unusual-code", "other-refusal", CERTAIN, "499"),
    ("coturn-works", "", "", ""),
    ("coturn-wrong-password", "wrong-password", LIKELY, "alice"),
    ("coturn-quota", "quota", CERTAIN, "486"),
    ("silent", "server-unreachable", LIKELY, "TCP wasn't tried"),
    ("silent-but-tcp", "udp-blocked", CERTAIN, "over TCP the server answers"),
    ("wrong-port", "wrong-port", CERTAIN, "UDP port 3480"),
    ("tcp-refused", "wrong-port", CERTAIN, "TCP port 3480"),
    ("tcp-silent", "server-unreachable", LIKELY, "over TCP"),
    ("no-credentials", "no-credentials", LIKELY, "gives none"),
    ("inspected", "inspected", LIKELY, "first bytes of STUN"),
    ("inspected-tls", "inspected-tls", LIKELY, "TLS handshake"),
    # Relayed addresses, and nothing gets through.
    ("peer-refused", "peer-refused", CERTAIN, "10.20.30.40"),
    ("peer-of-other-family", "peer-family", CERTAIN, "another family"),
    ("connection-exists", "connection-exists", CERTAIN, "446"),
    ("peer-not-reached", "peer-not-reached", CERTAIN, "447"),
    ("no-permission", "no-permission", CERTAIN, "never asked for a permission"),
    ("firewall-client", "firewall-behind-relay", LIKELY, "firewall"),
    ("firewall-relay", "firewall-behind-relay", CERTAIN, "firewall"),
    ("wrong-announced-client", "relay-announces-private", CERTAIN, "192.168.77.7"),
    ("wrong-announced-client wrong-announced-peer", "relay-announces-private", CERTAIN, "192.168.77.7"),
    ("announced-elsewhere-client announced-elsewhere-peer", "wrong-announced-address", CERTAIN, "203.0.113.77"),
    ("other-side-silent", "other-side-silent", LIKELY, "same relay"),
    ("stubborn-roles", "same-role", CERTAIN, "487"),
    ("hairpin", "hairpin", LIKELY, "203.0.113.9"),
    # Connected for a while.
    ("allocation-ran-out", "refresh-missing", CERTAIN, "10 min"),
    ("own-ran-out", "refresh-missing", LIKELY, "60 s"),
    ("permission-lapsed", "permission-lapsed", LIKELY, "300 s"),
    ("channel-lapsed", "channel-lapsed", LIKELY, "600 s"),
    ("rebinding-client", "nat-rebinding", LIKELY, "437"),
    ("rebinding-relay", "nat-rebinding", CERTAIN, "203.0.113.9"),
    ("credential-ended", "credential-shorter-than-call", CERTAIN, "ended during the call"),
    ("other-user", "credential-changed", CERTAIN, "441"),
    ("restarted", "relay-restarted", CERTAIN, "restarted"),
    # Connected, no media.
    ("nothing-sent", "no-media", "possible", "no media"),
    ("out-only", "media-out-only", LIKELY, "nothing comes in"),
    ("in-only", "media-in-only", LIKELY, "sends none"),
    ("too-big", "mtu", LIKELY, "1000 bytes"),
    ("swallowed-client swallowed-peer", "mtu-silent", LIKELY, "more than 867 bytes"),
    ("pieces-lost", "fragments-lost", CERTAIN, "first piece"),
)
_COMMAND = re.compile(r"`edgeturn ([^`]+)`")


def sides(*names: str) -> list[Side]:
    files = [path for name in names for path in CAPTURES.glob(f"{name}.pcap*")]
    assert len(files) == len(names)
    return [side for path in files for side in read(path.name, path.read_bytes())]


def findings(names: str) -> list[Finding]:
    return conclude(Evidence(sides(*names.split())))


@pytest.mark.parametrize(("names", "case", "certainty", "words"), ROWS, ids=[row[0].replace(" ", "+") for row in ROWS])
def test_the_fault_is_found(names: str, case: str, certainty: str, words: str) -> None:
    found = findings(names)
    assert [each.case for each in found[:1]] == [case] * bool(case)
    if found:
        assert found[0].certainty == certainty
        assert words in found[0].conclusion
        assert found[0].evidence
        assert found[0].next
    assert [each.case for each in found[1:] if each.certainty == certainty] == []


CODES = (300, 400, 401, 403, 420, 437, 438, 440, 441, 442, 443, 446, 447, 486, 500, 508)


def test_each_code_of_turn_has_a_capture_with_a_conclusion() -> None:
    """487 belongs to checks, and is counted with them."""
    concluded = [name for names, case, *_ in ROWS if case for name in names.split()]
    seen = {each.code for name in concluded for side in sides(name) for each in side.exchanges if each.signed}
    assert set(CODES) <= seen
    assert [pair.conflicts for side in sides("stubborn-roles") for pair in side.pairs] == [5]


def test_the_relays_own_capture_names_the_rule() -> None:
    found = {each.case: each for each in findings("own-refusals")}
    assert "rule: deny_peer 198.51.100.0/24" in found["peer-refused"].conclusion
    assert "`edgeturn config remove deny_peer 198.51.100.0/24`" in found["peer-refused"].next[0]
    assert "unknown user, wrong password or expired credential" in found["wrong-secret"].evidence[0]


def test_a_command_to_copy_is_safe_to_copy() -> None:
    """What somebody's capture names is quoted as a shell takes it."""
    rows = (
        ("other-realm.pcap", b"example.org", b"a;reboot;.b"),
        ("own-refusals.pcapng", b"198.51.100.0/24", b"198.51.0;reboot"),
    )
    for name, before, after in rows:
        data = (CAPTURES / name).read_bytes()
        assert before in data
        found = conclude(Evidence(read(name, data.replace(before, after))))
        assert f"{shlex.quote(after.decode())}`" in " ".join(found[0].next)


def test_what_two_sources_show_is_told_once() -> None:
    judges = (
        lambda _: Finding("quota", "Full.", certainty=LIKELY),
        lambda _: Finding("quota", "486.", certainty=CERTAIN),
    )
    rows = [Case(name, PAIRING, judge) for name, judge in zip(("dump", "capture"), judges, strict=True)]
    assert [each.conclusion for each in conclude(Evidence(), rows)] == ["486."]


def test_every_command_that_is_named_exists() -> None:
    named = {
        command
        for names, *_ in ROWS
        for each in findings(names)
        for text in each.next
        for command in _COMMAND.findall(text)
    }
    for document in (gathering, pairing, refusing, roles):
        named |= set(_COMMAND.findall(document.TEXT.replace("\n  ", " ")))
    assert len(named) > 40
    context = click.Context(edgeturn)
    for command in sorted(named):
        found: click.Command | None = edgeturn
        for word in command.split():
            if not isinstance(found, click.Group):
                break
            found = found.get_command(context, word)
            assert found is not None, command
        options = [word for word in command.split() if word.startswith("--")]
        assert found is not None
        known = [name for parameter in found.params for name in parameter.opts]
        assert set(options) <= set(known), command
