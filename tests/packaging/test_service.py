"""The systemd service under a real systemd: installed, started, looked at from outside, killed, changed, taken away.

Rule 1: the machine is booted once; each test leaves the service running as `install` made it.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging import machine
from tests.packaging.machine import Machine

CONF = "/etc/edgeturn/edgeturn.conf"
UNIT = "/etc/systemd/system/edgeturn.service"
GOAL = 2.0

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def here(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with the service, enabled and started."""
    machine.check_possible()
    folder = tmp_path_factory.mktemp("systemd")
    with machine.booted(machine.install(built[1], folder), folder) as booted:
        said = booted.edgeturn("service", "install", "--dry-run")
        assert f"Would make {CONF}" in said and "+PrivateUsers=yes" in said
        assert booted.run("sh", "-c", f"ls {UNIT} {CONF}", code=2)
        said = booted.edgeturn("service", "install")
        assert f"Made {CONF}" in said and f"Wrote {UNIT}." in said and "Next: `systemctl enable --now" in said
        booted.run("sysctl", "-q", "net.ipv4.conf.wan.forwarding=1")
        booted.run("systemctl", "enable", "--quiet", "--now", "edgeturn.service")
        yield booted


def test_it_is_what_systemd_calls_hardly_exposed(here: Machine) -> None:
    told = json.loads(here.edgeturn("service", "status", "--json"))
    assert told["installed"] and told["matches"] and (told["enabled"], told["active"]) == ("enabled", "active")
    assert told["exposure"] <= GOAL
    assert here.run("systemd-analyze", "verify", UNIT) == ""
    assert f"Unchanged: {UNIT}." in here.edgeturn("service", "install")


def test_it_has_no_rights(here: Machine) -> None:
    rows = dict(line.split(":\t", 1) for line in here.run("cat", f"/proc/{here.running()}/status").splitlines())
    user = here.run("id", "-u", "edgeturn").strip()
    assert set(rows["Uid"].split()) == {user} and user != "0"
    assert {rows[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (rows["NoNewPrivs"], rows["Seccomp"]) == ("1", "2")


def test_it_relays_and_the_kernel_carries(here: Machine) -> None:
    here.running()
    assert "It works: " in here.edgeturn("check")
    assert json.loads(here.edgeturn("status", "--json"))["kernel"]["state"] == "on"
    here.edgeturn("kernel", "detach")
    assert json.loads(here.edgeturn("status", "--json"))["kernel"]["state"] == "absent"
    here.edgeturn("kernel", "attach")
    assert json.loads(here.edgeturn("status", "--json"))["kernel"]["state"] == "on"


def test_no_secret_comes_into_the_journal(here: Machine) -> None:
    here.running()
    secrets = here.run("sed", "-n", r"s/.*\(secret\|password\) '\(.*\)'.*/\2/p", CONF).split()
    journal = here.journal()
    assert len(secrets) == 2 and "edgeturn ready" in journal
    assert not [secret for secret in secrets if secret in journal]


def test_reload_keeps_the_process(here: Machine) -> None:
    process = here.running()
    here.edgeturn("config", "set", "user_quota", "7")
    here.run("systemctl", "reload", "edgeturn.service")
    assert "reloaded applied=user_quota" in here.journal() and here.running() == process
    here.run("sh", "-c", f"kill -HUP {process}")  # as its user it reads the file, too
    here.until(lambda: here.journal().count("info reloaded") == 2, "a second reload")


def test_killed_it_comes_again(here: Machine) -> None:
    process = here.running()
    here.run("kill", "-9", str(process))
    here.until(lambda: here.property_of("NRestarts") == "1" and here.running() != process, "another process")


def test_a_wrong_configuration_is_not_tried_again(here: Machine) -> None:
    here.run("sed", "-i", "s/option realm/option reallm/", CONF)
    here.run("systemctl", "restart", "edgeturn.service", code=None)
    here.until(lambda: here.property_of("ActiveState") == "failed", "the end")
    assert here.property_of("ExecMainStatus") == "2" and f"{CONF}:5: unknown option 'reallm'" in here.journal()
    here.run("sed", "-i", "s/option reallm/option realm/", CONF)
    here.run("systemctl", "restart", "edgeturn.service")
    here.running()


def test_with_tls_and_a_port_below_1024_it_asks_for_one_right_more(here: Machine) -> None:
    here.edgeturn("config", "set", "listen", "192.0.2.1:443", "192.0.2.1:3478")
    here.edgeturn("init", "--tls", "--name", "turn.example.org")
    here.edgeturn("config", "set", "dtls", "1")
    told = here.edgeturn("service", "status")
    assert "The configuration asks for another unit than this" in told
    said = here.edgeturn("service", "install")
    assert "takes it" in said and "can't read" not in said
    here.run("systemctl", "restart", "edgeturn.service")
    process = here.running()
    assert "CapEff:\t0000000000000400" in here.run("cat", f"/proc/{process}/status")  # CAP_NET_BIND_SERVICE
    checked = here.edgeturn("check")
    assert all(
        f"192.0.2.1:{way}" in checked for way in ("443 over UDP", "443 over TCP", "5349 over TLS", "5349 over DTLS")
    )
    assert json.loads(here.edgeturn("service", "status", "--json"))["exposure"] <= GOAL


def test_a_key_that_its_user_cannot_read_is_named(here: Machine) -> None:
    here.run("sh", "-ec", "install -d -m 700 /srv/keys; cp /etc/edgeturn/edgeturn.key /srv/keys/own.key")
    here.edgeturn("config", "set", "key", "/srv/keys/own.key")
    said = " ".join(here.edgeturn("service", "install").split())
    assert "User edgeturn can't read /srv/keys/own.key: `setfacl -m u:edgeturn:r /srv/keys/own.key`" in said
    here.edgeturn("config", "set", "key", "/etc/edgeturn/edgeturn.key")


def test_uninstalled_it_is_gone_and_the_configuration_stays(here: Machine) -> None:
    assert f"Stopped edgeturn.service and removed {UNIT}." in here.edgeturn("service", "uninstall")
    assert here.property_of("LoadState") == "not-found" and here.property_of("ActiveState") == "inactive"
    assert here.run("stat", "--format=%a %U %G", CONF).split() == ["640", "root", "edgeturn"]
    assert "Not installed" in here.edgeturn("service", "status", code=1)
    assert "nothing to remove" in here.edgeturn("service", "uninstall", code=1)
