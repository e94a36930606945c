"""What a value of the configuration, or who was in /tmp first, makes root do: nothing."""

import os

import pytest

from tests.openwrt.router import Router
from tests.openwrt.service import configure, started

PWNED = "/tmp/pwned"
TOUCH = f"$(touch {PWNED})`touch {PWNED}`; touch {PWNED} #"
VALUES = (
    ("realm", "option realm 'a{}'"),
    ("realm, out of its quotes", "option realm 'a\"{}'"),
    ("listen", "list listen '{}'"),
    ("user", "option user 'edgeturn {}'"),
    ("an option of chown", "option user '--reference=/tmp'"),
    ("certificate", "option certificate '/etc/a b\"{}.pem'\n\toption key '/etc/key {}'"),
    ("control", "option control '/var/run/edgeturn/{}/control.sock'"),
    ("kernel_pins", "option kernel_pins '/sys/fs/bpf/{}/edgeturn'"),
)


@pytest.mark.parametrize(("what", "line"), VALUES)
def test_a_value_is_never_a_command(router: Router, what: str, line: str) -> None:
    kernel = "" if "kernel" in line else "\n\toption kernel 'off'"
    router.configure(f"config relay 'main'\n\toption user 'edgeturn'{kernel}\n\t{line.replace('{}', TOUCH)}\n")
    for action in ("start", "reload", "look", "follow", "stop"):
        router.run("/etc/init.d/edgeturn", action, code=None)
    assert not router.file(PWNED).exists(), what
    assert [name for name in os.listdir(router.root) if name.startswith("pwned")] == []


def test_a_folder_that_another_made_first_is_not_written_to(router: Router) -> None:
    victim = router.file("/etc/victim")
    victim.mkdir(mode=0o700)
    folder = router.file("/var/etc")
    folder.mkdir(exist_ok=True)
    link = folder / "edgeturn"
    link.symlink_to("/etc/victim")
    os.chown(folder, 65534, 65534)
    configure(router)
    for others in (True, False):
        router.service("start", code=1)
        found = victim.stat()
        assert (found.st_mode & 0o777, found.st_gid, os.listdir(victim)) == (0o700, 0, []), others
        os.chown(folder, 0, 0)
    assert "isn't root's" in router.logged()[0]
    link.unlink()
    started(router)


def test_a_folder_is_given_away_only_where_it_stands(router: Router) -> None:
    place = "/var/run/edgeturn/../../../etc/control.sock"
    router.configure(f"config relay 'main'\n\toption user 'edgeturn'\n\toption control '{place}'\n")
    router.service("start", code=1)
    assert router.file("/etc").stat().st_uid == 0 and "without '..'" in router.logged()[0]
