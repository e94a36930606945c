"""`edgeturn snippet`: what it lists, what stands on standard output and what beside it, and what a relay lacks."""

import json
import re
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edgeturn import seam
from edgeturn.cli.root import edgeturn
from edgeturn.command.failure import Wrong
from edgeturn.command.secret import fingerprint
from edgeturn.relay.configuration import Configuration
from edgeturn.relay.options import DEFAULT_PORT
from edgeturn.snippets import table
from edgeturn.snippets.application import DAY, YEAR, Application
from edgeturn.snippets.snippet import Wishes, write
from tests.snippets.readers import READERS

HEAD = "config relay 'main'\n\toption realm 'example.org'\n\tlist listen '192.0.2.1'\n"
SECRETS = "\tlist secret 'first'\n\tlist secret 'second'\n"
ALICE = "config user 'alice'\n\toption password 'wonderland'\n"
KEYED = "config user 'bob'\n\toption key '0123456789abcdef0123456789abcdef'\n"


def run(file: Path, *words: str, code: int = 0) -> Result:
    result = CliRunner().invoke(edgeturn, ["snippet", *words, "-c", str(file)], prog_name="edgeturn")
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


@pytest.fixture
def relay_file(tmp_path: Path) -> Path:
    file = tmp_path / "edgeturn.conf"
    file.write_text(HEAD + SECRETS + ALICE + KEYED)
    return file


def test_every_application_is_listed_and_read() -> None:
    assert set(READERS) == {each.name for each in table.APPLICATIONS}
    names = [name for each in table.APPLICATIONS for name in (each.name, *each.aliases)]
    assert len(names) == len(set(names))
    assert all(each.where and each.apply and each.styles for each in table.APPLICATIONS)


def test_the_list_fits_a_terminal(relay_file: Path) -> None:
    lines = run(relay_file).stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [each.name for each in table.APPLICATIONS]
    assert max(len(line) for line in lines) <= 80
    listed = json.loads(run(relay_file, "--json").stdout)
    assert [each["name"] for each in listed] == [each.name for each in table.APPLICATIONS]


@pytest.mark.parametrize("application", [pytest.param(each, id=each.name) for each in table.APPLICATIONS])
def test_standard_output_is_the_configuration_and_nothing_else(relay_file: Path, application: Application) -> None:
    result = run(relay_file, application.name)
    READERS[application.name](result.stdout)
    assert "192.0.2.1 is no address that the internet reaches" in result.stderr
    assert ("No turns: in it" in result.stderr) == application.uses_tls
    told = " ".join((result.stdout if application.comment else result.stderr).split())
    told = told.replace(f" {application.comment} ", " ") if application.comment else told
    told = told.replace("--> <!-- ", "").replace("--> ", "")
    assert application.where in told and application.apply in told
    document = json.loads(run(relay_file, application.name, "--json").stdout)
    assert READERS[application.name](document["configuration"])


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("matrix", "synapse"),
        ("Element Call", "livekit"),
        ("element_call", "livekit"),
        ("rocket.chat", "rocketchat"),
        ("hpb", "nextcloud-signaling"),
        ("BBB", "bigbluebutton"),
    ],
)
def test_other_names_are_known(asked: str, found: str) -> None:
    assert table.find(asked).name == found


@pytest.mark.parametrize(
    ("asked", "near"),
    [("synaps", "synapse"), ("nextclod", "nextcloud"), ("janus-gate", "janus-gateway"), ("mattermost calls ", "")],
)
def test_an_unknown_name_tells_the_near_ones(relay_file: Path, asked: str, near: str) -> None:
    if not near:
        run(relay_file, asked)
        return
    said = run(relay_file, asked, code=2).stderr
    assert f"no snippet for '{asked}', but for" in said and near in said and "`edgeturn snippet` lists" in said


def test_a_name_that_is_near_to_nothing(relay_file: Path) -> None:
    assert "no snippet for 'qqqq'; `edgeturn snippet` lists" in run(relay_file, "qqqq", code=2).stderr


# What a relay lacks.

LACKING = (
    (
        "secret",
        ALICE,
        ("nextcloud-talk",),
        "Nextcloud Talk takes a shared secret, and .* has none; `edgeturn secret add",
    ),
    (
        "everything",
        "",
        ("go2rtc",),
        "neither a secret nor a user .*`edgeturn secret add .*`edgeturn user add NAME --gen",
    ),
    ("a password", KEYED, ("go2rtc",), "neither a secret nor a user with a password"),
    ("such a user", ALICE, ("go2rtc", "--user", "carol"), "no user 'carol'; `edgeturn user add carol"),
    ("a user's password", KEYED, ("go2rtc", "--user", "bob"), "'bob' is kept as a key, from which no application"),
    ("such a secret", SECRETS, ("synapse", "--secret", "third"), "no such secret; `edgeturn secret list"),
    (
        "use for a user",
        SECRETS + ALICE,
        ("prosody", "--user", "alice"),
        "takes a shared secret and no user; leave --user",
    ),
    ("sense", SECRETS + ALICE, ("synapse", "--user", "alice", "--secret", "first"), "exclude each other"),
    ("a host", SECRETS, ("synapse", "--name", "turn.example.org:3478"), "neither a domain name nor an address"),
    ("a host at all", SECRETS, ("synapse", "--name", "a b"), "neither a domain name nor an address"),
)


