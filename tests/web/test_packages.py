"""What brings a package that is missing: a command for the Python that runs, as it is typed here."""

import subprocess
import sys

import pytest

from tests.blackbox.relay import ROOT

# Which Python, and how what it says begins.
ROWS = (
    (sys.executable, f"{sys.executable} -m pip install aiohttp segno"),
    ("/usr/bin/python3", "apt install python3-"),
)
ASK = "from edgeturn.serving.packages import command_for; print(command_for('aiohttp', 'segno'))"


@pytest.mark.parametrize(("python", "command"), ROWS)
def test_the_command_is_for_the_python_that_runs(python: str, command: str) -> None:
    said = subprocess.run([python, "-c", ASK], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said.startswith(command)


def test_a_tool_without_aiohttp_says_it() -> None:
    hidden = "import sys; sys.modules['aiohttp'] = None; from edgeturn.cli import main; main()"
    for words in (["web", "--listen", "127.0.0.1:1"], ["tokens", "--plain"]):
        ended = subprocess.run([sys.executable, "-c", hidden, *words], cwd=ROOT, capture_output=True, text=True)
        assert ended.returncode == 1 and "pip install aiohttp" in ended.stderr, ended.stderr
