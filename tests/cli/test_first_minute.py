"""
The first minute of a new user, with every mistake that one can make: a sentence, the next command, the exit code.

Each row is typed on a machine of its own: namespaces of network, mounts and processes, with a /etc, a /run and a
bpffs that nobody else has, and `edgeturn` in the path. All of it is gone when the command has ended.

    wan 198.51.100.7, 2001:db8::7 ──── the provider, who carries nothing
"""

import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass

import pytest

from tests.blackbox.relay import ROOT

_MACHINE = """
set -e
mount -t tmpfs -o mode=755 none /mnt; mount -t tmpfs -o mode=755 none /run; mount -t bpf none /sys/fs/bpf
mkdir /mnt/etc /mnt/bin /mnt/source /mnt/site /mnt/python; mkdir -m 777 /mnt/own
for each in passwd group hosts nsswitch.conf ld.so.cache alternatives; do cp -a /etc/$each /mnt/etc; done
mount --bind {root} /mnt/source; mount --bind {site} /mnt/site; mount --bind {python} /mnt/python
mount --bind /mnt/etc /etc
printf '#!/bin/sh\\nexport LD_LIBRARY_PATH=/mnt/python/lib\\nexec /mnt/python/bin/{name} -m edgeturn "$@"\\n' \\
    > /mnt/bin/edgeturn
chmod 755 /mnt/bin/edgeturn
export PYTHONPATH=/mnt/source:/mnt/site PATH=/mnt/bin:/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin HOME=/root
unset XDG_RUNTIME_DIR; cd /mnt/own
printf "config relay 'main'\\n\\toption realm 'example.org'\\n\\tlist secret 'a-secret'\\n" > own.conf
chmod 600 own.conf
ip link set lo up
ip link add wan type veth peer name provider; ip link set wan up; ip link set provider up
internet() {{ ip addr add $1/24 dev wan; ip route add default dev wan; }}
ipv6() {{ ip addr add 2001:db8::7/64 dev wan nodad; ip route add default via 2001:db8::1 dev wan; }}
holds() {{ until grep -q ":0D96 00000000:0000 $2" /proc/net/$1; do sleep 0.02; done; }}
hears() {{ until grep -q " 00010000 .* $1$" /proc/net/unix; do sleep 0.02; done; }}
start=/proc/sys/net/ipv4/ip_unprivileged_port_start
nobody="setpriv --reuid=65534 --regid=65534 --clear-groups"
{prepared}
exec {command}
"""
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root")
_DOCKER = (
    "setpriv --bounding-set=-all,+chown,+dac_override,+fowner,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+net_raw"
)
_ONLINE = "internet 198.51.100.7; ipv6"
_PATIENCE = 90  # seconds; a quiet machine takes three
_OTHER = "cp own.conf b.conf; sed -i /control/d own.conf"
_SHARED = "move it away, or name another with -c FILE"
_LISTENS = "import socket, time; s = socket.socket(); s.bind(('', 3478)); s.listen(); time.sleep(60)"


@dataclass(frozen=True)
class Ended:
    """What a command said and its exit code; None for a relay that had become ready."""

    said: str
    code: int | None


