"""Matrix: the home servers, and LiveKit, which carries the calls of Element Call."""

from edgeturn.snippets.application import DAY, SECRET, USER, Application, Credential, Reached
from edgeturn.snippets.quoting import basic, listed


def _synapse(reached: Reached, given: Credential) -> list[str]:
    lines = ["turn_uris:", *[f"  - {basic(uri)}" for uri in reached.turn]]
    if given.secret:
        lines.append(f"turn_shared_secret: {basic(given.secret)}")
    else:
        lines += [f"turn_username: {basic(given.username)}", f"turn_password: {basic(given.password)}"]
    return [*lines, f"turn_user_lifetime: {given.lifetime}s", "turn_allow_guests: false"]


def _dendrite(reached: Reached, given: Credential) -> list[str]:
    return [
        "client_api:",
        "  turn:",
        f'    turn_user_lifetime: "{given.lifetime}s"',
        "    turn_uris:",
        *[f"      - {basic(uri)}" for uri in reached.turn],
        f"    turn_shared_secret: {basic(given.secret)}",
        f"    turn_username: {basic(given.username)}",
        f"    turn_password: {basic(given.password)}",
    ]


def _tuwunel(reached: Reached, given: Credential) -> list[str]:
    lines = [f"turn_uris = {listed(reached.turn)}"]
    if given.secret:
        return [*lines, f"turn_secret = {basic(given.secret)}", f"turn_ttl = {given.lifetime}"]
    return [*lines, f"turn_username = {basic(given.username)}", f"turn_password = {basic(given.password)}"]


def _conduit(reached: Reached, given: Credential) -> list[str]:
    lines = ["[global.turn]", f"uris = {listed(reached.turn)}"]
    if given.secret:
        return [*lines, f"secret = {basic(given.secret)}"]
    return [*lines, f"username = {basic(given.username)}", f"password = {basic(given.password)}"]


def _livekit(reached: Reached, given: Credential) -> list[str]:
    ways = [(transport, reached.port) for transport in reached.transports]
    ways += [("tls", reached.tls_port)] if reached.tls_port else []
    if given.secret:
        proof = [f"secret: {basic(given.secret)}", f"ttl: {min(given.lifetime, DAY)}"]  # it takes a day at most
    else:
        proof = [f"username: {basic(given.username)}", f"credential: {basic(given.password)}"]
    lines = ["rtc:", "  stun_servers:", f"    - {basic(reached.place)}", "  turn_servers:"]
    for protocol, port in ways:
        lines += [f"    - host: {basic(reached.host)}", f"      port: {port}", f"      protocol: {protocol}"]
        lines += [f"      {line}" for line in proof]
    return lines


_BOTH = (SECRET, USER)

APPLICATIONS = (
    Application(
        "synapse",
        "Matrix Synapse",
        "into homeserver.yaml, or a file of its own in /etc/matrix-synapse/conf.d",
        "systemctl restart matrix-synapse",
        _BOTH,
        "#",
        _synapse,
        ("matrix", "matrix-synapse", "element"),
    ),
    Application(
        "dendrite",
        "Matrix Dendrite",
        "into dendrite.yaml, under the client_api: that is there",
        "systemctl restart dendrite",
        _BOTH,
        "#",
        _dendrite,
    ),
    Application(
        "tuwunel",
        "Matrix tuwunel",
        "into tuwunel.toml, right below [global]",
        "systemctl restart tuwunel",
        _BOTH,
        "#",
        _tuwunel,
        ("conduwuit", "continuwuity"),
    ),
    Application(
        "conduit",
        "Matrix Conduit",
        "at the end of conduit.toml",
        "systemctl restart conduit",
        _BOTH,
        "#",
        _conduit,
        ("matrix-conduit",),
    ),
    Application(
        "livekit",
        "LiveKit, for Element Call too",
        "into livekit.yaml, under the rtc: that is there",
        "docker restart livekit, or however it was started",
        _BOTH,
        "#",
        _livekit,
        ("element-call", "matrixrtc", "livekit-server"),
        notes=((SECRET, "A LiveKit that doesn't know `secret:` yet takes a user: `--user NAME`."),),
    ),
)
