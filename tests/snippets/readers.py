"""What each application makes of its configuration: the URIs, and the credential that its clients come with.

Rule 1: a file is read by a parser of its format, and not by what wrote it; a missing or unknown key fails.
Rule 2: credentials are minted here as the application mints them, with its form of username.
"""

import ast
import base64
import configparser
import hmac
import json
import re
import shlex
import subprocess
import time
import tomllib
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

import libconf
import yaml

from tests.snippets import dump_lua, node

_BEANS = "{http://www.springframework.org/schema/beans}"


@dataclass
class Read:
    """What was read: URIs, and a secret with the username's form, or username and password."""

    stun: list[str] = field(default_factory=list)
    turn: list[str] = field(default_factory=list)
    secret: str = ""
    form: str = ""  # behind the expiry
    username: str = ""
    password: str = ""

    def login(self) -> tuple[str, str]:
        """Return the username and password of a client."""
        if not self.secret:
            return self.username, self.password
        username = f"{int(time.time()) + 3600}{self.form}"
        return username, base64.b64encode(hmac.digest(self.secret.encode(), username.encode(), "sha1")).decode()


def _only(document: dict[str, Any], *keys: str) -> list[Any]:
    """Return the values of keys, which have to be the only ones."""
    assert set(document) == set(keys), document
    return [document[key] for key in keys]


def _uri(kind: str, host: str, port: int, transport: str = "") -> str:
    assert isinstance(port, int)
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return f"{kind}:{place}" + (f"?transport={transport}" if transport else "")


# YAML.


def synapse(text: str) -> Read:
    read = yaml.safe_load(text)
    assert re.fullmatch(r"\d+s", read.pop("turn_user_lifetime")) and read.pop("turn_allow_guests") is False
    if "turn_shared_secret" in read:
        uris, secret = _only(read, "turn_uris", "turn_shared_secret")
        return Read(turn=uris, secret=secret, form=":@alice:example.org")
    uris, username, password = _only(read, "turn_uris", "turn_username", "turn_password")
    return Read(turn=uris, username=username, password=password)


def dendrite(text: str) -> Read:
    [client_api] = _only(yaml.safe_load(text), "client_api")
    [turn] = _only(client_api, "turn")
    names = ("turn_user_lifetime", "turn_uris", "turn_shared_secret", "turn_username", "turn_password")
    lifetime, uris, secret, username, password = _only(turn, *names)
    assert re.fullmatch(r"\d+s", lifetime)  # a Go duration, as text
    return Read(turn=uris, secret=secret, form=":@alice:example.org", username=username, password=password)


def livekit(text: str) -> Read:
    [rtc] = _only(yaml.safe_load(text), "rtc")
    stun, servers = _only(rtc, "stun_servers", "turn_servers")
    read = Read(stun=[f"stun:{each}" for each in stun], form=":PA_1")
    kinds = {"udp": ("turn", "udp"), "tcp": ("turn", "tcp"), "tls": ("turns", "tcp")}
    for each in servers:
        kind, transport = kinds[each.pop("protocol")]
        read.turn.append(_uri(kind, each.pop("host"), each.pop("port"), transport))
        if "secret" in each:
            read.secret, lifetime = _only(each, "secret", "ttl")
            assert 0 < lifetime <= 86400
        else:
            read.username, read.password = _only(each, "username", "credential")
    return read


def ejabberd(text: str) -> Read:
    [modules] = _only(yaml.safe_load(text), "modules")
    [options] = _only(modules, "mod_stun_disco")
    names = ("offer_local_services", "credentials_lifetime", "secret", "services")
    local, lifetime, secret, services = _only(options, *names)
    assert local is False and re.fullmatch(r"\d+ seconds", lifetime)
    read = Read(secret=secret, form=":4dd5a5d0")
    for each in services:
        host, port, kind, transport, restricted = _only(each, "host", "port", "type", "transport", "restricted")
        assert restricted is (kind != "stun")
        uris = read.stun if kind == "stun" else read.turn
        uris.append(_uri(kind, host, port, "" if kind == "stun" else transport))
    return read


def home_assistant(text: str) -> Read:
    [web_rtc] = _only(yaml.safe_load(text), "web_rtc")
    return _servers(web_rtc, "url")


def go2rtc(text: str) -> Read:
    assert "${" not in text
    [webrtc] = _only(yaml.safe_load(text), "webrtc")
    return _servers(webrtc, "urls")


def frigate(text: str) -> Read:
    assert "${" not in text
    [inner] = _only(yaml.safe_load(text), "go2rtc")
    [webrtc] = _only(inner, "webrtc")
    assert webrtc.pop("candidates") == ["stun:8555"]
    return _servers(webrtc, "urls")


