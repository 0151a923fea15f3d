from __future__ import annotations

import asyncio

import pytest
import zmq
from zmq.utils import z85

from bus.zap import DOMAIN, ENDPOINT, KeyDoor

PUBLIC = b"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"


def request(**changed: bytes) -> list[bytes]:
    fields = {"version": b"1.0", "id": b"7", "domain": DOMAIN.encode(), "address": b"127.0.0.1"}
    fields |= {"identity": b"", "mechanism": b"CURVE", "key": z85.decode(PUBLIC)}
    return list((fields | changed).values())


def answer(parts: list[bytes]) -> tuple[list[bytes], int]:
    async def scene() -> tuple[list[bytes], int]:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        door = KeyDoor(context, lambda: {PUBLIC: "tokyo-1"})
        asking = context.socket(zmq.REQ)
        asking.connect(ENDPOINT)
        asking.send_multipart(parts)
        async with asyncio.timeout(5):
            while not asking.poll(0):
                await asyncio.sleep(0.001)
        reply = asking.recv_multipart()
        door.close()
        context.destroy(linger=0)
        return reply, door.refused

    return asyncio.run(scene())


def test_a_known_key_is_let_in_under_its_name() -> None:
    assert answer(request()) == ([b"1.0", b"7", b"200", b"OK", b"tokyo-1", b""], 0)


@pytest.mark.parametrize(
    "parts",
    [
        request(key=b"\1" * 32),
        request(key=b"short"),
        request(mechanism=b"PLAIN"),
        request(mechanism=b"NULL"),
        request(domain=b"elsewhere"),
        request(version=b"2.0"),
        request()[:-1],
        [b"1.0"],
    ],
)
def test_everything_else_stays_out(parts: list[bytes]) -> None:
    reply, refused = answer(parts)
    assert reply[2:] == [b"400", b"unknown key", b"", b""]
    assert refused == 1
