"""What is typed: help, the version, and one sentence with what to do for whatever is typed wrongly."""

import json

from edgeturn import __version__
from edgeturn.command import table
from tests.command.conftest import Command

WRONG = (
    ("a command", ["statu"], "there is no command 'statu'; `edgeturn --help` lists them."),
    ("one of click", ["firewall"], "'firewall' needs the whole edgeturn with Python and click, which isn't what runs here."),  # noqa: E501
    ("one to do on a PC", ["snippet", "synapse"], "'snippet' needs the whole edgeturn with Python and click, which isn't what runs here; `edgeturn snippet APP --name HOST -c COPY` on a PC, with a copy of the configuration."),  # noqa: E501
    ("within a group", ["user", "ad"], "'user' has no command 'ad'; there are add, list, remove."),
    ("an option", ["status", "--jsn"], "there is no option '--jsn'; `edgeturn status --help` lists them."),
    ("an option in front", ["--jsn", "status"], "there is no option '--jsn'; `edgeturn --help` lists them."),
    ("no value", ["status", "-c"], "option '-c' needs a value: -c FILE."),
    ("a value", ["status", "--json=1"], "option '--json' takes no value."),
    ("a choice", ["credentials", "--format", "xml"], "option '--format' is one of json, env, text, not 'xml'."),
    ("a number", ["credentials", "--ttl", "0"], "option '--ttl' is a whole number from 1 to 315360000, not '0'."),
    ("not a number", ["credentials", "--ttl", "1h"], "option '--ttl' is a whole number from 1 to 315360000, not '1h'."),
    ("too little", ["user", "add"], "NAME is missing: `edgeturn user add NAME`."),
    ("too much", ["status", "now"], "'now' is one word too many: `edgeturn status`."),
    ("no values", ["config", "set", "realm"], "VALUE... is missing: `edgeturn config set NAME VALUE...`."),
    ("ID", ["kick", "x"], "ID is a whole number from 0 to 1073741823, not 'x'."),
    ("a size", ["plan", "--memory", "8X"], "option '--memory': must be a number of bytes up to 1G, such as 125000 or 2M, not '8X'."),  # noqa: E501
    ("both", ["plan", "--memory", "8M", "--allocations", "1"], "--memory and --allocations exclude each other: one is computed from the other."),  # noqa: E501
    ("a URI", ["check", "http://x"], "'http://x' is no URI such as turn:192.0.2.1:3478, turn:turn.example.org?transport=tcp or stun:192.0.2.1."),  # noqa: E501
    ("no login", ["check", "turn:127.0.0.1"], "turn:127.0.0.1 needs a login: --user and --password, or --secret."),
    ("half a login", ["check", "turn:127.0.0.1", "-u", "a"], "--user and --password go together."),
)  # fmt: skip


def test_the_version_is_exactly_the_version(command: Command) -> None:
    assert command.bare("--version") == f"{__version__}\n"


def test_help_lists_what_there_is(command: Command) -> None:
    said = command.bare("--help")
    names = {row[0].split()[0] for row in table.COMMANDS}
    listed = said.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in listed] == [name for name, _ in table.TOP if name in names]
    assert "Exit codes:" in said and command.bare() == said
    for words in (("user",), ("user", "--help")):
        assert "add     Add a user." in command.bare(*words)
    assert "Password of that user." in command.bare("check", "--help")
    assert "--following" not in command.bare("kernel", "attach", "--help")


def test_what_is_typed_wrongly_is_one_sentence(command: Command) -> None:
    for what, words, sentence in WRONG:
        assert command.bare(*words, code=2) == f"Error: {sentence}\n", what


def test_options_stand_wherever_they_are_typed(configured: Command) -> None:
    place = str(configured.file)
    found = {configured.bare(*words) for words in (
        ("config", "get", "realm", "-c", place),
        ("config", "get", "-c" + place, "realm"),
        ("config", "get", "--config=" + place, "--", "realm"),
        ("-c", place, "config", "get", "realm"),
    )}  # fmt: skip
    assert found == {"example.org\n"}


def test_the_plan_is_clicks(command: Command) -> None:
    found = json.loads(command("plan", "--allocations", "64", "--json"))
    assert found["CPython"]["each"] > 1000 and found["MicroPython"]["sockets"] == 128
    rows = json.loads(command("plan", "--memory", "8M", "--json"))
    assert {"max_permissions": 4, "max_channels": 4}.items() <= rows[0].items() and rows[0]["MicroPython"] > 100
    assert "max_allocations that fit into 8.0 MB" in command("plan", "--memory", "8M")
    assert "64 allocations, each with 16 permissions" in command("plan")
