"""A storm of TLS and WSS connections at the edge, from a process of its own, so that it takes no time from the callers.

python -m quietline.testing.storm CA HOST TLS_PORT WSS_PORT TOTAL CLIENTS    # prints how many came through
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys

from quietline.testing.sip_wire import StreamPeer, WsPeer

SOURCE = "127.0.4.1"  # another address than the callers': what it is banned for is not theirs


async def storm(ca: str, host: str, ports: tuple[int, int], total: int, clients: int) -> int:
    """`clients` at once open and close connections, TLS and WSS (with its upgrade) in turn; how many were opened."""
    tls = ssl.create_default_context(cafile=ca)
    tls.check_hostname = False  # reached by address; the certificate is still verified
    counts = await asyncio.gather(*(_client(tls, host, ports, total // clients) for _ in range(clients)))
    return sum(counts)


async def _client(tls: ssl.SSLContext, host: str, ports: tuple[int, int], count: int) -> int:
    through = 0
    for number in range(count):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            peer = WsPeer() if number % 2 else StreamPeer()
            await peer.open(host, ports[number % 2], tls, SOURCE)
            through += 1
            await peer.close()
    return through


if __name__ == "__main__":
    ca, host, *numbers = sys.argv[1:]
    first, second, total, clients = map(int, numbers)
    sys.stdout.write(f"{asyncio.run(storm(ca, host, (first, second), total, clients))}\n")
