"""Every application's row: read as the application reads it, and its credential allocates on a real relay."""

import re
import subprocess

import pytest

from edgeturn.command.failure import Wrong
from edgeturn.probing import uri
from edgeturn.relay.configuration import Configuration
from edgeturn.snippets import table
from edgeturn.snippets.application import MINTED, SECRET, STUN, USER, Application
from edgeturn.snippets.snippet import Wishes, write
from tests.blackbox.certificates import NAME
from tests.blackbox.client import Client
from tests.blackbox.relay import HOST, Relay
from tests.snippets.conftest import AWKWARD, PLAIN
from tests.snippets.readers import READERS, Read

CASES = [(each, style) for each in table.APPLICATIONS for style in each.styles]
PROVEN = [pytest.param(*case, id=f"{case[0].name}-{case[1]}") for case in CASES]
QUOTED = [pytest.param(*case, id=f"{case[0].name}-{case[1]}") for case in CASES if case[1] in (SECRET, USER)]
# What an application's file can't hold, by the reasons that stand at the rows.
REFUSED = {
    "nextcloud-signaling": {"comment", "semicolon", "brackets"},
    "bigbluebutton": {"braces"},
    "jitsi-docker": {"double quotes", "backslashes", "last backslash", "dollar and apostrophe", "three quotes"},
    "snikket": {"dollar and apostrophe"},
    "go2rtc": {"braces"},
    "frigate": {"braces"},
    "mirotalk": {"three quotes"},
}


def made(application: Application, settings: Configuration, style: str, value: str) -> Read:
    wishes = {SECRET: Wishes(secret=value), USER: Wishes(user=value), MINTED: Wishes(secret=value), STUN: Wishes()}
    snippet = write(application, settings, wishes[style])
    assert snippet.style == style
    return READERS[application.name](snippet.text)


def allocates(relay: Relay, username: str, password: str) -> None:
    client = Client(relay.server(), username, password)
    try:
        assert client.allocate().code == 0, username
        assert client.refresh(0).code == 0
    finally:
        client.close()


@pytest.mark.parametrize(("application", "style"), PROVEN)
def test_what_an_application_reads_allocates(
    application: Application, style: str, settings: Configuration, relay: Relay
) -> None:
    read = made(application, settings, style, PLAIN)
    for each in read.stun + read.turn:
        found = uri.parse(each)
        assert (found.host, found.port) == (NAME, relay.port)
    kinds = {(uri.parse(each).scheme, uri.parse(each).transport) for each in read.turn}
    if style == STUN:
        assert read.stun and not read.turn
        assert Client(relay.server()).binding().mapped[0] == HOST
        return
    assert ("turn", "udp") in kinds
    assert not application.uses_tls or ("turns", "tls") in kinds
    allocates(relay, *read.login())


@pytest.mark.parametrize(("application", "style"), QUOTED)
def test_awkward_values_are_read_as_they_are_or_refused(
    application: Application, style: str, settings: Configuration
) -> None:
    refused = set()
    for what, value in AWKWARD:
        try:
            read = made(application, settings, style, value)
        except Wrong as wrong:
            assert re.search("would read as something else; `.*edgeturn (secret rotate|user add)", wrong.message)
            refused.add(what)
            continue
        proof = (read.secret, "", "") if style == SECRET else ("", read.username, read.password)
        expected = (value, "", "") if style == SECRET else ("", value, value)
        assert proof == expected, what
    assert refused == REFUSED.get(application.name, set())


@pytest.mark.parametrize("name", ["synapse", "home-assistant"])
def test_the_relay_takes_the_awkward_values_too(name: str, settings: Configuration, relay: Relay) -> None:
    application = table.find(name)
    for _, value in AWKWARD:
        allocates(relay, *made(application, settings, application.styles[0], value).login())


def test_go_is_as_gofmt_writes_it(settings: Configuration) -> None:
    text = write(table.find("pion"), settings).text
    try:
        done = subprocess.run(["gofmt", "-d"], input=text, capture_output=True, text=True, timeout=90)
    except FileNotFoundError:
        pytest.skip("there is no gofmt")
    assert (done.stdout, done.stderr) == ("", "")
