"""Code: what somebody who writes an application pastes into it."""

from edgeturn.snippets.application import DAY, MINTED, USER, Application, Credential, Reached
from edgeturn.snippets.meetings import ice_servers
from edgeturn.snippets.quoting import basic, json_lines, listed, shell, url


def _browser(reached: Reached, given: Credential) -> list[str]:
    lines = json_lines({"iceServers": ice_servers(reached, given)})
    return [
        f"const configuration = {lines[0]}",
        *lines[1:-1],
        "};",
        "const connection = new RTCPeerConnection(configuration);",
    ]


def _aiortc(reached: Reached, given: Credential) -> list[str]:
    return [
        "from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection",
        "",
        "configuration = RTCConfiguration(",
        "    iceServers=[",
        f"        RTCIceServer(urls={listed(reached.stun)}),",
        "        RTCIceServer(",
        "            urls=[",
        *[f"                {basic(uri)}," for uri in reached.turn],
        "            ],",
        f"            username={basic(given.username)},",
        f"            credential={basic(given.password)},",
        "        ),",
        "    ]",
        ")",
        "connection = RTCPeerConnection(configuration)",
    ]


def _pion(reached: Reached, given: Credential) -> list[str]:
    return [
        "var configuration = webrtc.Configuration{",
        "\tICEServers: []webrtc.ICEServer{",
        f"\t\t{{URLs: []string{{{listed(reached.stun)[1:-1]}}}}},",
        "\t\t{",
        "\t\t\tURLs: []string{",
        *[f"\t\t\t\t{basic(uri)}," for uri in reached.turn],
        "\t\t\t},",
        f"\t\t\tUsername:   {basic(given.username)},",
        f"\t\t\tCredential: {basic(given.password)},",
        "\t\t},",
        "\t},",
        "}",
    ]


def _gstreamer(reached: Reached, given: Credential) -> list[str]:
    login = f"{url(given.username)}:{url(given.password)}@"
    server = reached.turn[0].replace(":", "://" + login, 1)
    return [
        "gst-launch-1.0 audiotestsrc is-live=true ! opusenc ! rtpopuspay ! \\",
        "  application/x-rtp,media=audio,encoding-name=OPUS,payload=96 ! \\",
        "  webrtcbin name=webrtc bundle-policy=max-bundle \\",
        f"  stun-server={shell(reached.stun[0].replace(':', '://', 1))} \\",
        f"  turn-server={shell(server)}",
    ]


_FRESH = (MINTED, USER)
_SERVE = "Have your server mint a new one for each visitor: `edgeturn tokens --help`."

APPLICATIONS = (
    Application(
        "browser",
        "a browser, in JavaScript",
        "into your page's script",
        "reload the page",
        _FRESH,
        "//",
        _browser,
        ("javascript", "js", "webrtc"),
        minted_for=DAY,
        notes=((MINTED, _SERVE),),
    ),
    Application(
        "aiortc",
        "aiortc, in Python",
        "into a coroutine of your program",
        "restart it",
        _FRESH,
        "#",
        _aiortc,
        ("python",),
        minted_for=DAY,
        notes=(("", "aiortc uses the first STUN and the first TURN server only."),),
    ),
    Application(
        "pion",
        "pion, in Go",
        'into your program, which imports "github.com/pion/webrtc/v4"',
        "build it again",
        _FRESH,
        "//",
        _pion,
        ("go", "golang"),
        minted_for=DAY,
    ),
    Application(
        "gstreamer",
        "GStreamer's webrtcbin",
        "the last two lines are properties of webrtcbin in your pipeline; signalling is your program's",
        "start it again",
        _FRESH,
        "#",
        _gstreamer,
        ("gst", "webrtcbin"),
        minted_for=DAY,
        uses_tls=False,
    ),
)
