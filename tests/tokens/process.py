"""`edgeturn tokens` as a process of its own, with a configuration that is no relay's but has the same secret."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from edgeturn.tokens.keys import token_hash
from tests.blackbox.relay import DEADLINE, HOST, REALM, ROOT, SECRET, free_port, until

ID = "0123456789abcdef0123456789abcdef"
SID = f"AC{ID}"
KEY = "00112233445566778899aabbccddeeff"


def section(name: str = "shop", number: str = ID, key: str = KEY, *lines: str) -> str:
    """Return an api_key of a configuration."""
    rows = (f"config api_key '{name}'", f"option id '{number}'", f"option token_sha256 '{token_hash(key)}'", *lines)
    return "\n".join(rows) + "\n"


def configuration(*more: str, relay: Sequence[str] = ()) -> str:
    """Return a configuration; more: sections behind the relay's."""
    lines = ("config relay 'main'", f"option realm '{REALM}'", f"list secret '{SECRET}'", *relay)
    return "\n".join(lines) + "\n" + "".join(more)


class Tokens:
    """The process; a context manager that ends it and looks for traces of errors."""

    def __init__(self, folder: Path, text: str, *words: str) -> None:
        self.file = folder / "tokens.conf"
        self.file.write_text(text)
        self.port = free_port()
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "edgeturn",
                "tokens",
                "-c",
                str(self.file),
                "--listen",
                f"{HOST}:{self.port}",
                *words,
            ],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Tokens":
        try:
            until(lambda: self.log("ready at") or self._process.poll() is not None, "the line that says ready")
        except BaseException:
            self._process.kill()
            self._process.wait(DEADLINE)
            raise
        assert self._process.poll() is None, self.lines
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        assert self._process.wait(DEADLINE) == 0, self.lines
        self._reader.join(DEADLINE)
        assert not self.log("Traceback"), "\n".join(self.lines)

    def reload(self, text: str) -> None:
        """Give it another file and have it read that."""
        before = len(self._judged())
        self.file.write_text(text)
        self._process.send_signal(signal.SIGHUP)
        until(lambda: len(self._judged()) > before, "a line about the reload")

    def _judged(self) -> list[str]:
        return self.log("reloaded:") + self.log("nothing was changed:")

    def log(self, *words: str) -> list[str]:
        """Return the log lines with all of some words in them."""
        return [line for line in self.lines if all(word in line for word in words)]

    def logged(self, *words: str) -> str:
        """Wait for a log line with all of some words in it; return it."""
        return until(lambda: self.log(*words), f"a log line with {words}, in {self.lines}")[0]

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.lines.append(line.rstrip("\n"))
