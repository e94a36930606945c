"""
Lists of candidates by aioice: of a side that has IPv4 only, and of one that has IPv6 only, by the relay of the lab.

    python -m tools.dumps.agents         writes both
    python -m tools.dumps.agents 4 HOST  gathers, in a namespace
"""

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path

import aioice

from tests.lab.network import Network
from tests.lab.programs import ROOT
from tests.lab.relay import PASSWORD, PORT, USER, running, server

OUT = ROOT / "tests" / "diagnose" / "dumps"


async def gather(family: int, host: str) -> None:
    """Print the candidates of one family as lines of SDP."""
    agent = aioice.Connection(
        ice_controlling=True, use_ipv4=family == 4, use_ipv6=family == 6,
        stun_server=(host, PORT), turn_server=(host, PORT), turn_username=USER, turn_password=PASSWORD,
    )  # fmt: skip
    await agent.gather_candidates()
    for candidate in agent.local_candidates:
        if candidate.type != "relay" or family == 4:
            print(f"a=candidate:{candidate.to_sdp()}")
    print("a=end-of-candidates")
    await agent.close()


def main() -> None:
    """Write the lists."""
    with tempfile.TemporaryDirectory() as folder, Network() as network:
        options: dict[str, str | list[str]] = {"relay_address": ["198.51.100.1"]}
        with running([sys.executable], network.router, Path(folder), options):
            for family in (4, 6):
                argv = [sys.executable, "-m", "tools.dumps.agents", str(family), server(family)]
                done = subprocess.run(
                    network.client1.namespace.command(argv), capture_output=True, text=True, check=True, timeout=60
                )
                (OUT / f"only-ipv{family}.candidates").write_text(done.stdout)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(gather(int(sys.argv[1]), sys.argv[2]))
    else:
        main()
