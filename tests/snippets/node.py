"""Node.js, started once: what dotenv reads of a file, and what a page's script gives to RTCPeerConnection."""

import atexit
import functools
import json
import subprocess
from pathlib import Path
from typing import Any

_DOTENV = Path(__file__).resolve().parents[2] / ".build" / "node" / "node_modules" / "dotenv"
_LOOP = """
const readers = {
  dotenv: (text) => require(process.argv[1]).parse(text),
  script: (text) => {
    let found;
    class RTCPeerConnection { constructor(given) { found = given; } }
    new Function("RTCPeerConnection", '"use strict";\\n' + text)(RTCPeerConnection);
    return found;
  },
};
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const [kind, text] = JSON.parse(line);
  let answer;
  try { answer = readers[kind](text); } catch (error) { answer = String(error); }
  process.stdout.write(JSON.stringify(answer) + "\\n");
});
"""


def dotenv(text: str) -> dict[str, str]:
    """Return the variables of a .env file."""
    return _ask("dotenv", text)


def script(text: str) -> dict[str, Any]:
    """Return what a script makes a connection with."""
    return _ask("script", text)


def _ask(kind: str, text: str) -> dict[str, Any]:
    process = _process()
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(json.dumps([kind, text]) + "\n")
    process.stdin.flush()
    answer = json.loads(process.stdout.readline())
    assert isinstance(answer, dict), answer
    return answer


@functools.cache
def _process() -> "subprocess.Popen[str]":
    words = ["node", "-e", _LOOP, str(_DOTENV)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(process.kill)
    return process
