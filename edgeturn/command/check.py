"""`edgeturn check`: test a running relay as a client would, over UDP and TCP, from the outside in.

    client ──Binding──► server                       who am I
    client ──Allocate─► server                       challenged, refused, granted
    client ──Send─────► relayed address of a second client ──► back
    client ══channel══► relayed address of a second client ──► back

Rule 1: a step returns what people read when it passes, raises Skipped with the reason, or fails by an exception.
Rule 2: what can't be tried because of an earlier failure is skipped and says so.
"""

from edgeturn import seam
from edgeturn.command import addresses, ice, place
from edgeturn.command.client import Client, Refused, Silent, Untrusted
from edgeturn.command.failure import DONE, FAULT, Wrong
from edgeturn.command.ice import Login
from edgeturn.command.output import print_json
from edgeturn.command.server import Target, parse
from edgeturn.command.way import connect
from edgeturn.protocol import address
from edgeturn.protocol.address import IPV4, IPV6
from edgeturn.protocol.credentials import SHA256
from edgeturn.protocol.listener import TCP, UDP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeturn.command.calling import Given

_PASSED, _FAILED, _SKIPPED = "passed", "failed", "skipped"
_MARKS = {_PASSED: "+", _FAILED: "x", _SKIPPED: "-"}
_CHANNEL = 0x4001
_PAYLOAD_SIZE = 1000  # bytes; about a packet of video
_TRIES = 3  # UDP may lose a packet
_PATIENCE = 700  # milliseconds
_MOST_READ = 16  # that aren't what is waited for, such as one that was sent twice
_LOST, _GRANTED, _SILENT = "data lost", "granted", "no answer"

# Step and what happened, "" is any: what it means, and what to do. The first row that fits is told.
_ADVICE = (
    ("connection", "", "nothing takes connections there", "see whether the relay runs and listens there; open the port in the firewall, for TCP"),  # noqa: E501
    ("Binding", _SILENT, "nothing answers at this address and port", "see whether the relay runs and listens there; open the port for UDP in the firewall"),  # noqa: E501
    ("challenge", _GRANTED, "the relay gives allocations to anybody", "turn its authentication on: an open relay is abused within days"),  # noqa: E501
    ("", _SILENT, "the relay answered before and is silent now", "look at its log; raise `unauthenticated_rate` if that is low; run the check again"),  # noqa: E501
    ("", "401", "the relay doesn't accept username and password", "compare secrets, users and realm with the relay's, and the clocks; `edgeturn reload` where the file was changed"),  # noqa: E501
    ("", "403", "the relay's policy forbids the peer", "its log names the rule; `edgeturn config add allow_peer PREFIX` opens it if it's meant to be reached"),  # noqa: E501
    ("", "486", "this user has as many allocations as it may have", "raise `user_quota`, or end sessions by `edgeturn kick --user NAME`"),  # noqa: E501
    ("", "508", "the relay has no place left", "raise `max_allocations`; `edgeturn plan` says what that costs"),
    ("", _LOST, "what was sent through the relay didn't arrive", "let the ports of `relay_ports` through the firewall, for UDP"),  # noqa: E501
    ("", "", "the relay isn't as it should be", "look at its log"),
)  # fmt: skip


class _Skipped(Exception):
    """Why a step doesn't apply."""


class _Broken(Exception):
    """What happened instead, a word of the advice."""


def check(given: "Given") -> int:
    """Check what is named."""
    login, uri = _login(given), given.text("[URI]")
    if uri is None:
        targets, login = _own(given.file, login)
    else:
        targets = [parse(uri)]
        if targets[0].relays and login is None:
            raise Wrong(f"{uri} needs a login: --user and --password, or --secret.")
    steps = _Steps(given.flag("--json"))
    for target in targets:
        _Probe(target, login, steps).run()
    return steps.end()


def document(file: str, seconds: int) -> "dict[str, object]":
    """Return the steps at the relay of a file, as `--json` has them; no address is begun with after so many seconds."""
    targets, login = _own(file, None)
    steps, end = _Steps(True), seam.wall() + seconds
    for target in targets:
        if seam.wall() < end:
            _Probe(target, login, steps).run()
    return steps.document()


