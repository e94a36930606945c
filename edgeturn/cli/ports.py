"""Who holds a port that the relay is to listen on, and over TCP the commands that move it behind the relay.

A row of PROGRAMS: the names that a program goes by, and the commands that let it listen elsewhere. The first that fits
is told; the last fits always.
Rule 1: who listens is read from /proc; whose socket it is, only root may see there.
Rule 2: the way out is sharing the port: the program moves, and the relay hands to it what isn't its own.
"""

import os
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgeturn.cli import control, place
from edgeturn.cli.check_steps import FAILED, PASSED, SKIPPED, Result
from edgeturn.cli.failure import reason
from edgeturn.protocol import address
from edgeturn.protocol.listener import TCP, UDP
from edgeturn.relay import listeners, network
from edgeturn.relay.configuration import Configuration
from edgeturn.relay.network import Interface
from edgeturn.relay.options import HTTPS_PORT

HTTP_PORT = 80
_LISTENING = {TCP: "0A", UDP: "07"}  # TCP_LISTEN; TCP_CLOSE, which a bound one of UDP has (net/tcp_states.h)
_RELAY = "edgeturn.relay"  # in the command line of a daemon, whose program is python
_LOOPBACK = address.parse_ip("127.0.0.1")
_LAN_BRIDGE = "br-lan"  # OpenWrt's
_LAN_DEFAULT = "192.168.1.1/24"
_BACKENDS = {HTTPS_PORT: "https_backend", HTTP_PORT: "http_backend"}
_MOVED = {HTTPS_PORT: 8443, HTTP_PORT: 8080}
_UNKNOWN = ""
_STEP = "port"
_PATIENCE = 3.0  # seconds
_INDENTATION = "\n" + 13 * " "


@dataclass(frozen=True)
class Holder:
    """A program that listens on a port: its name and process, "" and 0 where only root may know; and where."""

    program: str
    process: int
    place: bytes

    def text(self) -> str:
        """Return who it is, as people say it."""
        where = f"listens on {address.format(self.place)}"
        if not self.process:
            return f"held by a program that only root can see; it {where}"
        return f"held by {self.program}, process {self.process}, which {where}"


def find(wanted: bytes, proc: Path = Path("/proc"), transport: str = TCP) -> Holder | None:
    """Return who listens where that keeps anybody else from a port||ip; None where nobody does."""
    for listening, inode in _listening(proc, transport):
        if _is_in_the_way(listening, wanted):
            process = _owner(inode, proc)
            return Holder(_program(process, proc) if process else _UNKNOWN, process, listening)
    return None


def can_share(wanted: bytes) -> bool:
    """Say whether a port is one of a web server, which the relay can hand on what isn't its own."""
    return address.port_of(wanted) in _BACKENDS


def report(settings: Configuration, file: Path, proc: Path = Path("/proc")) -> list[Result]:
    """Return a failure for each TCP port of a configuration that another holds, and whether its backends are there."""
    running, is_told = control.is_served(settings), _may_ask(settings)
    found: dict[Holder, Result] = {}
    for wanted in listeners.addresses(settings, network.interfaces()):
        holder = find(wanted, proc) if listeners.serves_tcp(settings, wanted) else None
        if holder is not None and holder not in found and not _is_ours(holder, running):
            where = address.format(wanted)
            if not holder.process and not is_told:
                found[holder] = Result(where, TCP, "", _STEP, SKIPPED, f"{holder.text()}; it may be the relay")
                continue
            means = f"the relay can't listen on {where} over TCP, and who needs that port doesn't reach it"
            advice = _INDENTATION.join(["share the port:", *way_out(holder, wanted, file)])
            found[holder] = Result(where, TCP, "", _STEP, FAILED, holder.text(), means, advice)
    return list(found.values()) + _backends(settings, file)


def _backends(settings: Configuration, file: Path) -> list[Result]:
    found = []
    for name in _BACKENDS.values():
        backend = settings.values[name]
        if isinstance(backend, bytes):
            found.append(_backend(name, backend, file))
    return found


def _backend(name: str, backend: bytes, file: Path) -> Result:
    step, where = name.replace("_", " "), address.format(backend)
    try:
        socket.create_connection(
            (address.format_ip(address.ip_of(backend)), address.port_of(backend)), _PATIENCE
        ).close()
    except OSError as error:
        command = place.command(f"config set {name} ADDRESS:PORT", file)
        means = "nothing answers there, so what isn't the relay's is refused"
        advice = f"start that server, or name another: `{command}`"
        return Result(where, TCP, "", step, FAILED, f"{where}: {reason(error)}", means, advice)
    return Result(where, TCP, "", step, PASSED, f"{where} answers")


