"""Remote links: ZeroMQ with CURVE keys, sequences, and a snapshot wherever something was lost.

```python
async with LinkServer("tcp://127.0.0.1:0", keys, lambda: known_keys(state)) as server:
    async with LinkClient(server.address, node_keys, keys.public) as client:
        await client.connected(2.0)
        client.send(b"hello")
        [letter] = await server.receive()
        server.send(letter.peer, b"welcome")
```
"""

from __future__ import annotations

from bus.link_client import LinkClient
from bus.link_config import LinkConfig, LinkCounts
from bus.link_sequence import Snapshot
from bus.link_server import Letter, LinkServer, Peer

__all__ = ["Letter", "LinkClient", "LinkConfig", "LinkCounts", "LinkServer", "Peer", "Snapshot"]
