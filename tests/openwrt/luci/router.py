"""
A stand-in for the parts of a router that LuCI's client talks to: uhttpd's files, its ubus by JSON-RPC, rpcd and UCI.

Rule 1: rpcd's plugin is called as rpcd does: `list` once, `call METHOD` with the arguments and who asks on standard
        input; an answer that is no JSON object, is too large or comes too late is an error.
Rule 2: what may be called and changed is what the app's own ACL file says, for who is root and who may only read.
"""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from edgeturn.relay import uci
from tests.lab.programs import node_modules
from tools.luci import APP, MENU

HERE = Path(__file__).parent
PLUGIN = APP / "root" / "usr" / "libexec" / "rpcd" / "edgeturn"
ACL = APP / "root" / "usr" / "share" / "rpcd" / "acl.d" / "luci-app-edgeturn.json"
ROOT, READER = "0" * 31 + "1", "0" * 31 + "2"  # sessions
RIGHTS = {ROOT: ("read", "write"), READER: ("read",)}
MOST_OUTPUT = 4096 * 64
PATIENCE = 30.0  # seconds, as on OpenWrt
OK, INVALID_ARGUMENT, METHOD_NOT_FOUND, NOT_FOUND, NO_DATA, DENIED = 0, 2, 3, 4, 5, 6
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".html": "text/html"}
Document = dict[str, Any]


