"""`init`, `config`, `user` and `secret`: what people read, and what stands in the file afterwards."""

import json
import os
import stat
from pathlib import Path

import pytest

from edgeturn.cli.secret import fingerprint
from edgeturn.relay import configuration, options, uci
from tests.cli.conftest import Call

BROKEN = (
    (("set", "max_allocations", "abc"), "option 'max_allocations': must be a whole number from 1 to 8192, not 'abc'"),
    (("set", "default_lifetime", "7200"), "option 'default_lifetime' is larger than 'max_lifetime'"),
    (("set", "realmm", "x"), "there is no option 'realmm', perhaps 'realm' is meant"),
    (("set", "realm", "a", "b"), "'realm' takes one value, not 2"),
    (("set", "listen", "192.0.2.1", "nowhere"), "option 'listen': must be an address"),
    (("add", "realm", "x"), "'realm' is no list: use `edgeturn config set realm VALUE -c /"),
    (("add", "allow_peer", "10.0.0.1/8"), "without address bits behind the prefix length, not '10.0.0.1/8'; /"),
    (("remove", "allow_peer", "10.0.0.0/8"), "'allow_peer' doesn't have the value 10.0.0.0/8, it has no value"),
)


def test_init_makes_an_identity_that_nobody_else_may_read(file: Path) -> None:
    settings = configuration.read(str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (user,), (secret,) = settings.users, settings.items("secret")
    assert len(user.password) >= 22 and len(str(secret)) >= 22 and user.password != secret


def test_init_never_overwrites(file: Path, call: Call) -> None:
    before = file.read_bytes()
    said = call("init", "--yes", "-c", str(file), code=2)
    assert "exists already and is not overwritten" in said and "config set" in said
    assert file.read_bytes() == before


def test_init_writes_nothing_where_an_answer_is_wrong(tmp_path: Path, call: Call) -> None:
    path = tmp_path / "edgeturn.conf"
    for words, reason in (
        (("--allow-peer", "foo"), "'foo' must be an address or a prefix"),
        (("--allow-peer", "10.0.0.0/8", "--allow-peer", "10.0.0.1/8"), "'10.0.0.1/8' must be"),
        (("--external", "foo"), "'foo' must be auto, an IP address"),
        (("--realm", "a\nb"), f"{path} was not made"),
    ):
        assert reason in call("init", "--yes", *words, "-c", str(path), code=2), words
        assert not path.exists(), words
    call("init", "--yes", "--allow-peer", "10.0.0.0/8", "--allow-peer", "fd00::/8", "-c", str(path))
    assert configuration.read(str(path)).items("allow_peer") == ["10.0.0.0/8", "fd00::/8"]


def test_init_asks_three_questions_and_again_after_a_wrong_answer(tmp_path: Path, call: Call) -> None:
    path = tmp_path / "folder" / "edgeturn.conf"
    said = call("init", "-c", str(path), given="example.org\nnowhere\n198.51.100.7\n192.168.1.0/24, fd00::/8\n")
    assert said.count("Address that clients reach it at") == 2 and "must be auto, an IP address" in said
    settings = configuration.read(str(path))
    assert settings.text("realm") == "example.org"
    assert settings.items("allow_peer") == ["192.168.1.0/24", "fd00::/8"]
    assert settings.items("external_address") == [(b"", bytes([198, 51, 100, 7]))]


def test_init_takes_its_defaults(tmp_path: Path, call: Call) -> None:
    call("init", "-c", str(tmp_path / "a"), given="\n\n\n")
    settings = configuration.read(str(tmp_path / "a"))
    assert not settings.items("external_address") and not settings.items("allow_peer")


def test_a_broken_edit_never_lands(file: Path, call: Call) -> None:
    before = file.read_bytes()
    for words, reason in BROKEN:
        assert reason in call("config", *words, "-c", str(file), code=2), words
        assert file.read_bytes() == before, words


def test_set_replaces_a_whole_list(file: Path, call: Call) -> None:
    place = ("-c", str(file))
    before = file.read_text()
    call("config", "set", "listen", "192.0.2.1", *place)
    call("config", "add", "listen", "192.0.2.2", *place)
    assert "listen is 0.0.0.0:3479, [::]:3479; " in call("config", "set", "listen", "0.0.0.0:3479", "[::]:3479", *place)
    assert call("config", "get", "listen", *place) == "0.0.0.0:3479\n[::]:3479\n"
    call("config", "unset", "listen", *place)
    assert file.read_text() == before


def test_edits_are_read_back_and_keep_mode_and_comments(file: Path, call: Call) -> None:
    place = ("-c", str(file))
    os.chmod(file, 0o640)
    before = file.read_text()
    assert "takes effect when the relay is started next" in call("config", "set", "max_allocations", "128", *place)
    assert "reload" in call("config", "set", "user_quota", "3", *place)
    assert call("config", "get", "max_allocations", *place) == "128\n"
    call("config", "add", "allow_peer", "10.0.0.0/8", *place)
    assert "already" in call("config", "add", "allow_peer", "10.0.0.0/8", *place, code=2)
    assert json.loads(call("config", "show", "--json", *place))["allow_peer"] == ["10.0.0.0/8"]
    call("config", "remove", "allow_peer", "10.0.0.0/8", *place)
    call("config", "unset", "max_allocations", *place)
    call("config", "unset", "user_quota", *place)
    assert file.read_text() == before
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert [each.name for each in file.parent.iterdir()] == [file.name]


def test_show_hides_secrets_until_told(file: Path, call: Call) -> None:
    secret = call("config", "get", "secret", "-c", str(file)).strip()
    assert secret not in call("config", "show", "-c", str(file))
    assert "secret" not in json.loads(call("config", "show", "--json", "-c", str(file)))
    assert secret in call("config", "show", "--show", "-c", str(file))


def test_check_names_file_line_option_and_reason(file: Path, call: Call) -> None:
    assert call("config", "check", "-c", str(file)) == f"{file} is correct.\n"
    os.chmod(file, 0o644)
    assert "chmod 600" in call("config", "check", "-c", str(file))
    lines = len(file.read_text().splitlines())
    file.write_text(file.read_text() + "config user 'bob'\n\toption passwort 'x'\n")
    said = call("config", "check", "-c", str(file), code=2)
    wrong = f"{file}:{lines + 2}: unknown option 'passwort' in a section of type 'user'"
    assert f"{wrong}; `edgeturn config reference` explains every option." in said


def test_a_missing_file_says_what_makes_it(tmp_path: Path, call: Call) -> None:
    said = call("config", "show", "-c", str(tmp_path / "none"), code=2)
    assert "there is no such file; `edgeturn init -c" in said


def test_no_permission_is_a_failure_and_no_wrong_usage(file: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "access", lambda path, mode, **_: False)
    monkeypatch.setattr(uci, "open", refuse, raising=False)
    said = call("config", "check", "-c", str(file), code=1)
    assert said == f"Error: {file}: can't be read: permission denied; call this as its owner or as root.\n"


def test_messages_name_commands_that_can_be_typed(file: Path, call: Call) -> None:
    place = ("-c", str(file))
    assert f"`edgeturn user remove edgeturn -c {file}` comes" in call("user", "add", "edgeturn", *place, code=2)
    assert f"`edgeturn user list -c {file}`" in call("user", "remove", "nobody", *place, code=2)
    assert f"`edgeturn kick ID -c {file}`" in call("kick", *place, code=2)
    assert "`edgeturn config reference` lists" in call("config", "set", "nothing", "1", *place, code=2)
    call("user", "remove", "edgeturn", *place)
    assert f"`edgeturn user add NAME -c {file}` makes one" in call("user", "list", *place)


def test_the_last_login_says_that_it_was_the_last(file: Path, call: Call) -> None:
    place = ("-c", str(file))
    closed = f"But nobody can log in: {file} has no secret and no user; `edgeturn secret add -c {file}`"
    before = file.read_bytes()
    secret = call("config", "get", "secret", *place).strip()
    assert "nobody can log in" not in call("user", "remove", "edgeturn", *place)
    said = call("secret", "remove", secret, *place)
    assert closed in said and f"`edgeturn kick ID -c {file}` ends one" in said
    assert closed in call("config", "check", *place)
    file.write_bytes(before)
    assert "nobody can log in" not in call("config", "unset", "secret", *place)
    said = call("user", "remove", "edgeturn", *place)
    assert closed in said and f"`edgeturn kick --user edgeturn -c {file}` ends them" in said


def test_the_option_c_stands_in_front_too(file: Path, call: Call) -> None:
    assert call("-c", str(file), "config", "get", "user_quota") == "12\n"


def test_the_reference_explains_every_option(call: Call) -> None:
    for form in ("text", "markdown"):
        said = call("config", "reference", "--format", form)
        assert [option.name for option in options.OPTIONS if option.about not in said] == []
    assert len(json.loads(call("config", "reference", "--json"))) == len(options.OPTIONS)


def test_users_come_and_go(file: Path, call: Call) -> None:
    place = ("-c", str(file))
    before = file.read_bytes()
    assert "with password" in call("user", "add", "alice", *place)
    assert "already" in call("user", "add", "alice", *place, code=2)
    assert "s3cret" not in call("user", "add", "Zoe\u0308", "--password", "s3cret", *place)
    names = [user["name"] for user in json.loads(call("user", "list", "--json", *place))]
    assert names == ["edgeturn", "alice", "Zo\u00eb"]
    call("user", "remove", "alice", *place)
    call("user", "remove", "Zo\u00eb", *place)
    assert "there is no user 'alice'" in call("user", "remove", "alice", *place, code=2)
    assert file.read_bytes() == before


def test_a_password_comes_from_standard_input(file: Path, call: Call) -> None:
    call("user", "add", "bob", "--password", "-", "-c", str(file), given="from a pipe\n")
    assert configuration.read(str(file)).users[-1].password == "from a pipe"


def test_names_that_cannot_be(file: Path, call: Call) -> None:
    for name, reason in (("a:b", "colon"), ("", "empty"), ("a\tb", "control characters"), ("x" * 600, "508 bytes")):
        assert reason in call("user", "add", name, "-c", str(file), code=2), name


def test_secrets_are_rotated_without_an_outage(file: Path, call: Call) -> None:
    place = ("-c", str(file))
    old = call("config", "get", "secret", *place).strip()
    said = call("secret", "rotate", *place)
    new, kept = call("config", "get", "secret", *place).split()
    assert kept == old and f"secret remove {fingerprint(old)}" in said and new not in said
    rows = json.loads(call("secret", "list", "--json", *place))
    assert [(row["fingerprint"], row["mints"]) for row in rows] == [(fingerprint(new), True), (fingerprint(old), False)]
    assert new not in call("secret", "list", *place) and new in call("secret", "list", "--show", *place)
    assert "1 left" in call("secret", "remove", fingerprint(old), *place)
    assert "no such secret" in call("secret", "remove", fingerprint(old), *place, code=2)
