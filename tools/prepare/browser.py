"""The npm packages of the tests, in the build folder, none of which brings a browser.

playwright-core drives Chromium; uqr is what LuCI has for QR codes, and its stand-in too. twilio asks for
iceServers as applications do. dotenv reads .env files as MiroTalk does.
"""

import json

from .steps import BUILD, run, say

FOLDER = BUILD / "node"
PACKAGES = (
    ("playwright-core", "1.61.1"),  # the newest that runs on the Node.js 18 of Debian 12
    ("dotenv", "17.2.3"),
    ("uqr", "0.1.3"),
    ("twilio", "5.13.1"),  # the newest for that Node.js
)


def ensure() -> None:
    """Install what isn't there in the right version."""
    missing = [f"{name}@{version}" for name, version in PACKAGES if _installed(name) != version]
    if not missing:
        return
    say(f"installing {', '.join(missing)} into {FOLDER.relative_to(BUILD.parent)}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    npm = ["npm", "install", "--prefix", str(FOLDER), "--no-audit", "--no-fund", "--loglevel=error"]
    run([*npm, *missing], f"npm could not install {', '.join(missing)}")


def _installed(name: str) -> str | None:
    try:
        version = json.loads((FOLDER / "node_modules" / name / "package.json").read_text())["version"]
    except FileNotFoundError:
        return None
    return str(version)
