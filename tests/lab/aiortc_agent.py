"""
A WebRTC end by aiortc, run as a program in a namespace and led over its standard input and output, in lines of JSON.

    agent prints   its offer, and reads the answer; or with --answers: reads the offer, and prints its answer
    agent prints   what it sent and received, after it has got as many messages as it sent
    agent reads    any document, and closes: what it has of the relay can be looked at until then

It ends by itself after DEADLINE seconds. aiortc passes over a URL that it does not know, and takes no IPv6 address.
"""

import argparse
import asyncio
import json
import sys
from typing import Any

from aiortc import RTCConfiguration, RTCDataChannel, RTCIceServer, RTCPeerConnection, RTCSessionDescription

DEADLINE = 40.0
Heard = asyncio.Queue[str]


def messages(name: str, count: int) -> list[str]:
    """Return messages that say whose they are; the longer ones take more than a packet."""
    return [f"{name} {number} ".ljust(20 + number * 31, ".") for number in range(count)]


async def read() -> Any:
    return json.loads(await asyncio.to_thread(sys.stdin.readline))


async def tell(document: dict[str, Any]) -> None:
    """Print a document while the loop goes on: it's more than a pipe holds, and the other end may lack packets yet."""
    await asyncio.to_thread(print, json.dumps(document), flush=True)


async def describe(end: RTCPeerConnection) -> None:
    """Print the offer or the answer, with all candidates."""
    await end.setLocalDescription()
    await tell({"type": end.localDescription.type, "sdp": end.localDescription.sdp})


async def learn(end: RTCPeerConnection) -> None:
    """Read what the other end printed."""
    await end.setRemoteDescription(RTCSessionDescription(**await read()))


async def offer(end: RTCPeerConnection, heard: Heard) -> RTCDataChannel:
    """Make a channel and return it when it's open."""
    channel = end.createDataChannel("talk")
    channel.on("message", heard.put_nowait)
    opened = asyncio.Event()
    channel.on("open", opened.set)
    await describe(end)
    await learn(end)
    await opened.wait()
    return channel


async def answer(end: RTCPeerConnection, heard: Heard) -> RTCDataChannel:
    """Return the channel that the other end made; it's listened to at once, since it keeps no message."""
    made: asyncio.Future[RTCDataChannel] = asyncio.get_running_loop().create_future()

    def take(channel: RTCDataChannel) -> None:
        channel.on("message", heard.put_nowait)
        made.set_result(channel)

    end.on("datachannel", take)
    await learn(end)
    await describe(end)
    return await made


async def converse(arguments: argparse.Namespace) -> None:
    by = RTCIceServer(arguments.url, arguments.user, arguments.password)
    end, heard = RTCPeerConnection(RTCConfiguration([by])), Heard()
    channel = await (answer if arguments.answers else offer)(end, heard)
    sent = messages(arguments.name, arguments.messages)
    for message in sent:
        channel.send(message)
    await tell({"sent": sent, "received": [await heard.get() for _ in sent]})
    await read()
    await end.close()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--messages", type=int, default=100)
    parser.add_argument("--answers", action="store_true")
    parser.add_argument("--url", required=True)
    parser.add_argument("--user")
    parser.add_argument("--password")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(asyncio.wait_for(converse(parse()), DEADLINE))
