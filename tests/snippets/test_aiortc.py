"""The snippet for aiortc, pasted into a coroutine: it gathers a relay candidate from a real relay."""

import asyncio
import textwrap
from typing import Any

from edgeturn.relay.configuration import Configuration
from edgeturn.snippets import table
from edgeturn.snippets.snippet import Wishes, write
from tests.blackbox.relay import HOST

_PROGRAM = """
async def gather():
{}
    connection.createDataChannel("data")
    await connection.setLocalDescription(await connection.createOffer())
    offer = connection.localDescription.sdp
    await connection.close()
    return offer
"""


def test_it_relays(settings: Configuration) -> None:
    snippet = write(table.find("aiortc"), settings, Wishes(name=HOST))
    program: dict[str, Any] = {}
    exec(_PROGRAM.format(textwrap.indent(snippet.text, "    ")), program)
    offer = asyncio.run(asyncio.wait_for(program["gather"](), 30))
    assert f" {HOST} " in next(line for line in offer.splitlines() if "typ relay" in line)
