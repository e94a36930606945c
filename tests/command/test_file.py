"""The file: made with an identity, edited without losing a comment, never written wrongly or half."""

import json
import os
import stat
import subprocess

import pytest

from edgeturn import seam
from edgeturn.command import identity
from tests.blackbox.relay import DEADLINE, ROOT, until
from tests.command.conftest import Command, Run

WRONG = (
    ("an option", ["config", "set", "realmm", "x"], "there is no option 'realmm'"),
    ("its value", ["config", "set", "max_allocations", "x"], "option 'max_allocations': must be a whole number from 1 to 8192, not 'x'"),  # noqa: E501
    ("two values", ["config", "set", "realm", "a", "b"], "'realm' takes one value, not 2"),
    ("no list", ["config", "add", "realm", "x"], "'realm' is no list"),
    ("there already", ["config", "add", "secret", "one-shared-secret"], "'secret' has the value one-shared-secret already"),  # noqa: E501
    ("not there", ["config", "remove", "allow_peer", "10.0.0.0/8"], "doesn't have the value 10.0.0.0/8, it has no value"),  # noqa: E501
    ("no user", ["user", "remove", "zoe"], "there is no user 'zoe'"),
    ("a colon", ["user", "add", "a:b"], "a name can't have a colon"),
    ("no name", ["user", "add", ""], "a name can't be empty."),
    ("control", ["user", "add", "a\x07"], "can't have control characters"),
    ("far away", ["user", "add", "e\u0301"], "letters of Latin scripts only"),
    ("both", ["user", "add", "x", "-g", "-p", "y"], "--password and --generate exclude each other."),
    ("no secret", ["secret", "remove", "00000000"], "there is no such secret"),
    ("a terminal's", ["secret", "add", "a\x1b[2J"], "can't have control characters"),
    ("a line break", ["secret", "add", "a\nb"], "a value can't have a line break"),
)  # fmt: skip


def test_the_first_run_makes_an_identity_and_the_second_keeps_it(command: Command) -> None:
    command.file = command.folder / "new" / "folder" / "edgeturn.conf"
    run = Run(command, alone=True)  # the default port may be in use on this machine
    until(lambda: "Proves that" in run.output.read_text() or run.process.poll() is not None, "what comes next")
    run.process.kill()
    run.process.wait(DEADLINE)
    said = run.output.read_text()
    assert said.startswith(f"Made {command.file} with a realm, one secret and one user; keep it")
    entry = json.loads(said[said.index("{") : said.rindex("}") + 1])["iceServers"][0]
    assert entry["username"].endswith(":edgeturn") and entry["credential"] and entry["urls"]
    assert stat.S_IMODE(command.file.stat().st_mode) == 0o600
    assert [each.name for each in command.file.parent.iterdir()] == ["edgeturn.conf"]
    made = command.file.read_bytes()
    secret = command("secret", "list", "--show").split()[-1]
    assert len(secret) == 32 and not set(secret) & set("+/='\\ ")
    assert command("config", "check") == f"{command.file} is correct.\n" and command.file.read_bytes() == made


def test_editing_keeps_what_it_is_not_about(configured: Command) -> None:
    before = configured.file.read_text()
    configured.file.chmod(0o640)
    assert "max_lifetime is 700; a running relay takes it by" in configured("config", "set", "max_lifetime", "700")
    assert "max_allocations is 8; it takes effect when" in configured("config", "set", "max_allocations", "8")
    configured("config", "set", "allow_peer", "10.0.0.0/8", "192.168.0.0/16")
    configured("config", "add", "allow_peer", "172.16.0.0/12")
    configured("config", "remove", "allow_peer", "10.0.0.0/8")
    assert configured("config", "get", "allow_peer") == "192.168.0.0/16\n172.16.0.0/12\n"
    assert json.loads(configured("config", "get", "allow_peer", "--json")) == ["192.168.0.0/16", "172.16.0.0/12"]
    assert stat.S_IMODE(configured.file.stat().st_mode) == 0o640
    for name in ("allow_peer", "max_allocations", "max_lifetime"):
        configured("config", "unset", name)
    assert configured.file.read_text() == before and "# here" in before
    assert "But others may read the secrets in it" in configured("config", "check")


def test_a_link_stays_a_link(configured: Command) -> None:
    target = configured.file.rename(configured.folder / "target")
    configured.file.symlink_to("target")
    configured("config", "set", "realm", "example.net")
    assert configured.file.is_symlink() and "example.net" in target.read_text()


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give files away")
def test_the_owner_stays_the_owner(configured: Command) -> None:
    os.chown(configured.file, 1234, 2345)
    configured("config", "set", "realm", "example.net")
    found = configured.file.stat()
    assert (found.st_uid, found.st_gid) == (1234, 2345) and "example.net" in configured.file.read_text()


