"""Servers for chat and meetings."""

from edgeturn.protocol.digests import sha256
from edgeturn.snippets.application import MINTED, SECRET, USER, Application, Credential, Reached
from edgeturn.snippets.quoting import basic, dotenv, json_lines, json_text, listed, shell, url, xml

_OCC = 'occ() { sudo -u www-data php /var/www/nextcloud/occ "$@"; }  # change the path if it is elsewhere'
_SPRING = "http://www.springframework.org/schema/beans"
_TURN = "org.bigbluebutton.web.services.turn"


def _talk(reached: Reached, given: Credential) -> list[str]:
    add = f"occ talk:turn:add --secret={shell(given.secret)}"
    lines = [_OCC, f"occ talk:stun:add {shell(reached.place)}"]
    lines.append(f"{add} turn {shell(reached.place)} {'udp,tcp' if reached.has_tcp else 'udp'}")
    return [*lines, f"{add} turns {shell(reached.tls_place)} tcp"] if reached.tls_port else lines


def _signaling(reached: Reached, given: Credential) -> list[str]:
    key = "".join([f"{byte:02x}" for byte in sha256(b"apikey:" + given.secret.encode())[:16]])
    return ["[turn]", f"apikey = {key}", f"secret = {given.secret}", f"servers = {','.join(reached.turn)}"]


def _bigbluebutton(reached: Reached, given: Credential) -> list[str]:
    beans, stun, turn = [], [], []
    for number, uri in enumerate(reached.stun):
        stun.append(f"stun{number}")
        beans += _bean(stun[-1], "StunServer", [uri])
    for number, uri in enumerate(reached.turn):
        turn.append(f"turn{number}")
        beans += _bean(turn[-1], "TurnServer", [given.secret, uri, str(given.lifetime)])
    return [
        f'<beans xmlns="{_SPRING}"',
        '       xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"',
        f'       xsi:schemaLocation="{_SPRING} {_SPRING}/spring-beans-2.5.xsd">',
        *beans,
        f'    <bean id="stunTurnService" class="{_TURN}.StunTurnService">',
        *_references("stunServers", stun),
        *_references("turnServers", turn),
        "    </bean>",
        "</beans>",
    ]


def _bean(name: str, kind: str, values: list[str]) -> list[str]:
    inner = [f'        <constructor-arg index="{at}" value={xml(value)}/>' for at, value in enumerate(values)]
    return [f'    <bean id="{name}" class="{_TURN}.{kind}">', *inner, "    </bean>"]


def _references(name: str, beans: list[str]) -> list[str]:
    inner = [f'                <ref bean="{bean}"/>' for bean in beans]
    return [
        f'        <property name="{name}">',
        "            <set>",
        *inner,
        "            </set>",
        "        </property>",
    ]


