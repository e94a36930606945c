"""Cameras, media servers and shared screens."""

from edgeturn.snippets.application import MINTED, SECRET, STUN, USER, Application, Credential, Reached
from edgeturn.snippets.meetings import ice_servers
from edgeturn.snippets.quoting import basic, json_text, raw, yaml_single


def _home_assistant(reached: Reached, given: Credential) -> list[str]:
    return ["web_rtc:", "  ice_servers:", *_servers("url", reached, given, "    ")]


def _go2rtc(reached: Reached, given: Credential) -> list[str]:
    return ["webrtc:", "  ice_servers:", *_servers("urls", reached, given, "    ")]


def _frigate(reached: Reached, given: Credential) -> list[str]:
    lines = ["go2rtc:", "  webrtc:", "    candidates:", "      - stun:8555", "    ice_servers:"]
    return lines + _servers("urls", reached, given, "      ")


def _servers(key: str, reached: Reached, given: Credential, margin: str) -> list[str]:
    lines = [f"- {key}:", *[f"    - {basic(uri)}" for uri in reached.stun]]
    lines += [f"- {key}:", *[f"    - {basic(uri)}" for uri in reached.turn]]
    lines += [f"  username: {basic(given.username)}", f"  credential: {basic(given.password)}"]
    return [margin + line for line in lines]


def _mediamtx(reached: Reached, given: Credential) -> list[str]:
    name, password = ("AUTH_SECRET", given.secret) if given.secret else (given.username, given.password)
    lines = ["webrtcICEServers2:", *[f"  - url: {basic(uri)}" for uri in reached.stun]]
    for uri in reached.turn:
        lines += [f"  - url: {basic(uri)}", f"    username: {basic(name)}", f"    password: {basic(password)}"]
    return lines


def _neko(reached: Reached, given: Credential) -> list[str]:
    servers = yaml_single(json_text(ice_servers(reached, given)).replace("$", "$$"))  # Compose reads $ as a variable
    return [
        "services:",
        "  neko:",
        "    environment:",
        '      NEKO_WEBRTC_ICELITE: "false"',
        f"      NEKO_WEBRTC_ICESERVERS_FRONTEND: {servers}",
        f"      NEKO_WEBRTC_ICESERVERS_BACKEND: {servers}",
    ]


def _janus(reached: Reached, given: Credential) -> list[str]:
    return [
        "nat: {",
        f"\tstun_server = {raw(reached.host)}",
        f"\tstun_port = {reached.port}",
        f"\tturn_server = {raw(reached.host)}",
        f"\tturn_port = {reached.port}",
        '\tturn_type = "udp"',
        f"\tturn_user = {raw(given.username)}",
        f"\tturn_pwd = {raw(given.password)}",
        "}",
    ]


def _peertube(reached: Reached, given: Credential) -> list[str]:
    return ["webrtc:", "  stun_servers:", *[f"    - {basic(uri)}" for uri in reached.stun]]


_STATIC = (USER, MINTED)
_VARIABLE = r"\$\{"  # go2rtc fills it in

APPLICATIONS = (
    Application(
        "home-assistant",
        "Home Assistant",
        "into configuration.yaml",
        "ha core restart, or Settings, System, Restart",
        _STATIC,
        "#",
        _home_assistant,
        ("homeassistant", "hass"),
    ),
    Application(
        "go2rtc",
        "go2rtc",
        "into go2rtc.yaml; it replaces the STUN servers that go2rtc has by itself",
        "restart go2rtc, also from its web page",
        _STATIC,
        "#",
        _go2rtc,
        refuses=_VARIABLE,
    ),
    Application(
        "frigate",
        "Frigate",
        "into config.yml, under the go2rtc: that is there",
        "docker restart frigate",
        _STATIC,
        "#",
        _frigate,
        refuses=_VARIABLE,
        notes=(("", "Frigate's own player asks a STUN server of its own; the camera side uses these."),),
    ),
    Application(
        "mediamtx",
        "MediaMTX",
        "into mediamtx.yml, instead of its webrtcICEServers2",
        "nothing: MediaMTX reads the file when it changes",
        (SECRET, USER),
        "#",
        _mediamtx,
        ("rtsp-simple-server",),
    ),
    Application(
        "neko",
        "neko",
        "into docker-compose.yml, under the environment: that is there",
        "docker compose up -d",
        _STATIC,
        "#",
        _neko,
        ("n.eko",),
    ),
    Application(
        "janus",
        "Janus",
        "into janus.jcfg, instead of what its nat: has of these; it's for Janus' own candidates, "
        "browsers need theirs (`edgeturn snippet browser`)",
        "systemctl restart janus",
        _STATIC,
        "#",
        _janus,
        ("janus-gateway",),
        uses_tls=False,
    ),
    Application(
        "peertube",
        "PeerTube",
        "into config/production.yaml; PeerTube takes STUN servers only",
        "systemctl restart peertube",
        (STUN,),
        "#",
        _peertube,
        uses_tls=False,
    ),
)
