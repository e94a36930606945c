"""Who holds a TCP port: read from a /proc of the test's own and from the machine's, and the commands that share it."""

import os
import socket
import sys
from pathlib import Path

import pytest

from edgeturn.cli import ports
from edgeturn.cli.check_steps import FAILED, SKIPPED
from edgeturn.cli.ports import Holder
from edgeturn.protocol import address
from edgeturn.relay.configuration import Configuration
from tests.blackbox.relay import HOST, free_port
from tests.cli.conftest import Call, StartRelay

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
LISTENING, CONNECTED = "0A", "01"


def line(place: str, inode: int, state: str = LISTENING) -> str:
    """Return a line of /proc/net/tcp, which has each word of an address in the machine's byte order."""
    packed = address.parse(place)
    ip, port = address.ip_of(packed), address.port_of(packed)
    words = [int.from_bytes(ip[at : at + 4], sys.byteorder) for at in range(0, len(ip), 4)]
    text = "".join(f"{word:08X}" for word in words) + f":{port:04X}"
    rest = "00000000:00000000 00:00000000 00000000     0        0"
    return f"   0: {text} {'0' * 8 * len(words)}:0000 {state} {rest} {inode} 1\n"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A machine with nothing that listens."""
    folder = tmp_path / "proc"
    (folder / "net").mkdir(parents=True)
    (folder / "net" / "tcp").write_text(HEADER)
    (folder / "net" / "tcp6").write_text(HEADER)
    (folder / "self").mkdir()
    return folder


def listens(proc: Path, place: str, inode: int, state: str = LISTENING) -> None:
    with open(proc / "net" / ("tcp6" if "[" in place else "tcp"), "a") as stream:
        stream.write(line(place, inode, state))


def runs(proc: Path, process: int, program: str, *inodes: int) -> None:
    (proc / str(process) / "fd").mkdir(parents=True)
    (proc / str(process) / "comm").write_text(program + "\n")
    for number, inode in enumerate(inodes):
        (proc / str(process) / "fd" / str(number)).symlink_to(f"socket:[{inode}]")


@pytest.mark.parametrize(
    ("listening", "wanted", "is_held"),
    [
        ("192.0.2.1:443", "192.0.2.1:443", True),
        ("0.0.0.0:443", "192.0.2.1:443", True),
        ("[::]:443", "192.0.2.1:443", True),
        ("[::]:443", "[2001:db8::1]:443", True),
        ("[2001:db8::1]:443", "[2001:db8::1]:443", True),
        ("0.0.0.0:443", "[2001:db8::1]:443", False),
        ("0.0.0.0:8443", "192.0.2.1:443", False),
        ("192.0.2.2:443", "192.0.2.1:443", False),
        ("[2001:db8::2]:443", "[2001:db8::1]:443", False),
    ],
)
def test_what_is_in_the_way_of_a_place(proc: Path, listening: str, wanted: str, is_held: bool) -> None:
    listens(proc, listening, 7)
    runs(proc, 12, "uhttpd", 7)
    held = Holder("uhttpd", 12, address.parse(listening))
    assert ports.find(address.parse(wanted), proc) == (held if is_held else None)


def test_only_who_listens_holds_a_port(proc: Path) -> None:
    listens(proc, "192.0.2.1:443", 7, CONNECTED)
    assert ports.find(address.parse("192.0.2.1:443"), proc) is None


def test_of_several_processes_with_one_socket_the_first_is_told(proc: Path) -> None:
    listens(proc, "0.0.0.0:443", 7)
    runs(proc, 200, "nginx", 1, 7)
    runs(proc, 34, "nginx", 7)
    runs(proc, 3, "init")
    assert ports.find(address.parse("192.0.2.1:443"), proc) == Holder("nginx", 34, address.parse("0.0.0.0:443"))


def test_whose_socket_isnt_seen_needs_root(proc: Path, file: Path) -> None:
    listens(proc, "0.0.0.0:443", 7)
    holder = ports.find(address.parse("192.0.2.1:443"), proc)
    assert holder == Holder("", 0, address.parse("0.0.0.0:443"))
    assert "only root can see" in holder.text()
    assert ports.way_out(holder, address.parse("192.0.2.1:443"), file)[0].startswith("# as root")


def test_a_machine_without_proc_has_no_holders(tmp_path: Path) -> None:
    assert ports.find(address.parse("192.0.2.1:443"), tmp_path) is None


@pytest.mark.parametrize(
    ("program", "wanted", "words"),
    [
        (
            "uhttpd",
            443,
            ["uhttpd.main.listen_https=", "service uhttpd restart", "https_backend", "add backend_from"],
        ),
        ("uhttpd", 80, ["uci delete uhttpd.main.listen_http", "http_backend", ":8080"]),
        ("nginx", 443, ["/etc/nginx", "nginx -t && nginx -s reload", "https_backend 127.0.0.1:8443"]),
        ("apache2", 443, ["/etc/apache2/ports.conf", "systemctl restart apache2", "https_backend 127.0.0.1:8443"]),
        ("caddy", 443, ["https_port 8443", "systemctl reload caddy"]),
        ("haproxy", 443, ["/etc/haproxy/haproxy.cfg", "systemctl reload haproxy"]),
        ("lighttpd", 443, ["# let lighttpd listen on 127.0.0.1:8443", "https_backend 127.0.0.1:8443"]),
        ("turnserver", 5349, ["# end turnserver, or let it listen on another port than 5349"]),
    ],
)
def test_each_program_has_its_commands(file: Path, program: str, wanted: int, words: list[str]) -> None:
    place = address.parse(f"192.0.2.1:{wanted}")
    told = "\n".join(ports.way_out(Holder(program, 12, address.parse(f"0.0.0.0:{wanted}")), place, file))
    assert all(word in told for word in words), told


SITES = (
    ("nginx", "listen 443 ssl;", "listen 127.0.0.1:8443 ssl;"),
    ("nginx", "    listen [::]:443 ssl http2;", "    listen [::1]:8443 ssl http2;"),
    ("nginx", "listen 0.0.0.0:443 ssl;", "listen 127.0.0.1:8443 ssl;"),
    ("nginx", "listen 4430 ssl;", "listen 4430 ssl;"),
    ("apache2", "\tListen 443", "\tListen 127.0.0.1:8443"),
    ("haproxy", "  bind :443 ssl", "  bind 127.0.0.1:8443 ssl"),
    ("haproxy", "  bind *:443 ssl", "  bind 127.0.0.1:8443 ssl"),
)


@pytest.mark.parametrize(("program", "before", "after"), SITES)
def test_what_sed_makes_of_their_files(tmp_path: Path, file: Path, program: str, before: str, after: str) -> None:
    holder = Holder(program, 12, address.parse("0.0.0.0:443"))
    command = ports.way_out(holder, address.parse("192.0.2.1:443"), file)[0]
    site = tmp_path / "site.conf"
    site.write_text(before + "\n")
    for path in ("/etc/nginx", "/etc/apache2/ports.conf", "/etc/haproxy/haproxy.cfg"):
        command = command.replace(path, str(site))
    assert os.system(command) == 0 or before == after
    assert site.read_text() == after + "\n"


# With a program that really has the port: this one.


@pytest.fixture
def taken() -> int:
    """A port that this process listens on over TCP."""
    return free_port()


def configure(call: Call, file: Path, port: int) -> None:
    call("config", "set", "listen", f"{HOST}:{port}", "-c", str(file))
    call("config", "set", "control", str(file.parent / "control.sock"), "-c", str(file))


def test_check_names_who_has_the_port(call: Call, file: Path, taken: int) -> None:
    configure(call, file, taken)
    with socket.create_server((HOST, taken)):
        said = call("check", "-c", str(file), code=3)
    program = Path("/proc/self/comm").read_text().strip()
    assert f"held by {program}, process {os.getpid()}, which listens on {HOST}:{taken}" in said
    assert f"# end {program}" in said


def test_run_says_it_before_it_starts(call: Call, file: Path, taken: int) -> None:
    configure(call, file, taken)
    with socket.create_server((HOST, taken)):
        said = call("run", "-c", str(file), code=1)
    assert f"can't listen on {HOST}:{taken} over TCP: address already in use; held by" in said


def test_the_relay_itself_is_nobody_else(start: StartRelay, call: Call) -> None:
    assert "held by" not in call("check", "-c", str(start().file))


def test_check_says_whether_the_backends_are_there(start: StartRelay, call: Call) -> None:
    with socket.create_server((HOST, 0)) as server:
        there, gone = f"{HOST}:{server.getsockname()[1]}", f"{HOST}:{free_port()}"
        relay = start(https_backend=there, http_backend=gone)
        said = call("check", "-c", str(relay.file), code=3)
    assert f"https backend         {there} answers" in said
    assert f"http backend          {gone}: connection refused" in said
    assert "config set http_backend" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="being another user needs root")
def test_who_may_not_ask_the_relay_is_not_told_that_another_has_its_port(start: StartRelay) -> None:
    relay = start()
    settings = Configuration(relay.file.read_text(), str(relay.file))
    socket_file = Path(settings.text("control"))
    os.seteuid(65534)
    try:
        (hidden, *_) = ports.report(settings, relay.file)
    finally:
        os.seteuid(0)
    assert hidden.state == SKIPPED and "it may be the relay" in hidden.detail
    assert ports.report(settings, relay.file) == []
    moved = Configuration(relay.file.read_text().replace(str(socket_file), str(socket_file) + "-none"), "x")
    assert ports.report(moved, relay.file)[0].state == FAILED
