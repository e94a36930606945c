"""`edgeturn kernel` without pyroute2, in a network and a mount namespace of its own:

dm0 203.0.113.5/24 ═══ dm1        one pair of interfaces; the relay listens on dm0
"""

import json
import subprocess
from pathlib import Path

import pytest

from tests.blackbox.relay import ROOT
from tests.command.conftest import Command

PLACE = "203.0.113.5"
NETWORK = f"""
ip link set lo up && ip link add dm0 type veth peer name dm1 && ip link set dm0 up && ip link set dm1 up &&
ip address add {PLACE}/24 dev dm0 && mkdir -p "$0/bpf" && mount -t bpf bpf "$0/bpf" || exit 99
"""


def inside(command: Command, script: str) -> list[str]:
    """Run lines of shell in namespaces, $@ being the command; return what is printed between lines of dashes."""
    command.file.write_text(
        f"config relay 'main'\n\toption realm 'example.org'\n\tlist listen '{PLACE}:3478'\n"
        f"\tlist relay_address '{PLACE}'\n\toption control '{command.folder}/control.sock'\n"
        f"\toption kernel_pins '{command.folder}/bpf/edgeturn'\n\tlist secret 'one-shared-secret'\n"
    )
    argv = ["unshare", "--net", "--mount", "sh", "-c", NETWORK + script, str(command.folder), *command.program]
    done = subprocess.run(argv, cwd=ROOT, env=command.environment, capture_output=True, text=True, timeout=120)
    if done.returncode == 99 or "unshare failed" in done.stderr:
        pytest.skip(f"no namespace with a pair of interfaces and a BPF file system: {done.stderr}")
    assert "Traceback" not in done.stderr, done.stderr
    return [part.strip() for part in (done.stdout + done.stderr).split("----\n")]


def test_what_is_attached_is_shown_and_taken_away(command: Command) -> None:
    place = f'-c "{command.file}"'
    attached, shown, detached, after, there = inside(
        command,
        f'"$@" kernel attach {place} --json; echo ----; "$@" kernel status {place}; echo ----\n'
        f'"$@" kernel detach {place} --json; echo ----; "$@" kernel status {place} --json; echo ----\n'
        'tc qdisc show dev dm0; ls "$0/bpf"',
    )
    document = json.loads(attached)
    (hook,) = document["hooks"]
    assert (hook["interface"], hook["hook"], hook["state"]) == ("dm0", "tc", "proven"), document
    assert document["relay"] is None and document["attached"] and len(document["to_do"]) == 1
    assert "dm0        tc    proven  0" in shown and "No relay runs with this configuration now" in shown
    assert json.loads(detached) == {"detached": ["dm0"], "undone": {}, "pins_lost": False, "relay": None}
    assert json.loads(after)["attached"] is False and "clsact" not in there and "edgeturn" not in there


def test_run_attaches_and_says_so(command: Command) -> None:
    folder = Path(command.folder)
    place = f'-c "{command.file}"'
    said, status, errors = inside(
        command,
        f'"$@" run {place} >{folder}/out 2>{folder}/errors & relay=$!\n'
        f"until grep -qs ready {folder}/errors || ! kill -0 $relay; do :; done\n"
        f'cat {folder}/out; echo ----; "$@" kernel status {place} --json; echo ----\n'
        f"kill $relay; wait $relay; cat {folder}/errors",
    )
    assert "Kernel: attached by tc at dm0, but forwarding is off there" in said
    assert json.loads(status)["relay"]["state"] == "on", status
    assert errors.splitlines()[-1].startswith("info stopped"), errors


def test_what_is_wrong_is_one_sentence(command: Command) -> None:
    rows = (
        ("an interface", "--interface nope", "", "Error: there is no interface nope; there are dm0, dm1, lo."),
        (
            "no rights",
            "",
            "setpriv --bounding-set=-all --inh-caps=-all ",
            "Error: this takes root, or the capabilities",
        ),
    )
    for what, words, before, sentence in rows:
        (said,) = inside(command, f'{before}"$@" kernel attach -c "{command.file}" {words}; test $? = 1 || echo code')
        assert said.startswith(sentence) and said.count("\n") == 0, (what, said)


def test_what_the_kernel_refuses_leaves_nothing_behind(command: Command) -> None:
    # The first maps take CAP_BPF alone, the map of devices and programs of the network CAP_NET_ADMIN too.
    said, left = inside(
        command,
        f'setpriv --bounding-set=-net_admin,-sys_admin "$@" kernel attach -c "{command.file}" 2>&1; echo "code $?"\n'
        'echo ----; ls "$0/bpf"',
    )
    assert said == "Error: this takes root, or the capabilities CAP_BPF and CAP_NET_ADMIN.\ncode 1"
    assert "edgeturn" not in left
