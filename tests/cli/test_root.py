"""The command itself: version, help, exit codes, completion."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from edgeturn import __version__, seam
from edgeturn.cli import place
from edgeturn.cli.root import COMMANDS, edgeturn
from edgeturn.command import place as place_of_both
from tests.blackbox.relay import ROOT
from tests.cli.conftest import Call


def test_version_is_exactly_the_version(call: Call) -> None:
    assert call("--version") == f"{__version__}\n"


def test_help_shows_every_command_and_the_exit_codes(call: Call) -> None:
    said = " ".join(call("--help").split())
    assert all(about in said for _, _, about in COMMANDS) and "Exit codes:" in said and "Examples:" in said


def test_every_command_has_help_of_its_own(call: Call) -> None:
    for name, _, _ in COMMANDS:
        assert "Usage: edgeturn " + name in call(name, "--help")


def test_every_listing_takes_json() -> None:
    context = click.Context(edgeturn)
    for words in ("status", "sessions", "check", "plan", "config show", "config reference", "user list", "secret list"):
        command: click.Command | None = edgeturn
        for word in words.split():
            assert isinstance(command, click.Group)
            command = command.get_command(context, word)
        assert command is not None and any(option.name == "as_json" for option in command.params), words


def test_completion(call: Call) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "_EDGETURN_COMPLETE" in call("completion", shell)
    words = os.environ | {
        "_EDGETURN_COMPLETE": "bash_complete",
        "COMP_WORDS": "edgeturn config set max_",
        "COMP_CWORD": "3",
    }
    command = [sys.executable, "-c", "from edgeturn.cli import main; main()"]
    found = subprocess.run(command, cwd=ROOT, env=words, capture_output=True, text=True).stdout
    assert "max_allocations" in found and "realm" not in found


def test_a_wrong_word_is_usage(call: Call) -> None:
    assert "No such command" in call("runn", code=2)


@pytest.mark.parametrize(
    ("openwrt", "system", "root", "expected"),
    [
        (True, True, True, "config/edgeturn"),
        (False, True, False, "system.conf"),
        (False, False, True, "system.conf"),
        (False, False, False, ".config/edgeturn/edgeturn.conf"),
    ],
)
def test_the_default_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, openwrt: bool, system: bool, root: bool, expected: str
) -> None:
    folder, system_file = tmp_path / "config", tmp_path / "system.conf"
    if openwrt:
        folder.mkdir()
    if system:
        system_file.touch()
    monkeypatch.setattr(place_of_both, "OPENWRT_FOLDER", str(folder))
    monkeypatch.setattr(place_of_both, "SYSTEM_FILE", str(system_file))
    monkeypatch.setattr(seam, "user_id", lambda: 0 if root else 1000)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert place.default_file() == tmp_path / expected


@pytest.mark.parametrize(
    ("called", "among", "file", "expected"),
    [
        ("/home/ann/.local/bin/edgeturn", False, "own.conf", "sudo /home/ann/.local/bin/edgeturn kernel attach -c {}"),
        ("/usr/bin/edgeturn", True, "own.conf", "sudo edgeturn kernel attach -c {}"),
        ("/usr/bin/edgeturn", True, "system.conf", "sudo edgeturn kernel attach"),
        ("/src/edgeturn/__main__.py", False, "system.conf", "sudo edgeturn kernel attach"),
    ],
)
def test_what_root_has_to_type(
    called: str, among: bool, file: str, expected: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if among:
        (tmp_path / "edgeturn").touch()
    monkeypatch.setattr(place, "_ROOTS_FOLDERS", [tmp_path])
    monkeypatch.setattr(place, "OPENWRT_FOLDER", tmp_path / "config")
    monkeypatch.setattr(place, "SYSTEM_FILE", tmp_path / "system.conf")
    monkeypatch.setattr(sys, "argv", [called])
    monkeypatch.chdir(tmp_path)
    assert place.as_root("kernel attach", Path(file)) == expected.format(tmp_path / file)
