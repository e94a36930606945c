"""The command `diagnose` as people call it: files, standard input, JSON, terms; and what documents must not do."""

import gzip
import json
import random
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgeturn.cli.root import edgeturn
from edgeturn.command.failure import Failure
from edgeturn.diagnose import conclusion, glossary, report, wording
from edgeturn.diagnose.evidence import Evidence, OwnRelay
from edgeturn.diagnose.reading import Unreadable, read
from edgeturn.diagnose.reading.packed import unpacked
from edgeturn.diagnose.texts import gathering, pairing, refusing, roles
from tests.blackbox.relay import Relay

DUMPS = Path(__file__).parent / "dumps"
UDP = [str(DUMPS / f"udp-blocked.{name}.json") for name in ("alice", "bob")]


def call(*words: str, code: int = 0, given: bytes = b"") -> str:
    """Call the tool with a configuration that isn't there, so that no relay of this machine is asked."""
    done = CliRunner().invoke(edgeturn, ["diagnose", "-c", "/nowhere", *words], input=given, prog_name="edgeturn")
    assert done.exit_code == code, done.output
    return done.output


def test_the_first_sentence_is_the_answer() -> None:
    said = call(*UDP)
    assert said.startswith("One side's network lets no UDP through to the server, and TCP wasn't tried.\n  Seen (")
    assert "\nudp-blocked.alice.json (webrtc-internals)\n" in said
    assert max(len(line) for line in said.splitlines()) <= 80


def test_no_dump_makes_a_line_too_long() -> None:
    for name in sorted(DUMPS.glob("*.*")):
        evidence = Evidence(read(name.name, name.read_bytes()), OwnRelay({}))
        lines = list(report.as_text(evidence, conclusion.conclude(evidence)))
        assert all(len(line) <= 80 or " " not in line.strip("- `.'") or "`" in line for line in lines), name


def test_json_has_all_of_it() -> None:
    told = json.loads(call(*UDP, "--json"))
    assert told["answer"] == told["findings"][0]["conclusion"] and told["findings"][0]["case"] == "udp-blocked"
    assert [side["source"] for side in told["sides"]] == ["webrtc-internals"] * 2 and told["own_relay"] is False
    assert set(told["findings"][0]) == {"case", "conclusion", "evidence", "next", "certainty"}


def test_standard_input() -> None:
    said = call("-", given=(DUMPS / "no-servers.alice.offer.sdp").read_bytes())
    assert said.startswith("Only addresses of the own network") and "standard input (an SDP offer)" in said


def test_a_packed_dump_is_unpacked(tmp_path: Path) -> None:
    """Newer browsers save it so."""
    (tmp_path / "dump.gz").write_bytes(gzip.compress(Path(UDP[0]).read_bytes()))
    assert "udp-blocked" not in call(str(tmp_path / "dump.gz")) and "dump.gz (webrtc-internals)" in call(
        str(tmp_path / "dump.gz")
    )


def test_what_was_not_read_is_said() -> None:
    said = call("-", given=b"a=candidate:1 1 udp 1 192.0.2.1 9 typ host\nhello there\n")
    assert (
        "standard input (a list of ICE candidates)" in said and "not read   line 2: no candidate: hello there" in said
    )


WRONG = (
    ((), 2, "name one or more files"),
    (("/nowhere/dump",), 1, "/nowhere/dump: can't be read: no such file or directory."),
    ((str(Path(__file__).parents[2] / "pyproject.toml"),), 2, "is none of"),
    (("--client", "192.0.2.7", "x"), 2, "--client belongs to --live"),
    ((UDP[0], UDP[1], UDP[0]), 2, "is given twice; the second file is the other side's"),
    (("--live",), 2, "/nowhere: there is no such file"),
    (("--explain", "qwertz"), 2, "is no term"),
    (("--explain", "symetric nat"), 2, "did you mean symmetric-nat"),
)


@pytest.mark.parametrize(("words", "code", "said"), WRONG)
def test_mistakes_are_named(words: tuple[str, ...], code: int, said: str) -> None:
    assert said in call(*words, code=code)


def test_an_own_relay_adds_what_to_type_here() -> None:
    name = "wrong-password.alice.json"
    sides = read(name, (DUMPS / name).read_bytes())
    (elsewhere,), (here,) = (conclusion.conclude(Evidence(sides, relay)) for relay in (None, OwnRelay({})))
    assert here.next[0].startswith("`edgeturn credentials` ")
    assert elsewhere.next[-1] == f"At the relay: {here.next[0]}" and elsewhere.next[:-1] == here.next[1:]


def test_the_relay_of_this_machine_is_asked(tmp_path: Path) -> None:
    with Relay([sys.executable], tmp_path, {}) as relay:
        words = ["diagnose", "-c", str(relay.file), str(DUMPS / "pool-empty.bob.json")]
        said = json.loads(CliRunner().invoke(edgeturn, [*words, "--json"], prog_name="edgeturn").output)
        assert said["own_relay"] is True
        assert said["findings"][0]["next"][0].startswith("`edgeturn config set max_allocations")
        live = ["diagnose", "-c", str(relay.file), "--live", "--client", "192.0.2.7", "--seconds", "1"]
        done = CliRunner().invoke(edgeturn, live, prog_name="edgeturn")
        assert done.exit_code == 0 and "192.0.2.7" in done.output and "watching for 1 s; try the call" in done.output
        live[5] = "nobody"  # which the relay refuses, so that nobody is told to wait
        done = CliRunner().invoke(edgeturn, live, prog_name="edgeturn")
        assert done.exit_code == 1 and "ADDRESS" in done.output and "watching" not in done.output


