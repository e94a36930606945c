"""playwright-core, which drives Chromium in the lab: one npm package without a browser, in the build folder."""

import json

from .steps import BUILD, run, say

FOLDER = BUILD / "node"
# The newest that runs on the Node.js 18 of Debian 12.
VERSION = "1.61.1"


def ensure() -> None:
    """Install playwright-core, unless this version is there."""
    if _installed() == VERSION:
        return
    say(f"installing playwright-core {VERSION} into {FOLDER.relative_to(BUILD.parent)}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    npm = ["npm", "install", "--prefix", str(FOLDER), "--no-audit", "--no-fund", "--loglevel=error"]
    run([*npm, f"playwright-core@{VERSION}"], "npm could not install playwright-core")


def _installed() -> str | None:
    try:
        version = json.loads((FOLDER / "node_modules" / "playwright-core" / "package.json").read_text())["version"]
    except FileNotFoundError:
        return None
    return str(version)