def _servers(options: dict[str, Any], key: str) -> Read:
    [[stun, turn]] = _only(options, "ice_servers")
    uris, username, password = _only(turn, key, "username", "credential")
    return Read(stun=_only(stun, key)[0], turn=uris, username=username, password=password)


def mediamtx(text: str) -> Read:
    [servers] = _only(yaml.safe_load(text), "webrtcICEServers2")
    read = Read(form=":7Zp3")
    for each in servers:
        if each["url"].startswith("stun:"):
            read.stun += _only(each, "url")
            continue
        uri, username, password = _only(each, "url", "username", "password")
        read.turn.append(uri)
        if username == "AUTH_SECRET":
            read.secret = password
        else:
            read.username, read.password = username, password
    return read


def neko(text: str) -> Read:
    [services] = _only(yaml.safe_load(text), "services")
    environment = services["neko"]["environment"]
    prefix = "NEKO_WEBRTC_"
    lite, front, back = _only(
        environment, prefix + "ICELITE", prefix + "ICESERVERS_FRONTEND", prefix + "ICESERVERS_BACKEND"
    )
    assert lite == "false" and front == back
    assert "$" not in front.replace("$$", "")  # Compose would look for a variable
    return _ice_servers(json.loads(front.replace("$$", "$")))


def peertube(text: str) -> Read:
    [webrtc] = _only(yaml.safe_load(text), "webrtc")
    return Read(stun=_only(webrtc, "stun_servers")[0])


# TOML.


def tuwunel(text: str) -> Read:
    read = tomllib.loads(text)
    if "turn_secret" in read:
        uris, secret, lifetime = _only(read, "turn_uris", "turn_secret", "turn_ttl")
        assert isinstance(lifetime, int)
        return Read(turn=uris, secret=secret, form=":@alice:example.org")
    uris, username, password = _only(read, "turn_uris", "turn_username", "turn_password")
    return Read(turn=uris, username=username, password=password)


def conduit(text: str) -> Read:
    read = tomllib.loads(text)["global"]["turn"]
    if "secret" in read:
        uris, secret = _only(read, "uris", "secret")
        return Read(turn=uris, secret=secret, form=":@alice:example.org")
    uris, username, password = _only(read, "uris", "username", "password")
    return Read(turn=uris, username=username, password=password)


def rtcd(text: str) -> Read:
    read = tomllib.loads(text)
    found = _ice_servers(read.pop("ice_servers"))
    if read:
        secret, lifetime = _only(read["turn"], "static_auth_secret", "credentials_expiration_minutes")
        assert isinstance(lifetime, int)
        found.secret, found.form = secret, ":user"
    return found


# JSON.


def mattermost(text: str) -> Read:
    [settings] = _only(json.loads(text), "PluginSettings")
    [plugins] = _only(settings, "Plugins")
    [options] = _only(plugins, "com.mattermost.calls")
    read = _ice_servers(json.loads(options.pop("iceserversconfigs")))
    if options:
        read.secret, lifetime = _only(options, "turnstaticauthsecret", "turncredentialsexpirationminutes")
        assert isinstance(lifetime, int)
        read.form = ":user"
    return read


def galene(text: str) -> Read:
    [server] = json.loads(text)
    if server.pop("credentialType", "") == "hmac-sha1":
        uris, name, secret = _only(server, "urls", "username", "credential")
        return Read(turn=uris, secret=secret, form=":" + name)
    uris, username, password = _only(server, "urls", "username", "credential")
    return Read(turn=uris, username=username, password=password)


def _ice_servers(servers: list[dict[str, Any]]) -> Read:
    stun, turn = servers
    read = Read(stun=_only(stun, "urls")[0], turn=turn.pop("urls"))
    if turn:
        read.username, read.password = _only(turn, "username", "credential")
    return read


# Lua.


def prosody(text: str) -> Read:
    names = ("host", "port", "secret", "ttl", "tcp")
    read = {name.removeprefix("turn_external_"): value for name, value in dump_lua.run(text).items()}
    tls_port = read.pop("tls_port", 0)
    host, port, secret, lifetime, tcp = _only(read, *names)
    assert tcp is True and isinstance(lifetime, int)
    turn = [_uri("turn", host, port, "udp"), _uri("turn", host, port, "tcp")]
    turn += [_uri("turns", host, tls_port, "tcp")] if tls_port else []
    return Read(stun=[_uri("stun", host, port)], turn=turn, secret=secret)  # the bare expiry is the username


