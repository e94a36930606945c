"""How a certificate's files are followed, with a clock that the test moves: what is said when, and what is used."""

import errno
import os
from pathlib import Path

import pytest

from edgeturn import seam
from edgeturn.relay.configuration import Configuration
from edgeturn.relay.log import Log
from edgeturn.relay.tls import certificates, renewal
from edgeturn.relay.tls.certificates import Pair, Unusable
from edgeturn.relay.tls.renewal import Renewal
from tests.blackbox.authority import Authority, Issued, put

NAME = "turn.example.org"
DAY = 86400


class Lines(Log):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__("debug")
        self.lines: list[str] = []

    def write(self, level: str, text: str) -> None:
        self.lines.append(f"{level} {text}")

    def take(self) -> list[str]:
        """Return what was logged since the last time, without what is said of a pair that is taken."""
        taken, self.lines = [line for line in self.lines if not line.startswith("info certificate file")], []
        return taken


class World:
    """A folder with files that fit, who follows them, and who serves with them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log, self.used, self.refusal = folder, Lines(), [b""], ""
        self.authority = Authority()
        self.now = seam.wall()
        self.issue()
        text = (
            f"config relay\noption certificate {folder}/turn.crt\noption key {folder}/turn.key\nlist tls_names {NAME}"
        )
        self.settings = Configuration(text, "x.conf")
        self.followed = Renewal(self.settings, self.log)
        self.followed.serve(list, self.use)
        self.log.take()

    def issue(self, last: float = 90) -> Issued:
        """Put a new pair in place."""
        issued = self.authority.issue(NAME, days=(-1, last))
        issued.write(self.folder)
        return issued

    def use(self, pair: Pair) -> None:
        if self.refusal:
            raise ValueError(self.refusal)
        self.used.append(pair.digest)

    def passes(self, seconds: int) -> list[str]:
        """Let the clock go on; return what was logged."""
        self.now += seconds
        self.followed.tick(self.now)
        return self.log.take()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_the_end_is_said_once_when_it_nears_and_then_each_day(world: World) -> None:
    assert world.passes(75 * DAY) == []
    (line,) = world.passes(DAY)
    assert line.startswith(f"warning certificate reason='{world.folder}/turn.crt: expires on ")
    assert world.passes(DAY - 1) == [] and world.passes(1) == [line] and world.passes(1) == []
    (line,) = world.passes(13 * DAY)
    assert line.startswith("error certificate reason=") and "has expired on" in line
    assert world.passes(DAY - 1) == [] and world.passes(1) == [line]


def test_a_clock_that_is_set_right_ends_the_remarks(world: World) -> None:
    (line,) = world.passes(-10 * DAY)
    assert "isn't valid before" in line and "this machine's clock" in line
    assert world.passes(10 * DAY) == [] and world.passes(DAY) == []


def test_files_that_stay_are_read_no_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    os.utime(world.folder / "turn.key")
    world.passes(1)
    before = os.stat(world.folder / "turn.key").st_ctime
    monkeypatch.setattr(seam, "wall", lambda: int(before) + 9)
    world.passes(1)
    monkeypatch.setattr(renewal, "Pair", None)  # whoever reads them now fails
    assert world.passes(1) == [] and world.used == [b""]


def test_a_change_within_the_second_of_the_reading_is_seen(world: World) -> None:
    """By a program that writes into the file, so that nothing of it looks different."""
    texts = [world.authority.issue(NAME) for _ in range(50)]
    size = (world.folder / "turn.crt").stat().st_size
    issued = next(each for each in texts if len(each.text()) == size)
    world.passes(1)
    (world.folder / "turn.crt").write_bytes(issued.text())
    (world.folder / "turn.key").write_bytes(issued.key_text())
    world.passes(1)
    assert len(world.used) == 2


def test_a_key_that_goes_while_it_is_looked_at_cannot_be_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = certificates.status
    times = iter((0, 0, 1))  # certificate and key are read, then it's gone

    def status(path: str) -> list[int]:
        if next(times):
            raise FileNotFoundError(errno.ENOENT, path)
        return looked(path)

    monkeypatch.setattr(certificates, "status", status)
    with pytest.raises(Unusable, match=r"turn\.key: can't be read: "):
        Pair(str(world.folder / "turn.crt"), str(world.folder / "turn.key"))


def test_half_written_files_are_looked_at_again_before_anybody_complains(world: World) -> None:
    issued = world.authority.issue(NAME)
    put(world.folder / "turn.crt", issued.text()[:-90])
    assert world.passes(1) == []
    put(world.folder / "turn.crt", issued.text())
    assert world.passes(1) == []  # another file, which still lacks its key
    put(world.folder / "turn.key", issued.key_text())
    assert world.passes(1) == [] and len(world.used) == 2


def test_what_the_tls_library_refuses_is_said_once_and_not_used(world: World) -> None:
    before = world.followed.pair
    world.refusal = "key too small"
    world.issue()
    assert world.passes(1) == []
    (line,) = world.passes(1)
    assert (
        line == f"error certificate-kept reason='{world.folder}/turn.crt: the TLS library can't use it: key too small'"
    )
    assert world.passes(1) == [] and world.followed.pair is before
    assert world.followed.trouble and world.followed.describe(world.now)["problems"] == [world.followed.trouble]
    world.refusal = ""
    world.issue()
    world.passes(1)
    assert len(world.used) == 2 and not world.followed.trouble


def test_a_reload_by_who_may_not_read_what_serves_says_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise Unusable("permission denied")

    monkeypatch.setattr(renewal, "Pair", fail)
    world.followed.reload(world.settings)
    assert [world.passes(1) for _ in range(3)] == [[], [], []] and not world.followed.trouble
    os.utime(world.folder / "turn.key", (0, 0))
    assert world.passes(1) == [] and len(world.passes(1)) == 1


def test_memory_that_is_missing_is_asked_for_each_second(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    world.issue()
    with monkeypatch.context() as patched:
        patched.setattr(renewal, "Pair", fail)
        (line,) = world.passes(1)
        assert "no memory is left to read it" in line and world.passes(1) == []
    assert world.passes(1) == [] and len(world.used) == 2 and not world.followed.trouble