def test_a_link_beside_us_stays_a_link(configured: Command) -> None:
    configured.file.rename(configured.folder / "target")
    configured.file.symlink_to("target")
    words = ["config", "set", "realm", "example.net", "-c", configured.file.name]
    paths = {"PYTHONPATH": str(ROOT), "MICROPYPATH": f"{ROOT}:.frozen"}
    argv = [*configured.program, *words]
    subprocess.run(argv, cwd=configured.folder, env=configured.environment | paths, check=True, timeout=60)
    assert configured.file.is_symlink() and "example.net" in configured.file.read_text()


def test_what_another_has_put_beside_the_file_is_neither_followed_nor_changed(configured: Command) -> None:
    theirs = configured.folder / "theirs"
    theirs.write_text("theirs")
    # The name of a file to be written was the process's number, which can be guessed.
    trap = f'ln -s theirs "{configured.folder}/.{configured.file.name}.$$"; exec "$@"'
    words = ["config", "set", "realm", "example.net", "-c", str(configured.file)]
    argv = ["sh", "-c", trap, "sh", *configured.program, *words]
    subprocess.run(argv, cwd=ROOT, env=configured.environment, check=True, timeout=60)
    assert theirs.read_text() == "theirs" and not configured.file.is_symlink()
    assert "example.net" in configured.file.read_text()


@pytest.mark.skipif(os.getuid() != 0, reason="only root may make a device")
def test_a_device_is_not_replaced_by_a_file(configured: Command) -> None:
    device = configured.folder / "null"
    try:
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except OSError as error:
        pytest.skip(f"no device can be made here: {error}")
    configured.file.unlink()
    configured.file.symlink_to(device)
    assert "is no file that could be replaced" in configured("secret", "add", "abcdefgh", code=2)
    assert device.is_char_device() and sorted(os.listdir(configured.folder)) == [configured.file.name, "null"]


def test_a_user_never_takes_the_name_of_another_section(configured: Command) -> None:
    configured("user", "add", "main", "-p", "pw")  # as the relay's section: UCI would read nothing of the file
    assert configured.file.read_text().endswith("\nconfig user\n\toption name 'main'\n\toption password 'pw'\n")
    assert json.loads(configured("user", "list", "--json"))[0]["name"] == "main"
    assert "Removed user 'main'" in configured("user", "remove", "main")


def test_what_would_be_wrong_is_not_written(configured: Command) -> None:
    before = configured.file.read_text()
    for what, words, sentence in WRONG:
        said = configured(*words, code=2)
        assert said.startswith("Error: ") and sentence in said and said.count("\n") == 1, (what, said)
    assert configured.file.read_text() == before
    configured.file.write_text(before + "\toption realmm 'x'\n")
    said = configured("user", "add", "alice", code=2)
    assert f"unknown option 'realmm' in a section of type 'relay'; {configured.file} was not changed." in said
    configured.file.write_bytes(b"\xff\xfe")
    assert configured("config", "show", code=2) == f"Error: {configured.file}: is no text in UTF-8.\n"
    configured.file.unlink()
    said = configured("config", "show", code=2)
    assert f"there is no such file; `{configured.called} run -c {configured.file}` makes it." in said


def test_a_random_word_is_never_taken_for_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter((b"\xfb" + bytes(23), bytes(24)))  # the first would begin with a dash
    monkeypatch.setattr(seam, "random_bytes", lambda size: next(drawn))
    assert identity.random_word() == "A" * 32


def test_users_and_secrets_by_name_and_fingerprint(configured: Command) -> None:
    assert configured("user", "list").startswith("No user; ")
    assert "Added user 'alice' with password " in configured("user", "add", "alice")
    assert configured("user", "add", "J\u00f6rg", "-p", "-", given="pass word\n").startswith("Added user 'J\u00f6rg'; ")
    listed = json.loads(configured("user", "list", "--json"))
    assert [each["name"] for each in listed] == ["alice", "J\u00f6rg"] and listed[0]["algorithms"] == ["MD5", "SHA-256"]
    assert "option password 'pass word'" in configured.file.read_text()
    assert "Removed user 'alice'" in configured("user", "remove", "alice")
    said = configured("secret", "rotate")
    listed = json.loads(configured("secret", "list", "--json", "--show"))
    assert [each["mints"] for each in listed] == [True, False] and listed[1]["secret"] == "one-shared-secret"
    assert f"secret remove {listed[1]['fingerprint']} -c {configured.file}" in said
    assert "Removed the secret, 1 left" in configured("secret", "remove", listed[1]["fingerprint"])
    said = configured("secret", "remove", listed[0]["secret"])
    assert "But nobody can log in" not in said
    assert "But nobody can log in" in configured("user", "remove", "J\u00f6rg")
    assert "Added the secret" in configured("secret", "add", "-", given="out of sight\n")
    assert configured("secret", "list", "--show").split()[-3:] == ["out", "of", "sight"]
    configured("secret", "remove", "out of sight")
    assert "can't be empty" in configured("secret", "add", "-", code=2)
    assert "has no secret to mint from" in configured("credentials", code=2)