def jitsi(text: str) -> Read:
    secret, services = _only(dump_lua.run(text), "external_service_secret", "external_services")
    read = Read(secret=secret)
    for each in services.values():
        kind, host, port, transport = (each.pop(name) for name in ("type", "host", "port", "transport"))
        if kind == "stun":
            read.stun.append(_uri(kind, host, port))
            continue
        minted, lifetime, algorithm = _only(each, "secret", "ttl", "algorithm")
        assert minted is True and isinstance(lifetime, int) and algorithm == "turn"
        read.turn.append(_uri(kind, host, port, transport))
    return read


# Environments.


def jitsi_docker(text: str) -> Read:
    read = _compose(text)
    host, port = read.pop("TURN_HOST"), int(read.pop("TURN_PORT"))
    turn = [_uri("turn", host, port, each) for each in read.pop("TURN_TRANSPORT").split(",")]
    if "TURNS_HOST" in read:
        turn.append(_uri("turns", read.pop("TURNS_HOST"), int(read.pop("TURNS_PORT")), "tcp"))
    if "TURN_CREDENTIALS" in read:
        secret, lifetime = _only(read, "TURN_CREDENTIALS", "TURN_TTL")
        assert int(lifetime)
        return Read(turn=turn, secret=_as_lua(secret))
    username, password = _only(read, "TURN_USERNAME", "TURN_PASSWORD")
    return Read(turn=turn, username=_as_lua(username), password=_as_lua(password))


def _as_lua(value: str) -> str:
    """Return what Prosody reads of a value that the container puts between quotation marks."""
    return str(dump_lua.run(f'value = "{value}"')["value"])


def snikket(text: str) -> Read:
    prefix = "SNIKKET_TWEAK_TURNSERVER"
    names = [prefix, prefix + "_DOMAIN", prefix + "_PORT", prefix + "_SECRET"]
    off, host, port, secret = _only(_compose(text), *names)
    assert off == "0"
    turn = [_uri("turn", host, int(port), each) for each in ("udp", "tcp")]
    return Read(stun=[_uri("stun", host, int(port))], turn=turn, secret=secret)


def _compose(text: str) -> dict[str, str]:
    """Return the variables of a file as Docker Compose reads it: '…' as it is, in "…" a backslash and variables."""
    found = {}
    for line in text.rstrip("\n").split("\n"):
        if line.startswith("#"):
            continue
        name, value = line.split("=", 1)
        if value.startswith("'"):
            assert re.fullmatch(r"'([^'\\]|\\(?!'))*'", value), value
            value = value[1:-1]
        elif value.startswith('"'):
            assert re.fullmatch(r'"([^"\\$]|\\["\\])*"', value), value
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        else:
            assert not re.search(r"[\s#$'\"\\`]", value), value
        found[name] = value
    return found


def mirotalk(text: str) -> Read:
    read = node.dotenv(text)
    assert read.pop("STUN_SERVER_ENABLED") == "true" == read.pop("TURN_SERVER_ENABLED")
    prefix = "TURN_SERVER_"
    stun, uri, username, password = _only(
        read, "STUN_SERVER_URL", prefix + "URL", prefix + "USERNAME", prefix + "CREDENTIAL"
    )
    return Read(stun=[stun], turn=[uri], username=username, password=password)


# Others.


def talk(text: str) -> Read:
    """Run the commands, with a sudo that says what it was called with."""
    said = _output(["sh", "-eu"], "sudo() { printf '%s\\0' \"$@\" END; }\n" + text)
    read = Read(form=":8hFh3zSv")
    for words in said.split("END\0"):
        if not words:
            continue
        *called, command = words.split("\0")[:5]
        assert called == ["-u", "www-data", "php", "/var/www/nextcloud/occ"]
        arguments = words.split("\0")[5:-1]
        if command == "talk:stun:add":
            read.stun += [f"stun:{each}" for each in arguments]
            continue
        assert command == "talk:turn:add" and arguments[0].startswith("--secret=")
        option, scheme, server, protocols = arguments
        read.secret = option.removeprefix("--secret=")
        read.turn += [f"{scheme}:{server}?transport={each}" for each in protocols.split(",")]
    return read


def signaling(text: str) -> Read:
    parser = configparser.RawConfigParser(inline_comment_prefixes=("#", ";"), delimiters=("=",))
    parser.read_string(text)
    key, secret, servers = _only(dict(parser["turn"]), "apikey", "secret", "servers")
    assert len(key) == 32 and not re.search(r"%\(|\$\(", secret)
    return Read(turn=servers.split(","), secret=secret, form=":user")


