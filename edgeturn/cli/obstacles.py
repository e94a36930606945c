"""What would keep a relay from starting, found beforehand, with the command that gets it out of the way.

Rule 1: what is asked is what the daemon will do: the same sockets are opened, and closed again.
Rule 2: a Failure says what is wrong and the command to type as it stands.
"""

import errno
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from edgeturn.cli import control, place, ports
from edgeturn.cli.failure import Failure, reason
from edgeturn.protocol import address, anycast
from edgeturn.protocol.listener import TCP, UDP
from edgeturn.relay import listeners, network
from edgeturn.relay.configuration import Configuration
from edgeturn.relay.control import listen
from edgeturn.relay.options import DEFAULT_PORT
from edgeturn.relay.passwd import find_user
from edgeturn.relay.streams import sockets
from edgeturn.relay.tls import renewal
from edgeturn.relay.tls.certificates import Pair, Unusable

_LAST_PORT = 0xFFFF


def check(settings: Configuration, file: Path) -> None:
    """Look for everything; Failure for the first that is found."""
    _check_alone(settings, file)
    _check_user(settings, file)
    for place_wanted in listeners.addresses(settings, network.interfaces()):
        if address.ip_of(place_wanted) not in anycast.ADDRESSES:  # those are added once nothing else is in the way
            _check_listener(place_wanted, settings, file)
            _check_tcp(place_wanted, settings, file)
    for ip in settings.items("relay_address"):
        assert isinstance(ip, bytes)
        _check_relay_address(ip, file)
    _check_control(settings.text("control"), file)
    _check_packages(settings)
    _check_certificate(settings)


def _check_alone(settings: Configuration, file: Path) -> None:
    running = control.is_served(settings)
    if running is not None:
        raise Failure(
            f"a relay with this control socket runs already, process {running['process']}: `{place.command('status', file)}` "  # noqa: E501
            "shows it; for a second one use another file with other `listen` and `control`."
        )


def _check_user(settings: Configuration, file: Path) -> None:
    name = settings.text("user")
    if name and os.geteuid() == 0 and find_user(name) is None:
        raise Failure(
            f"option 'user': there is no user '{name}' on this machine; name another by "
            f"`{place.command('config set user NAME', file)}`, or none by `{place.command('config unset user', file)}`."
        )


def _check_listener(wanted: bytes, settings: Configuration, file: Path) -> None:
    try:
        listeners.open_at(wanted).close()
    except OSError as error:
        hint = _way_out(error.errno or 0, wanted, UDP, settings, file)
        raise Failure(f"can't listen on {address.format(wanted)}: {reason(error)}; {hint}.") from None


def _check_tcp(wanted: bytes, settings: Configuration, file: Path) -> None:
    if not listeners.serves_tcp(settings, wanted):
        return
    try:
        sockets.listener(wanted).close()
    except OSError as error:
        holder = ports.find(wanted) if error.errno == errno.EADDRINUSE and ports.can_share(wanted) else None
        hint = f" {_way_out(error.errno or 0, wanted, TCP, settings, file)}."
        if holder is not None:
            lines = ["; share the port:", *ports.way_out(holder, wanted, file)]
            hint = f" {holder.text()}" + "\n  ".join(lines)
        raise Failure(f"can't listen on {address.format(wanted)} over TCP: {reason(error)};{hint}") from None


def _check_packages(settings: Configuration) -> None:
    """Refuse what needs a package that isn't here."""
    wanted = (
        ("option 'dtls' needs", "pyopenssl", "OpenSSL", bool(settings.values["dtls"])),
        ("sections of type 'token_key' need", "cryptography", "cryptography", bool(settings.token_keys)),
    )
    for needs, package, module, is_wanted in wanted:
        if is_wanted and find_spec(module) is None:
            command = f"{sys.executable} -m pip install {package}"
            raise Failure(f"{needs} the Python package {package}: `{command}` brings it.")


def _check_certificate(settings: Configuration) -> None:
    file, key = settings.text("certificate"), settings.text("key")
    try:
        if file:
            Pair(file, key, renewal.reader(settings))
    except Unusable as error:
        raise Failure(f"{error}.") from None


def _way_out(number: int, taken: bytes, transport: str, settings: Configuration, file: Path) -> str:
    """Return what to do where a listener can't be had."""
    port = address.port_of(taken)
    if number == errno.EADDRINUSE:
        holder = ports.find(taken, transport=transport)
        who = "is another TURN server running?" if holder is None else f"{holder.text()}."
        other = _moved(settings, taken, _free_port(settings, port + 1), file)
        return f"{who} End it, or listen on another port: `{other}`"
    if number == errno.EACCES:
        other = _moved(settings, taken, _free_port(settings, DEFAULT_PORT), file)
        return f"give it the right to ports below 1024, or listen on a higher one: `{other}`"
    every = address.join(bytes(len(address.ip_of(taken))), port)
    other = _listen_command(_option(settings, taken)[0], [every], file)
    return f"listen on addresses of this machine, such as all of them: `{other}`"


def _listen_command(option: str, places: Sequence[bytes], file: Path) -> str:
    return place.command(f"config set {option}", file, *(address.format(each) for each in places))


def _option(settings: Configuration, taken: bytes) -> tuple[str, list[bytes]]:
    """Return the option that a listener comes from, and its addresses, wildcards as they stand."""
    tls = listeners.wanted_for_tls(settings)
    if listeners.is_asked(taken, tls):
        return "listen_tls", tls
    others = [each for each in listeners.wanted(settings) if each not in tls]
    return "listen", [each for each in others if address.ip_of(each) not in anycast.ADDRESSES]


def _moved(settings: Configuration, taken: bytes, other: int, file: Path) -> str:
    """Return the command by which what would listen at one port does so at another one."""
    option, places = _option(settings, taken)
    port = address.port_of(taken)
    moved = [
        address.join(address.ip_of(each), other if address.port_of(each) == port else address.port_of(each))
        for each in places
    ]
    return _listen_command(option, moved, file)


def _free_port(settings: Configuration, first: int) -> int:
    """Return the first port that is free at all addresses that are listened on."""
    ips = {address.ip_of(each) for each in listeners.addresses(settings, network.interfaces())}
    for port in range(first, _LAST_PORT):
        if all(_is_free(address.join(ip, port)) for ip in ips):
            return port
    return DEFAULT_PORT


def _is_free(wanted: bytes) -> bool:
    try:
        listeners.open_at(wanted).close()
    except OSError as error:
        return error.errno != errno.EADDRINUSE
    return True


def _check_relay_address(ip: bytes, file: Path) -> None:
    try:
        listeners.open_at(address.join(ip, 0)).close()
    except OSError as error:
        raise Failure(
            f"can't relay from {address.format_ip(ip)}: {reason(error)}; name addresses of this machine, or take those "
            f"that its routes use: `{place.command('config unset relay_address', file)}`."
        ) from None


def _check_control(path: str, file: Path) -> None:
    try:
        listen(path).close()
        os.remove(path)
    except OSError as error:
        raise Failure(
            f"can't open the control socket {path}: {reason(error)}; take one beside the configuration, or name a "
            f"place of your own: `{place.command('config set control', file, _beside(file))}`."
        ) from None


def _beside(file: Path) -> str:
    return str(file.absolute().parent / "control.sock")