@pytest.mark.parametrize(("what", "text", "words", "said"), LACKING)
def test_what_a_relay_lacks_is_said_with_what_to_type(
    tmp_path: Path, what: str, text: str, words: tuple[str, ...], said: str
) -> None:
    file = tmp_path / "edgeturn.conf"
    file.write_text(HEAD + text)
    result = run(file, *words, code=2)
    assert re.search(said, result.stderr), result.stderr
    assert result.stdout == ""


def test_a_secret_alone_gives_a_credential_that_ends(tmp_path: Path) -> None:
    file = tmp_path / "edgeturn.conf"
    file.write_text(HEAD + SECRETS)
    before = int(time.time())
    result = run(file, "home-assistant")
    expires = int(READERS["home-assistant"](result.stdout).username.split(":")[0])
    assert 0 <= expires - before - YEAR <= 60
    ends = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(expires))
    said = " ".join(result.stderr.split())
    assert f"The credential in it ends at {ends}" in said and "user add NAME --generate" in said
    assert "ends at" not in run(file, "synapse").stderr


@pytest.mark.parametrize(
    ("words", "shared"),
    [(("synapse",), False), (("synapse", "--user", "alice"), True), (("go2rtc",), True), (("galene",), True),
     (("peertube",), False)],
)  # fmt: skip
def test_that_everybody_shares_a_quota_is_said(relay_file: Path, words: tuple[str, ...], shared: bool) -> None:
    assert ("may have 12 allocations together" in " ".join(run(relay_file, *words).stderr.split())) == shared
    relay_file.write_text(relay_file.read_text().replace("'main'", "'main'\n\toption user_quota '0'"))
    assert "allocations together" not in run(relay_file, *words).stderr


# Choices.


def test_the_first_secret_or_the_named_one(relay_file: Path) -> None:
    assert READERS["synapse"](run(relay_file, "synapse").stdout).secret == "first"
    assert READERS["synapse"](run(relay_file, "synapse", "--secret", fingerprint("second")).stdout).secret == "second"
    assert READERS["synapse"](run(relay_file, "synapse", "--user", "alice").stdout).username == "alice"


def test_a_lasting_application_gets_the_user_and_a_page_never_does_unasked(relay_file: Path) -> None:
    assert READERS["go2rtc"](run(relay_file, "go2rtc").stdout).password == "wonderland"
    assert READERS["go2rtc"](run(relay_file, "go2rtc", "--secret", "second").stdout).username.endswith(":go2rtc")
    assert "wonderland" not in run(relay_file, "browser").output
    assert READERS["browser"](run(relay_file, "browser", "--user", "alice").stdout).password == "wonderland"


ASKED = (Wishes(name="turn.example.net"), Wishes(user="bob"), Wishes(secret="second"), Wishes(lifetime=7200))
TWO = [(one, other) for number, one in enumerate(ASKED) for other in ASKED[number + 1 :]]


def both(one: Wishes, other: Wishes) -> Wishes:
    return Wishes(**{name: getattr(one, name) or value for name, value in vars(other).items()})


@pytest.mark.parametrize("application", table.APPLICATIONS, ids=lambda each: each.name)
def test_what_is_asked_for_is_used_or_refused(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seam, "wall", lambda: 1_800_000_000)
    bob = "config user 'bob'\n\toption password 'builder'\n"
    settings = Configuration(HEAD + "\tlist listen '127.0.0.1:3478'\n" + SECRETS + ALICE + bob, "x")

    def text(wishes: Wishes) -> str:
        try:
            return write(application, settings, wishes).text
        except Wrong as wrong:
            assert re.search(r"--\w+ .*(out|other)\.$", wrong.message), wrong.message
            return ""

    plain, each_alone = text(Wishes()), {wishes: text(wishes) for wishes in ASKED}
    assert plain not in each_alone.values()
    for one, other in TWO:
        made = text(both(one, other))
        assert not made or made not in (plain, each_alone[one], each_alone[other]), (one, other)


def test_options_want_an_application(relay_file: Path) -> None:
    done = run(relay_file, "--user", "alice", code=2)
    assert "name the application" in done.stderr and done.stdout == ""


def test_lifetimes(relay_file: Path) -> None:
    assert "turn_user_lifetime: 3600s" in run(relay_file, "synapse", "--lifetime", "3600").stdout
    assert "turn_user_lifetime: 86400s" in run(relay_file, "synapse").stdout
    for words, seconds in (((), DAY), (("--lifetime", "60"), 60)):
        username = READERS["browser"](run(relay_file, "browser", *words).stdout).username
        assert abs(int(username.split(":")[0]) - time.time() - seconds) < 60


@pytest.mark.parametrize(
    ("name", "host"),
    [("turn.example.org", "turn.example.org"), ("198.51.100.7", "198.51.100.7"), ("[2001:db8::7]", "[2001:db8::7]"),
     ("2001:DB8::7", "[2001:db8::7]")],
)  # fmt: skip
def test_another_name_is_the_host_of_everything(relay_file: Path, name: str, host: str) -> None:
    for application in ("synapse", "prosody", "livekit", "janus", "gstreamer", "nextcloud-talk"):
        read = READERS[application](run(relay_file, application, "--name", name).stdout)
        assert all(f":{host}:{DEFAULT_PORT}" in each for each in read.turn + read.stun)


def test_a_name_is_not_said_to_be_out_of_reach(relay_file: Path) -> None:
    assert "no address that the internet" not in run(relay_file, "synapse", "--name", "turn.example.org").stderr
