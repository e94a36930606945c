"""A page under test: a relay, `edgeturn web` beside it, and HTTP as a client writes it by hand."""

import http.client
import json
import re
import ssl
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.blackbox.relay import DEADLINE, ROOT, Relay, free_port, until

TOKEN = "a-token-of-the-tests-0123456789"
HOST = "127.0.0.1"
TOOL = [sys.executable, "-m", "edgeturn"]


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Page:
    """`edgeturn web` as a process; a context manager that ends it and looks at how it ended."""

    relay: Relay
    tls: ssl.SSLContext | None = None
    token: str = TOKEN

    def __enter__(self) -> "Page":
        self.port = free_port()
        self.relay.configure(web_listen=[f"{HOST}:{self.port}"], web_token=self.token)
        self.log = self.relay.folder / "web.log"
        with self.log.open("w") as log:
            argv = [*TOOL, "web", "-c", str(self.relay.file)]
            self.process = subprocess.Popen(argv, cwd=ROOT, stdout=log, stderr=log)
        try:
            self.wait()
        except BaseException:
            self.process.kill()
            self.process.wait(DEADLINE)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        code = self.process.wait(DEADLINE)
        assert code == 0, self.log.read_text()
        assert "Traceback" not in self.log.read_text(), self.log.read_text()

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://{HOST}:{self.port}/"

    def wait(self) -> None:
        """Wait until it answers."""
        until(self._answers, "the page answers")

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.get("/").status == 200
        except OSError:
            return False

    def get(self, path: str, source: str = HOST, **headers: str) -> Answer:
        return self.ask("GET", path, None, source, **headers)

    def post(self, path: str, body: object = None, source: str = HOST, **headers: str) -> Answer:
        text = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
        return self.ask("POST", path, text, source, **{"Content-Type": "application/json"} | headers)

    def ask(self, method: str, path: str, body: bytes | None, source: str, **headers: str) -> Answer:
        """Ask once, from an address of the loopback network; headers: underscores stand for dashes."""
        connection = _connection(self.port, source, self.tls)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def becomes(self, status: int, ask: Callable[[], Answer]) -> None:
        """Wait for a status, while one process gives way to the next, and may end a connection."""

        def asked() -> bool:
            try:
                return ask().status == status
            except OSError:
                return False

        until(asked, f"an answer {status}")

    def log_in(self, **proof: str) -> dict[str, str]:
        """Log in and return the headers that later requests have."""
        answer = self.post("/api/login", proof or {"token": self.token})
        assert answer.status == 200, answer
        return {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}

    def bearer(self) -> dict[str, str]:
        """Return the header of a program that has the token."""
        return {"Authorization": f"Bearer {self.token}"}

    def call(self, method: str, **arguments: object) -> Any:
        """Call a method as somebody who is logged in."""
        answer = self.post(f"/api/call/{method}", arguments, **self.bearer())
        assert answer.status == 200, answer
        return answer.json

    def child(self) -> int:
        """Return the process that speaks HTTP."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return int(until(lambda: children.read_text().split(), "a child")[0])


def _connection(port: int, source: str, tls: ssl.SSLContext | None) -> http.client.HTTPConnection:
    if tls is None:
        return http.client.HTTPConnection(HOST, port, timeout=DEADLINE, source_address=(source, 0))
    return http.client.HTTPSConnection(HOST, port, timeout=DEADLINE, source_address=(source, 0), context=tls)


def tool(*words: str, file: Path) -> subprocess.CompletedProcess[str]:
    """Run the tool on a configuration."""
    return subprocess.run([*TOOL, *words, "-c", str(file)], cwd=ROOT, capture_output=True, text=True, timeout=60)


def processes(words: str) -> list[int]:
    """Return the processes whose command line matches."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = each.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if re.search(words, line):
            found.append(int(each.parent.name))
    return found


def is_alive(process: int) -> bool:
    """Say whether a process is there and no zombie."""
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