def _mattermost(reached: Reached, given: Credential) -> list[str]:
    options: dict[str, object] = {"iceserversconfigs": json_text(ice_servers(reached, given))}
    if given.secret:
        options["turnstaticauthsecret"] = given.secret
        options["turncredentialsexpirationminutes"] = max(1, given.lifetime // 60)
    return json_lines({"PluginSettings": {"Plugins": {"com.mattermost.calls": options}}})


def _rtcd(reached: Reached, given: Credential) -> list[str]:
    proof = "" if given.secret else f", username = {basic(given.username)}, credential = {basic(given.password)}"
    lines = [
        "ice_servers = [",
        f"  {{ urls = {listed(reached.stun)} }},",
        f"  {{ urls = {listed(reached.turn)}{proof} }},",
        "]",
    ]
    if given.secret:
        lines.append(f"turn.static_auth_secret = {basic(given.secret)}")
        lines.append(f"turn.credentials_expiration_minutes = {max(1, given.lifetime // 60)}")
    return lines


def _mirotalk(reached: Reached, given: Credential) -> list[str]:
    return [
        "STUN_SERVER_ENABLED=true",
        f"STUN_SERVER_URL={dotenv(reached.stun[0])}",
        "TURN_SERVER_ENABLED=true",
        f"TURN_SERVER_URL={dotenv(reached.turn[0])}",
        f"TURN_SERVER_USERNAME={dotenv(given.username)}",
        f"TURN_SERVER_CREDENTIAL={dotenv(given.password)}",
    ]


def _galene(reached: Reached, given: Credential) -> list[str]:
    server: dict[str, object] = {"urls": list(reached.turn)}
    if given.secret:
        server |= {"username": "galene", "credential": given.secret, "credentialType": "hmac-sha1"}
    else:
        server |= {"username": given.username, "credential": given.password}
    return json_lines([server])


def _rocket_chat(reached: Reached, given: Credential) -> list[str]:
    login = f"{url(given.username)}:{url(given.password)}@"
    return [", ".join([*reached.stun, *[login + uri for uri in reached.turn]])]


def ice_servers(reached: Reached, given: Credential) -> list[dict[str, object]]:
    """Return the list that RTCPeerConnection takes; without username where the application mints by a secret."""
    turn: dict[str, object] = {"urls": list(reached.turn)}
    if given.password:
        turn |= {"username": given.username, "credential": given.password}
    return [{"urls": list(reached.stun)}, turn]


_STATIC = (USER, MINTED)

APPLICATIONS = (
    Application(
        "nextcloud-talk",
        "Nextcloud Talk",
        "type this where Nextcloud runs; it only adds, `occ talk:turn:list` shows what was there before",
        "nothing more: the next call uses it",
        (SECRET,),
        "#",
        _talk,
        ("talk", "nextcloud", "spreed"),
        notes=(("", "In Nextcloud AIO, occ is: docker exec --user www-data nextcloud-aio-nextcloud php occ"),),
    ),
    Application(
        "nextcloud-signaling",
        "Nextcloud's high-performance backend",
        "into /etc/signaling/server.conf, instead of its [turn]; Janus' turn_rest_api_key is the same apikey",
        "systemctl restart signaling",
        (SECRET,),
        "#",
        _signaling,
        ("spreed-signaling", "nextcloud-spreed-signaling", "nextcloud-hpb", "hpb"),
        # It knows no quotes, cuts spaces and comments off, and fills in options and variables.
        refuses=r"^\s|\s$|\s[#;]|%\(|\$\(",
    ),
    Application(
        "bigbluebutton",
        "BigBlueButton",
        "the whole of /etc/bigbluebutton/turn-stun-servers.xml",
        "systemctl restart bbb-web",
        (SECRET,),
        "<!--",
        _bigbluebutton,
        ("bbb",),
        refuses=r"[$#]\{",  # Spring fills these in
    ),
    Application(
        "mattermost",
        "Mattermost Calls",
        "into config.json, into what is there of these; or by hand in System Console, Plugins, Calls",
        "systemctl restart mattermost",
        (SECRET, USER),
        "",
        _mattermost,
        ("mattermost-calls",),
    ),
    Application(
        "mattermost-rtcd",
        "Mattermost rtcd",
        "into config.toml of rtcd, right below [rtc], instead of its ice_servers",
        "systemctl restart rtcd",
        (SECRET, USER),
        "#",
        _rtcd,
        ("rtcd",),
    ),
    Application(
        "mirotalk",
        "MiroTalk P2P",
        "into .env, instead of what it has of these",
        "docker compose up -d --force-recreate, or pm2 restart",
        _STATIC,
        "#",
        _mirotalk,
        ("mirotalk-p2p",),
        uses_tls=False,
    ),
    Application(
        "galene",
        "Galene",
        "the whole of data/ice-servers.json",
        "restart galene, with `-turn auto` or without -turn",
        (SECRET, USER),
        "",
        _galene,
        is_one_user=True,
    ),
    Application(
        "rocketchat",
        "Rocket.Chat",
        "into Administration, Settings, both WebRTC (WebRTC_Servers) and Voice Call (VoIP_TeamCollab_Ice_Servers)",
        "save; clients take it at their next start",
        _STATIC,
        "",
        _rocket_chat,
        ("rocket.chat", "rocket-chat"),
    ),
)
