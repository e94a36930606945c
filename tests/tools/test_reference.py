"""The README and the manual pages say what the tables say, and have no fault."""

import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from edgeturn.cli.root import edgeturn
from edgeturn.command.table import TOP
from edgeturn.relay import options
from tools import manual, reference
from tools.suite import ROOT

README = reference.README.read_text()


def test_the_readme_says_what_the_tables_say() -> None:
    assert reference.renewed(README) == README, "`python -m tools.reference` writes it anew"


def test_a_readme_that_says_less_is_noticed() -> None:
    for name, make in reference.PARTS.items():
        row = next(line for line in make().splitlines() if "`" in line)
        assert reference.renewed(README.replace(row, "")) == README, name


def test_every_command_and_option_stands_in_the_readme() -> None:
    for name, about in TOP:
        assert re.search(rf"^\| `{name}`.* \| {re.escape(about)} \|$", README, re.MULTILINE), name
    for option in options.OPTIONS:
        assert f" | `{option.name}` | " in README, option.name


def test_lines_are_short_but_in_tables() -> None:
    assert not [line for line in README.splitlines() if len(line) > 160 and not line.startswith("|")]


def test_links_lead_somewhere() -> None:
    found = re.findall(r"\]\(([^)]+)\)", README)
    headings = [re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in _headings()]
    assert len(found) > 10
    for link in found:
        assert link[1:] in headings if link.startswith("#") else (ROOT / link).exists(), link


def _headings() -> list[str]:
    return [line for line in README.splitlines() if line.startswith("#")]


def test_every_command_of_the_readme_is_one() -> None:
    """Each line of a shell block that begins with edgeturn, or with sudo in front, is words that click takes."""
    typed = re.findall(r"^(?:sudo )?(?:\.venv/bin/)?edgeturn ([^\n#|>]*)", "\n".join(_shell()), re.MULTILINE)
    typed += re.findall(r"`(?:sudo )?edgeturn ([^`\n|]*)`", README)
    assert len(typed) > 40
    for words in typed:
        _taken(words.split())


def _shell() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def _taken(words: list[str]) -> None:
    """Assert that words lead to a command, and that each of its options is there."""
    command: click.Command = edgeturn
    context = click.Context(edgeturn)
    while words and isinstance(command, click.Group) and not words[0].startswith("-") and words[0].islower():
        found = command.get_command(context, words[0])
        if found is None:
            break
        command, words = found, words[1:]
    assert command is not edgeturn or words[0] in ("--help", "COMMAND"), words
    known = {name for each in command.get_params(context) for name in each.opts} | {"--help"}
    assert not {word for word in words if word.startswith("--")} - known, (command.name, words)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return manual.write(tmp_path_factory.mktemp("man"))


def test_every_command_has_a_page(pages: list[Path]) -> None:
    assert {page.name for page in pages} == {"edgeturn.conf.5", *_named("edgeturn", edgeturn)}


def test_what_help_says_at_its_end_stands_in_the_page(pages: list[Path]) -> None:
    page = next(each.read_text() for each in pages if each.name == "edgeturn.1")
    assert ".SH EXIT STATUS\n.TP\n0\n" in page and "found a fault" in page


def _named(name: str, command: click.Command) -> set[str]:
    """Return the pages of a command and of all below it."""
    found = {f"{name}.1"}
    if isinstance(command, click.Group):
        for each in command.list_commands(click.Context(command)):
            below = command.get_command(click.Context(command), each)
            assert below is not None
            found |= set() if below.hidden else _named(f"{name}-{each}", below)
    return found


@pytest.mark.skipif(not shutil.which("groff"), reason="no groff on this machine")
def test_groff_finds_no_fault_in_a_page(pages: list[Path]) -> None:
    words = ["groff", "-Kutf8", "-man", "-Tutf8", "-ww", "-z", "-rLL=80n", *map(str, pages)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stderr, done.stderr


@pytest.mark.skipif(not shutil.which("groff"), reason="no groff on this machine")
def test_a_page_reads_as_the_help_does(pages: list[Path]) -> None:
    page = next(each for each in pages if each.name == "edgeturn-init.1")
    words = ["groff", "-man", "-Tascii", "-P-cbou", "-rLL=100n", str(page)]
    text = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout
    assert "  edgeturn init --yes -c ./my.conf\n  edgeturn init --yes --realm example.org" in re.sub(
        " {3,}", "  ", text
    )
    assert "Ask nothing; take every default." in text
