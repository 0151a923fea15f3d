from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from bus.keys import ensure_keys, known_keys
from bus.link import LinkClient
from domain.errors import ExitCode, SwarmError
from hw.clock import monotonic_ns
from tests.bus.link_builders import client, server, until


def test_a_stranger_learns_quickly_that_its_key_is_not_known(tmp_path: Path) -> None:
    async def scene() -> None:
        async with server(tmp_path / "ours") as listening:
            stranger = ensure_keys(tmp_path / "theirs", "tokyo-1")
            public = ensure_keys(tmp_path / "ours", "coordinator").public
            async with LinkClient(listening.address, stranger, public) as calling:
                began_ns = monotonic_ns()
                with pytest.raises(SwarmError, match="not known") as caught:
                    await calling.connected(5.0)
                assert caught.value.code is ExitCode.WRONG_KEY
                assert monotonic_ns() - began_ns < 2e9
                assert not calling.send(b"let me in")
                with pytest.raises(SwarmError, match="not known"):
                    await calling.receive()
                assert listening.refused >= 1
                assert listening.counts.received == 0

    asyncio.run(scene())


def test_a_wrong_server_key_is_told_within_two_seconds(tmp_path: Path) -> None:
    async def scene() -> None:
        async with server(tmp_path) as listening:
            keys, other = ensure_keys(tmp_path, "tokyo-1"), ensure_keys(tmp_path / "other", "coordinator")
            async with LinkClient(listening.address, keys, other.public) as calling:
                began_ns = monotonic_ns()
                with pytest.raises(SwarmError, match="another key") as caught:
                    await calling.connected(5.0)
                assert caught.value.code is ExitCode.WRONG_KEY
                assert monotonic_ns() - began_ns < 2e9
                with pytest.raises(SwarmError, match="another key"):
                    await anext(calling.messages())

    asyncio.run(scene())


def test_a_peer_without_any_key_gets_nowhere(tmp_path: Path) -> None:
    async def scene() -> None:
        async with server(tmp_path) as listening, LinkClient(listening.address, None, None) as calling:
            with pytest.raises(SwarmError):
                await calling.connected(1.0)
            assert listening.counts.connects == 0

    asyncio.run(scene())


def test_a_key_copied_in_later_is_let_in_without_a_restart(tmp_path: Path) -> None:
    async def scene() -> None:
        async with server(tmp_path) as listening, client(tmp_path, listening.address, "late-1") as calling:
            await calling.connected(3.0)
            calling.send(b"here")
            [letter] = await listening.receive()
            assert letter.peer.name == "late-1"

    asyncio.run(scene())


def test_a_peer_that_hangs_is_not_taken_for_one_with_another_key(tmp_path: Path) -> None:
    async def scene() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
            async with client(tmp_path, address, handshake_timeout_s=0.1) as calling:
                await until(lambda: calling.counts.handshakes_failed >= 4)
                with pytest.raises(SwarmError) as caught:
                    await calling.connected(0.1)
                assert caught.value.code is ExitCode.TIMED_OUT

    asyncio.run(scene())


def test_a_removed_key_stays_out_at_its_next_connect(tmp_path: Path) -> None:
    async def scene() -> None:
        async with server(tmp_path) as listening:
            public = ensure_keys(tmp_path, "coordinator").public
            keys = ensure_keys(tmp_path, "tokyo-1")
            (tmp_path / "keys" / "tokyo-1.pub").unlink()
            assert keys.public not in known_keys(tmp_path)
            async with LinkClient(listening.address, keys, public) as calling:
                with pytest.raises(SwarmError, match="not known"):
                    await calling.connected(3.0)

    asyncio.run(scene())