def bigbluebutton(text: str) -> Read:
    root = ElementTree.fromstring(text)
    assert root.tag == _BEANS + "beans" and not re.search(r"[$#]\{", text)
    package = "org.bigbluebutton.web.services.turn."
    values, references = {}, {}
    for bean in root:
        arguments = [each.attrib["value"] for each in bean.iter(_BEANS + "constructor-arg")]
        values[bean.attrib["id"]] = (bean.attrib["class"].removeprefix(package), arguments)
        for each in bean.iter(_BEANS + "property"):
            references[each.attrib["name"]] = [ref.attrib["bean"] for ref in each.iter(_BEANS + "ref")]
    read = Read(form=":w_abc")
    for name in references["stunServers"]:
        kind, [uri] = values[name]
        assert kind == "StunServer"
        read.stun.append(uri)
    for name in references["turnServers"]:
        kind, [read.secret, uri, lifetime] = values[name]
        assert kind == "TurnServer" and int(lifetime)
        read.turn.append(uri)
    return read


def rocket_chat(text: str) -> Read:
    read = Read()
    for each in text.strip().split(","):
        *login, uri = each.strip().split("@")
        if not login:
            read.stun.append(uri)
            continue
        [[username, password]] = [each.split(":") for each in login]
        read.turn.append(uri)
        read.username, read.password = urllib.parse.unquote(username), urllib.parse.unquote(password)
    return read


def janus(text: str) -> Read:
    [nat] = _only(libconf.loads(text), "nat")
    names = ("stun_server", "stun_port", "turn_server", "turn_port", "turn_type", "turn_user", "turn_pwd")
    stun, stun_port, host, port, kind, username, password = _only(dict(nat), *names)
    return Read([_uri("stun", stun, stun_port)], [_uri("turn", host, port, kind)], "", "", username, password)


def browser(text: str) -> Read:
    [servers] = _only(node.script(text), "iceServers")
    return _ice_servers(servers)


def aiortc(text: str) -> Read:
    stub: dict[str, Any] = {}
    exec(text.replace("connection = ", "# "), stub)
    stun, turn = stub["configuration"].iceServers
    return Read(stun.urls, turn.urls, "", "", turn.username, turn.credential)


def pion(text: str) -> Read:
    """Take the strings of Go, whose escapes are Python's too."""
    words = [ast.literal_eval(each) for each in re.findall(r'"(?:[^"\\\n]|\\.)*"', text.split("\n", 2)[2])]
    assert re.findall(r"(\w+):", re.sub(r'"(?:[^"\\\n]|\\.)*"', "", text.split("\n", 2)[2])) == [
        "ICEServers", "URLs", "URLs", "Username", "Credential",
    ]  # fmt: skip
    stun = [each for each in words[:-2] if each.startswith("stun:")]
    return Read(stun, words[len(stun) : -2], "", "", *words[-2:])


def gstreamer(text: str) -> Read:
    words = shlex.split(text, comments=True)
    options = dict(each.split("=", 1) for each in words if each.startswith(("stun-server=", "turn-server=")))
    stun, turn = _only(options, "stun-server", "turn-server")
    parts = urllib.parse.urlsplit(turn)
    login, _, place = parts.netloc.rpartition("@")
    username, password = (urllib.parse.unquote(each) for each in login.split(":"))
    return Read([stun.replace("://", ":")], [f"{parts.scheme}:{place}?{parts.query}"], "", "", username, password)


def _output(words: list[str], given: str) -> str:
    return subprocess.run(words, input=given, capture_output=True, text=True, check=True, timeout=90).stdout


READERS: dict[str, Callable[[str], Read]] = {
    "synapse": synapse,
    "dendrite": dendrite,
    "tuwunel": tuwunel,
    "conduit": conduit,
    "livekit": livekit,
    "nextcloud-talk": talk,
    "nextcloud-signaling": signaling,
    "bigbluebutton": bigbluebutton,
    "mattermost": mattermost,
    "mattermost-rtcd": rtcd,
    "mirotalk": mirotalk,
    "galene": galene,
    "rocketchat": rocket_chat,
    "jitsi": jitsi,
    "jitsi-docker": jitsi_docker,
    "prosody": prosody,
    "ejabberd": ejabberd,
    "snikket": snikket,
    "home-assistant": home_assistant,
    "go2rtc": go2rtc,
    "frigate": frigate,
    "mediamtx": mediamtx,
    "neko": neko,
    "janus": janus,
    "peertube": peertube,
    "browser": browser,
    "aiortc": aiortc,
    "pion": pion,
    "gstreamer": gstreamer,
}