def _own(file: str, login: "Login | None") -> "tuple[list[Target], Login]":
    """Return where the relay of a file is reached, and a login that it takes."""
    settings = place.read(file)
    login = login or ice.login(settings, "check", ice.SHORT_LIFETIME)
    if login is None:
        raise Wrong(f"{file} has no secret and no user with a password; give --user and --password.")
    return [Target(transport, each) for transport, each in addresses.places(settings)], login


def _login(given: "Given") -> "Login | None":
    user, password, secret = given.text("--user"), given.text("--password"), given.text("--secret")
    if secret:
        return ice.mint(secret, user or "check", ice.SHORT_LIFETIME)
    if (user is None) != (password is None):
        raise Wrong("--user and --password go together.")
    return None if user is None or password is None else Login(user, password)


class _Steps:
    """What was tried, told step by step or as one document."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._steps: list[dict[str, str]] = []
        self._heading = ""

    def add(self, step: "dict[str, str]") -> None:
        self._steps.append(step)
        if self._as_json:
            return
        heading = f"{step['server']} over {step['transport'].upper()}"
        if heading != self._heading:
            print(heading)
            self._heading = heading
        name = f"{step['relayed']} {step['step']}".strip()
        skipped = "skipped: " if step["state"] == _SKIPPED else ""
        print(f"  {_MARKS[step['state']]} {name:<22}{skipped}{step['detail']}")
        if step["state"] == _FAILED:
            print(f"      means: {step['meaning']}\n      next:  {step['advice']}")

    def document(self) -> "dict[str, object]":
        """Return all of it for programs."""
        return {"passed": self._count(_FAILED) == 0, "steps": self._steps}

    def end(self) -> int:
        """Sum up; return the exit code."""
        failed = self._count(_FAILED)
        if self._as_json:
            print_json(self.document())
        else:
            counts = ", ".join([f"{self._count(state)} {state}" for state in (_PASSED, _FAILED, _SKIPPED)])
            print(f"It doesn't work yet: {counts}." if failed else f"It works: {counts}.")
        return FAULT if failed else DONE

    def _count(self, state: str) -> int:
        return len([step for step in self._steps if step["state"] == state])


class _Probe:
    """All steps at one address of a server."""

    def __init__(self, target: Target, login: "Login | None", steps: _Steps) -> None:
        self._target = target
        self._login = login
        self._steps = steps
        self._open: list[Client] = []
        self._relayed = self._other = b""

    def run(self) -> None:
        """Try everything."""
        if self._target.transport not in (UDP, TCP):
            self._step("", "connection", _left_out, True)
            return
        alive = self._target.transport == UDP or self._step("", "connection", self._connection, True)
        alive = self._step("", "Binding", self._binding, alive)
        if not self._target.relays:
            return
        alive = self._step("", "challenge", self._challenge, alive)
        alive = self._step("", "wrong password", self._wrong_password, alive)
        for family, name in ((IPV4, "IPv4"), (IPV6, "IPv6")):
            self._relaying(family, name, alive)

    def _relaying(self, family: int, name: str, alive: bool) -> None:
        """Try what relayed addresses of a family are for."""
        try:
            if self._step(name, "Allocate", lambda: self._allocate(family), alive):
                alive = self._step(name, "permission", lambda: self._permission(family), True)
                self._step(name, "relay to relay", self._relay_to_relay, alive)
                self._step(name, "channel", self._channel, alive)
                self._step(name, "release", self._release, True)
        finally:
            while self._open:
                _give_back(self._open.pop())

    def _step(self, relayed: str, name: str, action: "Callable[[], str]", possible: bool) -> bool:
        """Try a step and tell its result; say whether what comes after it makes sense."""
        state, meaning, advice = _PASSED, "", ""
        try:
            if not possible:
                raise _Skipped("an earlier step failed")
            detail = action()
        except _Skipped as why:
            state, detail = _SKIPPED, str(why)
        except (Silent, Refused, Untrusted, _Broken, OSError) as error:
            state, detail = _FAILED, _happened(error)
            meaning, advice = _advise(name, detail)
        self._steps.add(
            {
                "server": address.format(self._target.place),
                "transport": self._target.transport,
                "relayed": relayed,
                "step": name,
                "state": state,
                "detail": detail,
                "meaning": meaning,
                "advice": advice,
            }
        )
        return state == _PASSED

    def _client(self, login: "Login | None" = None) -> Client:
        client = Client(connect(self._target.transport, self._target.place), login or self._login)
        self._open.append(client)
        return client

    def _connection(self) -> str:
        self._client()
        _end(self._open.pop())
        return "stands"

    def _binding(self) -> str:
        mapped = self._client().binding()
        _end(self._open.pop())
        return f"the relay sees you as {address.format(mapped)}"

    def _challenge(self) -> str:
        code = self._client().challenged()
        _end(self._open.pop())
        if code != 401:
            raise Refused(code) if code else _Broken(_GRANTED)
        return "Allocate without credentials is refused (401)"

    def _wrong_password(self) -> str:
        assert self._login is not None
        try:
            self._client(Login(self._login.username, self._login.password + "-wrong")).allocate(IPV4)
        except Refused as refused:
            if refused.code != 401:
                raise
            return "refused (401)"
        finally:
            _end(self._open.pop())
        raise _Broken(_GRANTED)

    def _allocate(self, family: int) -> str:
        client = self._client()
        try:
            self._relayed = client.allocate(family)
        except Refused as refused:
            if refused.code != 440:
                raise
            raise _Skipped("the relay has no address of this family to relay from (440)")
        algorithm = "SHA-256" if SHA256 in client.offered else "MD5"
        return f"relayed address {address.format(self._relayed)}, password hashed by {algorithm}"

    def _permission(self, family: int) -> str:
        try:
            self._other = self._client().allocate(family)
        except Refused as refused:
            if refused.code != 486:
                raise
            raise _Skipped("this user's quota leaves no second allocation (486)")
        self._open[0].permit(self._other)
        self._open[1].permit(self._relayed)
        return f"for {address.format_ip(address.ip_of(self._other))}"

    def _relay_to_relay(self) -> str:
        first, second = self._open
        data = _payload()
        _pass(lambda: first.send(self._other, data), second, data, self._relayed, 0)
        _pass(lambda: second.send(self._relayed, data), first, data, self._other, 0)
        return f"{address.format(self._relayed)} and {address.format(self._other)} reach each other"

    def _channel(self) -> str:
        first, second = self._open
        data = _payload()
        first.bind(_CHANNEL, self._other)
        _pass(lambda: first.send_channel(_CHANNEL, data), second, data, self._relayed, 0)
        _pass(lambda: second.send(self._relayed, data), first, data, b"", _CHANNEL)
        return f"{len(data)} bytes there and back by channel 0x{_CHANNEL:04x}"

    def _release(self) -> str:
        client = self._open[0]
        client.refresh(0)
        try:
            client.permit(self._relayed)
        except Refused as refused:
            return f"Refresh with lifetime 0 ends the allocation ({refused.code})"
        raise _Broken(_GRANTED)


def _pass(send: "Callable[[], None]", to: Client, data: bytes, peer: bytes, channel: int) -> None:
    """Send until a client has it from a peer, or by a channel; _Broken where it doesn't come."""
    for _ in range(_TRIES):
        send()
        for _ in range(_MOST_READ):
            received = to.wait(_PATIENCE)
            if received is None:
                break
            if (received.peer, received.channel, received.data) == (peer, channel, data):
                return
    raise _Broken(_LOST)


def _left_out() -> str:
    raise _Skipped("this tool checks UDP and TCP; the one with Python and click checks TLS and DTLS, too")


def _payload() -> bytes:
    return seam.random_bytes(_PAYLOAD_SIZE)


def _happened(error: Exception) -> str:
    """Return the word of the advice for an exception."""
    if isinstance(error, Refused):
        return str(error.code)
    if isinstance(error, Silent):
        return _SILENT
    if isinstance(error, Untrusted):
        return "integrity"
    return f"can't connect: {seam.reason(error)}" if isinstance(error, OSError) else str(error)


def _advise(step: str, happened: str) -> "tuple[str, str]":
    """Return what a failure means and what to do; the last row fits always."""
    for row in _ADVICE:
        if row[0] in ("", step) and row[1] in ("", happened):
            break
    return row[2], row[3]


def _give_back(client: Client) -> None:
    """Release a client's allocation, if it has one, and end it."""
    try:
        client.refresh(0)
    except (Silent, Refused, Untrusted, OSError):
        pass
    _end(client)


def _end(client: Client) -> None:
    try:
        client.close()
    except OSError:
        pass