def machine(prepared: str, command: str) -> Ended:
    """Type a command on a machine of its own; a relay that is ready is ended."""
    script = _MACHINE.format(
        root=ROOT, site=sysconfig.get_paths()["purelib"], python=sys.base_prefix,
        name=f"python3.{sys.version_info.minor}", prepared=prepared, command=command,
    )  # fmt: skip
    words = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script]
    said: list[str] = []
    with subprocess.Popen(
        ["timeout", str(_PATIENCE), *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if line.startswith("edgeturn ready"):
                process.terminate()
                return Ended("".join(said), None)
    return Ended("".join(said), process.returncode)


RUN = "edgeturn run -c own.conf"
INIT = "edgeturn init --yes -c own.conf"
NEW = "edgeturn run -c new.conf"
FIRST = "edgeturn init --yes"


def put(line: str) -> str:
    """Return how a line comes into the relay's section."""
    return f"{_ONLINE}; sed -i 's#option realm.*#&\\n\t{line}#' own.conf"


# What is the matter, what the machine is like, what is typed, the exit code, what is said, the next command.
MISTAKES = (
    (
        "coturn has the port",
        f"{_ONLINE}; turnserver -n -L 0.0.0.0 -p 3478 --no-cli -l /dev/null >/dev/null 2>&1 & holds udp 07",
        RUN,
        1,
        "address already in use; held by turnserver, process ",
        "edgeturn config set listen 0.0.0.0:3479 '[::]:3479' -c own.conf",
    ),
    (
        "another edgeturn has the port",
        f"{put('option control /run/b.sock')}; edgeturn run -c own.conf >/dev/null 2>&1 & holds udp 07; {_OTHER}",
        RUN,
        1,
        "address already in use; held by edgeturn, process ",
        "edgeturn config set listen 0.0.0.0:3479 '[::]:3479' -c own.conf",
    ),
    (
        "somebody has the port over TCP",
        f'{_ONLINE}; python3 -c "{_LISTENS}" & holds tcp 0A',
        RUN,
        1,
        "3478 over TCP: address already in use; held by python3, process ",
        "edgeturn config set listen 0.0.0.0:3479 '[::]:3479' -c own.conf",
    ),
    (
        "it runs already",
        f"{_ONLINE}; {RUN} >/dev/null 2>&1 & hears /run/edgeturn/control.sock",
        RUN,
        1,
        "a relay with this control socket runs already, process ",
        "edgeturn status -c own.conf",
    ),
    (
        "an address that the machine doesn't have",
        put("list listen 192.0.2.9:3478"),
        RUN,
        1,
        "can't listen on 192.0.2.9:3478: cannot assign requested address",
        "edgeturn config set listen 0.0.0.0:3478 -c own.conf",
    ),
    (
        "an interface instead of an address",
        _ONLINE,
        "edgeturn config set listen eth7 -c own.conf",
        2,
        "option 'listen': must be an address such as 192.0.2.1:3478",
        "",
    ),
    (
        "an interface that isn't there",
        _ONLINE,
        "edgeturn kernel attach --interface eth7 -c own.conf",
        1,
        "there is no interface eth7; there are lo, provider, wan",
        "",
    ),
    (
        "no root, for ports below 1024",
        f"{put('list listen 0.0.0.0:443')}; chown 65534 own.conf; echo 1024 > $start",
        f"$nobody {RUN}",
        1,
        ":443: permission denied; give it the right to ports below 1024",
        "edgeturn config set listen 0.0.0.0:3478 -c own.conf",
    ),
    (
        "no root, for root's file",
        _ONLINE,
        f"$nobody {RUN}",
        1,
        "own.conf: can't be read: permission denied; call this as its owner or as root.",
        "",
    ),
    (
        "no root, for the system's folder",
        "mkdir /etc/edgeturn",
        "$nobody edgeturn init --yes -c /etc/edgeturn/edgeturn.conf",
        1,
        "can't be written: permission denied; do this as root, or name a place of your own with -c FILE.",
        "",
    ),
    ("no root, for the kernel", _ONLINE, "$nobody edgeturn kernel attach -c /dev/null", 1, "this takes root, or", ""),
    ("no root, for the firewall", _ONLINE, "$nobody edgeturn firewall open -c /dev/null", 1, "call this as root", ""),
    (
        "the disk is full",
        "mkdir d; mount -t tmpfs -o size=4k none d; head -c 4096 /dev/zero > d/full",
        "edgeturn init --yes -c d/own.conf",
        1,
        "d/own.conf can't be written: no space left on device",
        "df",
    ),
    (
        "the disk is read-only",
        "mkdir d; mount -t tmpfs -o ro none d",
        "edgeturn init --yes -c d/own.conf",
        1,
        "can't be written: read-only file system; name a place of your own with -c FILE.",
        "",
    ),
    ("the file is there", _ONLINE, INIT, 2, _SHARED, "edgeturn config set NAME VALUE -c own.conf"),
    (
        "an option that isn't one",
        put("option relm example.org"),
        RUN,
        2,
        "own.conf:3: unknown option 'relm' in a section of type 'relay'",
        "edgeturn config reference",
    ),
    ("no value", put("option user"), RUN, 2, "'option' with 1 words behind, not 2", "edgeturn config reference"),
    ("no text", "printf '\\377\\377' > own.conf", RUN, 2, "no text in UTF-8", "edgeturn init -c own.conf"),
    ("no file", "rm own.conf", "edgeturn check -c own.conf", 2, "there is no such file", "edgeturn init -c own.conf"),
    ("nobody answers questions", _ONLINE, "edgeturn init", 1, "nobody is here to answer", "edgeturn init --yes"),
    (
        "/run can't be written",
        f"{_ONLINE}; mount -o remount,ro /run",
        RUN,
        1,
        "can't open the control socket",
        "edgeturn config set control /mnt/own/control.sock -c own.conf",
    ),
    ("no relay runs", _ONLINE, "edgeturn status -c own.conf", 1, "no relay", "edgeturn run -c own.conf"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("what", "prepared", "command", "code", "said", "follows"), MISTAKES, ids=[row[0] for row in MISTAKES]
)
def test_a_mistake_is_one_sentence_and_the_next_command(
    what: str, prepared: str, command: str, code: int, said: str, follows: str
) -> None:
    ended = machine(prepared, command)
    (error,) = [line for line in ended.said.splitlines() if "Error: " in line] or [ended.said]
    assert ended.code == code and said in error and error.endswith("."), ended
    assert "Traceback" not in ended.said and ended.said.endswith(f"{error}\n"), ended
    if follows:
        assert f"`{follows}`" in error, ended


# What is the matter, what the machine is like, what is typed, the exit code (None: it relays), what is said with it.
TOLD = (
    ("no route", "", RUN, None, "no route to the internet: nobody elsewhere reaches it yet; `ip route` shows"),
    ("no IPv6", "internet 198.51.100.7; echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6", RUN, None,
     "edgeturn ready on 127.0.0.1:3478, 198.51.100.7:3478; relaying from 198.51.100.7;"),
    ("a clock at 1970", _ONLINE, f"faketime '1970-01-01 00:05:00' {RUN}", None,
     "clock says 1970-01-01 00:0"),
    ("a container", f"{_ONLINE}; mount -t tmpfs -o ro none /sys/fs/bpf", f"{_DOCKER} {RUN}", None,
     "Kernel: media stays in Python"),
    ("not root", f"{_ONLINE}; chmod 644 own.conf", f"$nobody {NEW}", None,
     "Kernel: media stays in Python; start the relay as root to have the kernel carry it."),
    ("no certificate authority", _ONLINE, "edgeturn init --tls --yes -c own.conf", 0, "Browsers refuse it"),
    ("CGNAT", "internet 100.64.3.7", FIRST, 0,
     "(CGNAT) is in front of 100.64.3.7: over IPv4 nobody outside\nreaches it."),
    ("a private address", "internet 192.168.3.7", FIRST, 0,
     "`edgeturn config set external_address auto` makes it by itself."),
    ("OpenWrt", f"mkdir /etc/config; {_ONLINE}", FIRST, 0,
     "Made /etc/config/edgeturn (mode 0600). Start the relay: edgeturn run"),
    ("no nft program", f"{_ONLINE}; PATH=/mnt/bin", "edgeturn firewall open -c own.conf", 0,
     "Nothing here is in the way; `edgeturn check -c own.conf` from elsewhere proves the rest."),
)  # fmt: skip


@pytest.mark.parametrize(("what", "prepared", "command", "code", "said"), TOLD, ids=[row[0] for row in TOLD])
def test_what_is_less_than_all_is_told_and_the_rest_works(
    what: str, prepared: str, command: str, code: int | None, said: str
) -> None:
    ended = machine(prepared, command)
    assert ended.code == code and said in ended.said, ended
    assert "Traceback" not in ended.said and "Error: " not in ended.said, ended
