"""
A call between two connections of one page in Firefox, led by WebDriver BiDi, and what about:webrtc copies of it.

    python -m tools.dumps.firefox '{"iceServers": [...], "policy": "all", "seconds": 12, "out": FILE}'

Rule 1: what is written is what the button "Copy" of about:webrtc puts into the clipboard.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import aiohttp

_PORT = 9222
_PREFERENCES = {
    "media.navigator.permission.disabled": True,
    "media.navigator.streams.fake": True,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.update.enabled": False,
    "network.captive-portal-service.enabled": False,
}
_CALL = """
async (order) => {
  const { iceServers, policy, seconds, camera, loses, stops } = order;
  const make = () => new RTCPeerConnection({ iceServers, iceTransportPolicy: policy });
  const [alice, bob] = [make(), make()];
  globalThis.kept = [alice, bob];
  const give = (from, to, lost) => {
    from.onicecandidate = ({ candidate }) => { if (!lost) to.addIceCandidate(candidate).catch(() => {}); };
  };
  give(alice, bob, loses); give(bob, alice, loses);
  if (camera) {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    for (const track of stream.getTracks()) { alice.addTrack(track, stream); bob.addTrack(track, stream); }
  } else alice.createDataChannel("data");
  await alice.setLocalDescription(await alice.createOffer());
  await bob.setRemoteDescription(alice.localDescription);
  await bob.setLocalDescription(await bob.createAnswer());
  if (!stops) await alice.setRemoteDescription(bob.localDescription);
  const deadline = Date.now() + seconds * 1000;
  const over = () => [alice, bob].every(({ iceConnectionState }) => iceConnectionState === "failed");
  while (!over() && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 200));
  return JSON.stringify([alice, bob].map((side) => [side.iceConnectionState, side.iceGatheringState]));
}
"""


_OPEN = "() => { for (const each of document.querySelectorAll('.fold-trigger')) each.click(); }"
_TEXT = "() => document.body.innerText"
_COPY = """
async () => {
  const copied = [];
  navigator.clipboard.writeText = async (text) => { copied.push(text); };
  for (const each of document.querySelectorAll("button[id^=copytextbutton]")) each.click();
  const deadline = Date.now() + 5000;
  while (copied.length < 2 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50));
  return JSON.stringify(copied);
}
"""


class Browser:
    """A session of WebDriver BiDi."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Begin to count commands."""
        self._socket = socket
        self._number = 0

    async def do(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Do a command and return what it gives."""
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            said = await self._socket.receive_json(timeout=90)
            if said.get("id") == self._number:
                if said["type"] == "error":
                    raise RuntimeError(f"{method}: {said['message']}")
                return dict(said["result"])

    async def run(self, context: str, function: str, *arguments: object) -> Any:
        """Call a function of a page with JSON and return its text."""
        given = ", ".join(json.dumps(each) for each in arguments)
        done = await self.do(
            "script.evaluate", expression=f"({function})({given})", target={"context": context}, awaitPromise=True,
        )  # fmt: skip
        if done["type"] != "success":
            raise RuntimeError(str(done["exceptionDetails"]["text"]))
        return done["result"].get("value")


async def _call(order: dict[str, Any]) -> None:
    async with aiohttp.ClientSession() as session:
        browser = Browser(await _reached(session))
        await browser.do("session.new", capabilities={})
        page = (await browser.do("browsingContext.create", type="tab"))["context"]
        print(await browser.run(page, _CALL, order))
        about = (await browser.do("browsingContext.create", type="tab"))["context"]
        await browser.do("browsingContext.navigate", context=about, url="about:webrtc", wait="complete")
        while "PeerConnection" not in (text := await browser.run(about, _TEXT)):
            await asyncio.sleep(0.1)
        await browser.run(about, _OPEN)
        while "Raw Local Candidate" not in (text := await browser.run(about, _TEXT)):
            await asyncio.sleep(0.1)
        Path(order["out"] + ".txt").write_text(_without_preferences(text))
        for number, copied in enumerate(json.loads(await browser.run(about, _COPY)), 1):
            Path(f"{order['out']}.{number}.json").write_text(copied + "\n")


def _without_preferences(text: str) -> str:
    """Return the page without the log's beginning and the preferences, which are the same in every dump."""
    lines = [line for line in text.split("Media Context")[0].splitlines() if not line.startswith("insert '")]
    return "\n".join(line for line in lines if line.strip()) + "\n"


async def _reached(session: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
    for _ in range(150):
        try:
            return await session.ws_connect(f"ws://127.0.0.1:{_PORT}/session", max_msg_size=0)
        except aiohttp.ClientError:
            await asyncio.sleep(0.2)
    raise RuntimeError("Firefox doesn't open its port")


def main() -> None:
    """Make the call that is ordered."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in _PREFERENCES.items())
        Path(profile, "user.js").write_text("".join(lines))
        flags = ["--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", str(_PORT)]
        browser = subprocess.Popen(
            ["firefox-esr", *flags, "--remote-allow-system-access"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            asyncio.run(asyncio.wait_for(_call(json.loads(sys.argv[1])), 120))
        finally:
            browser.terminate()
            browser.wait()


if __name__ == "__main__":
    main()
