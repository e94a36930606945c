"""A browser that does what a test says: browser.mjs, and what comes back from it."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.lab.programs import node_modules, program

_SCRIPT = Path(__file__).with_name("browser.mjs")
DESKTOP, PHONE = (1280, 800), (390, 844)


class Browser:
    """Chromium with one page at a time; a context manager that ends it."""

    def __enter__(self) -> "Browser":
        argv = [program("node"), str(_SCRIPT), str(node_modules()), program("chromium")]
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._process.communicate(timeout=60)
        finally:
            self._process.kill()
            self._process.wait()

    def open(self, url: str, size: tuple[int, int] = DESKTOP, dark: bool = False) -> None:
        """Open a page and wait until its view stands."""
        self._do("open", url=url, width=size[0], height=size[1], dark=dark)

    def click(self, selector: str) -> None:
        self._do("click", selector=selector)

    def fill(self, selector: str, value: str) -> None:
        self._do("fill", selector=selector, value=value)

    def choose(self, selector: str, value: str) -> None:
        self._do("choose", selector=selector, value=value)

    def wait(self, selector: str) -> None:
        """Wait until something can be seen."""
        self._do("wait", selector=selector)

    def text(self, selector: str = "#view") -> str:
        return str(self._do("text", selector=selector))

    def evaluate(self, script: str) -> Any:
        return self._do("evaluate", script=script)

    def shot(self, file: Path) -> None:
        """Take a picture of the whole page."""
        self._do("shot", file=str(file))

    def complaints(self) -> list[str]:
        """Return the errors and warnings of the console since this was asked last."""
        found: list[str] = self._do("complaints")
        return found

    def _do(self, method: str, **arguments: object) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"id": 0, "method": method, "arguments": arguments}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "error" not in answer, (method, arguments, answer["error"])
        return answer["value"]
