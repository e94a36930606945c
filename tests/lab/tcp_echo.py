"""A peer over TCP that sends back what it gets: `tcp_echo.py PORT ADDRESS…`."""

import asyncio
import sys


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back until the other side ends."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()


async def main(port: int, addresses: list[str]) -> None:
    """Listen for ever."""
    server = await asyncio.start_server(echo, addresses, port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2:]))