def _may_ask(settings: Configuration) -> bool:
    """Say whether we would know of a relay that runs: its control socket is ours to use, or isn't there."""
    path = settings.text("control")
    try:
        os.stat(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return os.access(path, os.W_OK, effective_ids=True)


def _is_ours(holder: Holder, running: dict[str, object] | None) -> bool:
    """Say whether a holder is the relay that runs; one that is hidden from us is taken for it."""
    return running is not None and holder.process in (0, running["process"])


def way_out(holder: Holder, wanted: bytes, file: Path) -> list[str]:
    """Return the commands, and lines of comment, that let the relay have a port; file is its configuration."""
    port = address.port_of(wanted)
    if not holder.process:
        return [f"# as root, to see who holds it: {place.command('check', file)}"]
    if port not in _BACKENDS:
        return [f"# end {holder.program}, or let it listen on another port than {port}"]
    move, lan = next((move, lan) for names, move, lan in PROGRAMS if not names or holder.program in names)
    ip, length = _lan() if lan else (_LOOPBACK, 0)
    backend = address.format(address.join(ip, _MOVED[port]))
    handed = place.command(f"config set {_BACKENDS[port]}", file, backend)
    commands = [*move(_Move(holder.program, port, backend)), handed]
    if lan:
        subnet = address.format_ip(address.network(ip, length).to_bytes(len(ip), "big"))
        commands.append("# without this, everybody who reaches the relay reaches the router's web interface:")
        commands.append(place.command("config add backend_from", file, f"{subnet}/{length}"))
    return commands


# What the kernel and its processes say.


def _listening(proc: Path, transport: str) -> Iterator[tuple[bytes, str]]:
    """Yield the port||ip and the inode of each socket that listens, as proc(5) lists them."""
    for name in (transport, f"{transport}6"):
        for line in _read(proc / "net" / name).splitlines()[1:]:
            words = line.split()
            if len(words) > 9 and words[3] == _LISTENING[transport]:
                yield _address(words[1]), words[9]


def _address(text: str) -> bytes:
    """Return the port||ip of hexadecimal IP:PORT; the IP address is in words of the machine's byte order."""
    words, _, port = text.partition(":")
    parts = [int(words[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(words), 8)]
    return address.join(b"".join(parts), int(port, 16))


def _is_in_the_way(listening: bytes, wanted: bytes) -> bool:
    """Say whether a listening socket has a port||ip, or that port of every address; IPv6's takes IPv4 along."""
    ip = address.ip_of(listening)
    everywhere = not any(ip) and len(ip) >= len(address.ip_of(wanted))
    return listening == wanted or (everywhere and address.port_of(listening) == address.port_of(wanted))


def _owner(inode: str, proc: Path) -> int:
    """Return the first process that has a socket open, 0 where none is seen."""
    for process in sorted(int(entry) for entry in os.listdir(proc) if entry.isdigit()):
        try:
            if any(os.readlink(each) == f"socket:[{inode}]" for each in (proc / str(process) / "fd").iterdir()):
                return process
        except OSError:  # it ended, or it's another user's
            continue
    return 0


def _program(process: int, proc: Path) -> str:
    """Return what a process is called; another relay, which runs as python, by its own name."""
    if _RELAY in _read(proc / str(process) / "cmdline").split("\0"):
        return "edgeturn"
    return _read(proc / str(process) / "comm").strip()


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _lan() -> tuple[bytes, int]:
    """Return address and prefix length of the LAN as OpenWrt names it, else OpenWrt's default."""
    mine = [each for each in network.interfaces() if len(each.ip) == address.IPV4_SIZE and _is_lan(each)]
    if mine:
        return mine[0].ip, mine[0].length
    ip, _, length = _LAN_DEFAULT.partition("/")
    return address.parse_ip(ip), int(length)


def _is_lan(interface: Interface) -> bool:
    try:
        return socket.if_indextoname(interface.number) == _LAN_BRIDGE
    except OSError:
        return False


# How programs are told to move.


@dataclass(frozen=True)
class _Move:
    """Who moves: the program, the port that it gives up, the ip:port where it's to be."""

    program: str
    port: int
    backend: str

    def backend_port(self) -> str:
        return self.backend.rpartition(":")[2]


def _uhttpd(move: _Move) -> list[str]:
    option = "listen_https" if move.port == HTTPS_PORT else "listen_http"
    return [
        f"uci delete uhttpd.main.{option}",
        f"uci add_list uhttpd.main.{option}='{move.backend}'",
        "uci commit uhttpd",
        "service uhttpd restart",
    ]


def _nginx(move: _Move) -> list[str]:
    port, to = move.port, move.backend_port()
    four, six = rf"s/(listen +)(0\.0\.0\.0:)?{port}\b/\1{move.backend}/", rf"s/(listen +)\[::\]:{port}\b/\1[::1]:{to}/"
    return [
        f"grep -rlE 'listen .*{port}' /etc/nginx | xargs sed -i --follow-symlinks -E '{four}; {six}'",
        "nginx -t && nginx -s reload",
    ]


def _apache(move: _Move) -> list[str]:
    return [
        rf"sed -i -E 's/^(\s*Listen) +{move.port}\b/\1 {move.backend}/' /etc/apache2/ports.conf",
        f"sed -i --follow-symlinks 's/:{move.port}>/:{move.backend_port()}>/' /etc/apache2/sites-enabled/*",
        "systemctl restart apache2",
    ]


def _caddy(move: _Move) -> list[str]:
    option = "https_port" if move.port == HTTPS_PORT else "http_port"
    return [
        "# write this into the first block of /etc/caddy/Caddyfile, which is for all sites:",
        f"#     {option} {move.backend_port()}",
        "systemctl reload caddy",
    ]


def _haproxy(move: _Move) -> list[str]:
    file = "/etc/haproxy/haproxy.cfg"
    return [
        rf"sed -i -E 's/^(\s*bind +)(\*|0\.0\.0\.0|\[::\]|::)?:{move.port}\b/\1{move.backend}/' {file}",
        f"haproxy -c -f {file} && systemctl reload haproxy",
    ]


def _other(move: _Move) -> list[str]:
    return [f"# let {move.program} listen on {move.backend} instead of port {move.port}, then:"]


PROGRAMS: tuple[tuple[tuple[str, ...], Callable[[_Move], list[str]], bool], ...] = (
    (("uhttpd",), _uhttpd, True),
    (("nginx",), _nginx, False),
    (("apache2", "httpd"), _apache, False),
    (("caddy",), _caddy, False),
    (("haproxy",), _haproxy, False),
    ((), _other, False),
)