class Rpcd:
    """The object `edgeturn` of rpcd: the plugin, and the folder in which it finds the command."""

    def __init__(self, folder: Path) -> None:
        self.environment = {"PATH": f"{folder}:/usr/bin:/bin"}
        self.listed: Document = json.loads(self.run("list").stdout)

    def run(self, *words: str, given: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
        """Run the plugin."""
        return subprocess.run(
            [str(PLUGIN), *words], input=given, env=self.environment, capture_output=True, timeout=PATIENCE, check=False
        )

    def call(self, method: str, asker: str = ROOT, **arguments: object) -> Document:
        """Return the plugin's answer."""
        return self.answer(method, json.dumps({**arguments, "ubus_rpc_session": asker}).encode())

    def answer(self, method: str, given: bytes) -> Document:
        """Return the plugin's answer to whatever it is given."""
        done = self.run("call", method, given=given)
        assert len(done.stdout) <= MOST_OUTPUT
        assert done.stdout, done.stderr.decode()
        answer = json.loads(done.stdout)
        assert isinstance(answer, dict), answer
        return answer


class Router:
    """What the browser reaches: the app's files and the stand-in's, and ubus."""

    def __init__(self, rpcd: Rpcd, configuration: Path) -> None:
        self.rpcd = rpcd
        self.configuration = configuration
        self.calls: list[tuple[str, str]] = []
        self.granted = {session: granted(rights) for session, rights in RIGHTS.items()}

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve it; yields the start of its URLs."""
        router = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                kind, body = router.page(self.path)
                self.reply(kind, body)

            def do_POST(self) -> None:
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.reply("application/json", json.dumps(router.ubus(message)).encode())

            def reply(self, kind: str, body: bytes) -> None:
                self.send_response(200 if body else 404)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            yield f"http://127.0.0.1:{server.server_address[1]}"
            server.shutdown()
            thread.join()

    # Files and pages: /SESSION/VIEW is a page.

    def page(self, path: str) -> tuple[str, bytes]:
        """Return the type and content of what a path names; nothing where nothing is there."""
        if path.startswith("/luci-static/"):
            return self._file(path.removeprefix("/luci-static/"))
        session, _, view = path.removeprefix("/").partition("/")
        standin = {"sessionid": session, "view": view, "writable": self._writable(session, view)}
        links = "".join(f'<a href="/{session}/{each}">{title}</a> ' for each, title in self.views(session))
        page = (HERE / "standin" / "page.html").read_text()
        return "text/html", page.replace("NAVIGATION", links).replace("STANDIN", json.dumps(standin)).encode()

    def _file(self, name: str) -> tuple[str, bytes]:
        places = (
            APP / "htdocs" / "luci-static" / name,
            HERE / "standin" / name,
            node_modules() / "node_modules" / name,
        )
        for file in places:
            if file.is_file():
                return _TYPES[file.suffix], file.read_bytes()
        return "text/plain", b""

    def views(self, session: str) -> list[tuple[str, str]]:
        """Return the views of the menu that a session sees, with their titles."""
        return [
            (entry["action"]["path"], entry["title"])
            for entry in json.loads(MENU.read_text()).values()
            if entry["action"]["type"] == "view" and all(self._has(session, group) for group in groups(entry))
        ]

    def _writable(self, session: str, view: str) -> bool:
        """Say what L.hasViewPermission says: whether the menu's entry depends on groups that may all be written."""
        for entry in json.loads(MENU.read_text()).values():
            if entry["action"].get("path") == view:
                return all("write" in self.granted[session]["access-group"].get(group, []) for group in groups(entry))
        return False

    def _has(self, session: str, group: str) -> bool:
        return group in self.granted[session]["access-group"]

    # ubus.

    def ubus(self, message: Document) -> Document:
        """Return the answer to a JSON-RPC message."""
        session, target, method, arguments = message["params"]
        self.calls.append((target, method))
        found = {"jsonrpc": "2.0", "id": message["id"]}
        if target == "uci":
            return found | {"result": self._uci(session, method, arguments)}
        if method not in self.granted[session]["ubus"].get(target, []):
            return found | {"error": {"code": -32002, "message": "Access denied"}}
        if target != "edgeturn" or method not in self.rpcd.listed:
            return found | {"result": [METHOD_NOT_FOUND]}
        return found | {"result": [OK, self.rpcd.call(method, session, **arguments)]}

    def _uci(self, session: str, method: str, arguments: Document) -> list[object]:
        right = "read" if method == "get" else "write"
        if method == "apply":
            return [OK, self.rpcd_reload()]
        if right not in self.granted[session]["uci"].get(arguments["config"], []):
            return [DENIED]
        text = self.configuration.read_text()
        sections = uci.parse(text, str(self.configuration))
        if method == "get":
            return [OK, {"values": {_key(each, at): _values(each, at) for at, each in enumerate(sections)}}]
        (section,) = [each for at, each in enumerate(sections) if _key(each, at) == arguments["section"]]
        values: Document = {each.name: None for each in section.entries if each.name in arguments.get("options", [])}
        _change(section, values | arguments.get("values", {}))
        self.configuration.write_text("\n".join(_lines(each) for each in sections))
        return [OK]

    def rpcd_reload(self) -> Document:
        """Do what procd does once a configuration is applied: the service's reload."""
        command = [str(Path(self.rpcd.environment["PATH"].split(":")[0]) / "edgeturn"), "reload"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        return {"said": done.stdout + done.stderr}


def granted(rights: tuple[str, ...]) -> dict[str, dict[str, list[str]]]:
    """Return what who has some rights on all groups is given, as by rpcd's login: scope, object, functions."""
    found: dict[str, dict[str, list[str]]] = {"ubus": {}, "uci": {}, "access-group": {}}
    for group, entry in json.loads(ACL.read_text()).items():
        for right in rights:
            if right not in entry:
                continue
            found["access-group"].setdefault(group, []).append(right)
            for scope, objects in entry[right].items():
                table = objects if isinstance(objects, dict) else {each: [right] for each in objects}
                for name, functions in table.items():
                    found[scope].setdefault(name, []).extend(functions)
    return found


def groups(entry: Document) -> list[str]:
    """Return the ACL groups that an entry of the menu depends on."""
    wanted: list[str] = entry.get("depends", {}).get("acl", [])
    return wanted


def _key(section: uci.Section, at: int) -> str:
    return section.name or f"cfg{at:06x}"


def _values(section: uci.Section, at: int) -> Document:
    values: Document = {".type": section.kind, ".name": _key(section, at), ".anonymous": not section.name}
    for entry in section.entries:
        if entry.is_list:
            values.setdefault(entry.name, []).append(entry.value)
        else:
            values[entry.name] = entry.value
    return values


def _change(section: uci.Section, values: Document) -> None:
    """Give a section other values; None takes one away. UCI's own writer keeps neither comments nor order either."""
    section.entries = [each for each in section.entries if each.name not in values]
    for name, value in values.items():
        listed = value if isinstance(value, list) else [] if value is None else [value]
        section.entries += [uci.Entry(0, isinstance(value, list), name, each) for each in listed]


def _lines(section: uci.Section) -> str:
    name = f" {uci.quote(section.name)}" if section.name else ""
    words = [
        f"\t{'list' if each.is_list else 'option'} {each.name} {uci.quote(each.value)}" for each in section.entries
    ]
    return "\n".join([f"config {section.kind}{name}", *words, ""])