def test_the_port_is_compared_with_the_own_relays() -> None:
    name = "wrong-port.alice.json"
    sides = read(name, (DUMPS / name).read_bytes())
    for listens, case in (("203.0.113.1:3478", "wrong-port"), ("203.0.113.1:3999", "server-unreachable")):
        (found,) = conclusion.conclude(Evidence(sides, OwnRelay({"listening": [listens]})))
        assert found.case == case
    (found,) = conclusion.conclude(Evidence(sides, OwnRelay({"listening": ["198.51.100.1:3478"]})))
    assert found.case == "server-unreachable"


def test_a_command_to_copy_is_safe_to_copy() -> None:
    """What somebody's dump names is quoted as a shell takes it, and moves no cursor."""
    name = "wrong-port.alice.json"
    evil = (DUMPS / name).read_bytes().replace(b"203.0.113.1:3999", b"203.0.113.1:3999;reboot\\u001b[2J")
    evidence = Evidence(read(name, evil))
    said = "\n".join(report.as_text(evidence, conclusion.conclude(evidence)))
    assert "\x1b" not in said and "`edgeturn check 'turn:203.0.113.1:3999;reboot" in said


def test_every_term_is_found_and_leads_on() -> None:
    entries = glossary.entries()
    names = {entry.name for entry in entries}
    for entry in entries:
        assert set(entry.see) <= names, entry.name
        assert all(glossary.find(also) is entry for also in (entry.name, *entry.also)), entry.name
        assert entry.text.endswith(".") and all(len(line) <= 80 for line in glossary.as_text(entry)), entry.name


TERMS = (
    "ICE", "STUN", "TURN", "host", "srflx", "prflx", "relay", "symmetric NAT", "Trickle ICE", "hairpin", "CGNAT",
    "channel", "realm", "nonce", "iceTransportPolicy", "why-turn", "turns", "DPI", "latency", "bandwidth",
    "who pays", "mDNS", "permission",
)  # fmt: skip


def test_the_terms_of_the_field_are_there() -> None:
    listed = call("--explain")
    for term in TERMS:
        assert glossary.find(term).name in listed
    assert call("--explain", "symmetric NAT").startswith("symmetric-nat (also: ")
    assert json.loads(call("--explain", "dpi", "--json"))[0]["term"] == "dpi"


def test_every_text_is_of_a_case_and_has_a_next_step() -> None:
    documents = (gathering, pairing, refusing, roles)
    told = {entry.name: entry for document in documents for entry in wording.parse(document.TEXT)}
    sources = "".join(path.read_text() for path in Path(conclusion.__file__).parent.joinpath("cases").glob("*.py"))
    for name, entry in told.items():
        assert f'"{name}"' in sources and entry.steps and entry.text.endswith((".", "}.")), name


@pytest.mark.parametrize("seed", range(4))
def test_broken_documents_break_nothing(seed: int) -> None:
    """Whatever stands in a document, a report comes of it, or one sentence."""
    chance = random.Random(seed)
    for path in sorted(DUMPS.glob("*"))[seed::4]:
        data = unpacked(path.name, path.read_bytes())
        for _ in range(4):
            try:
                evidence = Evidence(read(path.name, _mutated(chance, data)))
                assert list(report.as_text(evidence, conclusion.conclude(evidence)))
                json.dumps(report.as_json(evidence, conclusion.conclude(evidence)))
            except Unreadable as said:
                assert said.message.startswith(path.name) and isinstance(said, Failure)


def _mutated(chance: random.Random, data: bytes) -> bytes:
    at, size = chance.randrange(len(data)), chance.randrange(1, 200)
    kind = chance.randrange(5)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + chance.randbytes(size) + data[at + size :]
    if kind == 2:
        return data[:at] + data[at + size :]
    words = (b'"', b"{", b"[", b"1e999", b"-1", b"null", b"99999999999999999999", b"\\u0000", b"\xff")
    old = chance.choice((b'":', b"3478", b"udp", b"host", b"relay", b"true", b"typ", b"1"))
    return data.replace(old, chance.choice(words), -1 if kind == 3 else 1)


def test_what_unpacks_to_too_much_is_not_unpacked() -> None:
    with pytest.raises(Unreadable, match="unpacks to more than 1 MB"):
        unpacked("bomb", gzip.compress(bytes(3 << 20)), 1 << 20)
    with pytest.raises(Unreadable, match="broken"):
        unpacked("half", gzip.compress(b"")[:5] + bytes(50))


def test_what_nests_too_deep_is_broken() -> None:
    with pytest.raises(Unreadable):
        read("deep", b'{"PeerConnections": ' + b"[" * 100000)


def test_no_pattern_goes_back_and_forth() -> None:
    """Megabytes of what looks like candidates are read at once, and not in hours."""
    with pytest.raises(Unreadable):
        read("long", b"a=candidate:" + b"1 " * 1_000_000 + b"\n" + b"candidate:1 1 udp 1 " * 50_000)
