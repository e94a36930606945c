"""
An ICE agent by aioice, run as a program in a namespace and led over its standard input and output, in lines of JSON.

    agent prints   its user name, password and candidates
    agent reads    the other agent's
    agent prints   what it sent and received, after it has sent its messages and got as many

It ends by itself after DEADLINE seconds. With --server it offers relayed candidates only, else host candidates.
"""

import argparse
import asyncio
import json
import sys

import aioice

DEADLINE = 20.0


def messages(name: str, count: int) -> list[str]:
    """Return messages that say whose they are; the sizes differ, so that padding is met."""
    return [f"{name} {number} ".ljust(20 + number * 11, ".") for number in range(count)]


def connection(arguments: argparse.Namespace) -> aioice.Connection:
    """Return an agent that has nothing but the candidates it is allowed."""
    if arguments.server is None:
        return aioice.Connection(ice_controlling=arguments.controlling, use_ipv6=False)
    return aioice.Connection(
        ice_controlling=arguments.controlling,
        turn_server=(arguments.server, arguments.port),
        turn_username=arguments.user,
        turn_password=arguments.password,
        turn_ssl=arguments.tls,
        turn_transport=arguments.transport,
        transport_policy=aioice.TransportPolicy.RELAY,
    )


def describe(agent: aioice.Connection) -> None:
    """Print what the other agent has to know."""
    candidates = [candidate.to_sdp() for candidate in agent.local_candidates]
    known = {"username": agent.local_username, "password": agent.local_password, "candidates": candidates}
    print(json.dumps(known), flush=True)


async def learn(agent: aioice.Connection) -> None:
    """Read what the other agent printed."""
    line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    other = json.loads(line)
    agent.remote_username, agent.remote_password = other["username"], other["password"]
    for candidate in other["candidates"]:
        await agent.add_remote_candidate(aioice.Candidate.from_sdp(candidate))
    await agent.add_remote_candidate(None)


async def send(agent: aioice.Connection, sent: list[str]) -> None:
    for message in sent:
        await agent.send(message.encode())
        await asyncio.sleep(0.005)


async def receive(agent: aioice.Connection, count: int) -> list[str]:
    return [(await agent.recv()).decode() for _ in range(count)]


async def converse(arguments: argparse.Namespace) -> None:
    agent = connection(arguments)
    await agent.gather_candidates()
    describe(agent)
    await learn(agent)
    await agent.connect()
    sent = messages(arguments.name, arguments.messages)
    _, received = await asyncio.gather(send(agent, sent), receive(agent, arguments.messages))
    print(json.dumps({"sent": sent, "received": received}), flush=True)
    await agent.close()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--messages", type=int, default=100)
    parser.add_argument("--controlling", action="store_true")
    parser.add_argument("--server")
    parser.add_argument("--port", type=int)
    parser.add_argument("--transport", default="udp")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--user")
    parser.add_argument("--password")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(asyncio.wait_for(converse(parse()), DEADLINE))
