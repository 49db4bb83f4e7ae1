"""Talks to the echo service over a WebSocket; fails unless every message comes back."""
import asyncio
import sys

import websockets


async def main():
    async with websockets.connect(sys.argv[1]) as socket:
        for message in ["hello", b"\x00\x01bytes", "x" * 100_000]:
            await socket.send(message)
            answer = await asyncio.wait_for(socket.recv(), 10)
            assert answer == message, answer


asyncio.run(main())
