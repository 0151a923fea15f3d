from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import uvloop

from bus.frame import FrameKind, write_frame
from bus.keys import ensure_keys
from bus.link import Letter, LinkClient, LinkConfig, LinkServer, Peer, Snapshot
from domain.errors import ConfigError, ExitCode, SwarmError
from tests.bus.link_builders import LOOPBACK, client, linked, raw_dealer, server, until


def test_messages_go_both_ways_in_order_with_the_name_that_the_key_has(tmp_path: Path) -> None:
    async def scene() -> None:
        async with linked(tmp_path) as (listening, calling):
            sent = [b"%d" % number for number in range(500)]
            assert all(calling.send(message) for message in sent)
            letters: list[Letter] = []
            while len(letters) < 500:
                letters += await listening.receive()
            assert [letter.message for letter in letters] == sent
            [peer] = {letter.peer for letter in letters}
            assert peer.name == "tokyo-1"
            assert all(listening.send(peer, message) for message in sent)
            got: list[bytes] = []
            async for message in calling.messages():
                got.append(message)
                if len(got) == 500:
                    break
            assert got == sent
            assert (listening.counts.received, listening.counts.sent) == (500, 500)
            assert (calling.counts.received, calling.counts.sent, calling.counts.gaps) == (500, 500, 0)

    asyncio.run(scene())
    uvloop.run(scene())


def test_two_processes_with_one_key_are_two_peers(tmp_path: Path) -> None:
    async def scene() -> None:
        async with linked(tmp_path) as (listening, one), client(tmp_path, listening.address) as two:
            await two.connected(3.0)
            one.send(b"one")
            two.send(b"two")
            peers: dict[bytes, Peer] = {}
            while len(peers) < 2:
                peers |= {letter.message: letter.peer for letter in await listening.receive()}
            assert peers[b"one"].name == peers[b"two"].name
            assert peers[b"one"].session != peers[b"two"].session
            listening.send(peers[b"two"], b"for two")
            assert await two.receive() == [b"for two"]
            assert one.counts.received == 0

    asyncio.run(scene())


def test_a_port_in_use_is_one_line_that_names_it(tmp_path: Path) -> None:
    async def scene() -> None:
        async with server(tmp_path) as listening:
            port = listening.address.rpartition(":")[2]
            with pytest.raises(SwarmError, match=f"port {port} is in use") as caught:
                async with server(tmp_path, listening.address):
                    pytest.fail("two cannot listen")
            assert caught.value.code is ExitCode.PORT_IN_USE
            assert "--listen" in caught.value.mend

    asyncio.run(scene())


@pytest.mark.parametrize("address", ["nonsense", "tcp://127.0.0.1:99999999", "tcp://203.0.113.9:1"])
def test_an_address_that_is_none_is_a_config_error(tmp_path: Path, address: str) -> None:
    async def listen() -> None:
        async with server(tmp_path, address):
            pytest.fail("nobody can listen there")

    async def call() -> None:
        async with client(tmp_path, "nonsense"):
            pytest.fail("nobody can call that")

    for scene in (listen, call):
        with pytest.raises(ConfigError):
            asyncio.run(scene())


def test_nobody_there_is_a_time_out_that_may_be_retried(tmp_path: Path) -> None:
    async def scene() -> None:
        async with server(tmp_path) as listening:
            address = listening.address
        async with client(tmp_path, address) as calling:
            with pytest.raises(SwarmError, match=r"no answer within 0\.2 s") as caught:
                await calling.connected(0.2)
            assert (caught.value.code, caught.value.retryable) == (ExitCode.TIMED_OUT, True)
            assert not calling.send(b"into the void")
            assert calling.counts.dropped == 1

    asyncio.run(scene())


def test_what_was_sent_without_a_connection_comes_as_a_snapshot(tmp_path: Path) -> None:
    async def scene() -> None:
        async with (
            server(tmp_path) as listening,
            client(tmp_path, listening.address, snapshot=lambda: b"state") as calling,
        ):
            assert not calling.send(b"too early")
            await calling.connected(3.0)
            [letter] = await listening.receive()
            assert isinstance(letter.message, Snapshot) and letter.message == b"state"
            calling.send(b"next")
            assert [item.message for item in await listening.receive()] == [b"next"]

    asyncio.run(scene())


def test_a_full_queue_says_so_and_the_receiver_gets_a_snapshot(tmp_path: Path) -> None:
    async def scene() -> None:
        async with linked(tmp_path, send_queue_max=10) as (listening, calling):
            calling.send(b"hello")
            [letter] = await listening.receive()
            answers = [listening.send(letter.peer, b"%d" % number) for number in range(15)]
            assert answers == [True] * 10 + [False] * 5
            assert listening.counts.dropped == 5
            [state] = await calling.receive()
            assert isinstance(state, Snapshot) and state == b"all of it"
            assert (calling.counts.gaps, calling.counts.snapshots_received) == (1, 1)
            listening.send(letter.peer, b"after")
            assert await calling.receive() == [b"after"]

    asyncio.run(scene())


def test_a_reader_that_stops_makes_the_sender_drop_within_bounds(tmp_path: Path) -> None:
    async def scene() -> None:
        bounds: dict[str, Any] = {"frames_max": 2, "receive_queue_max": 8, "send_queue_max": 8}
        async with linked(tmp_path, batch_bytes=1024, **bounds) as (listening, calling):
            big, sent = b"x" * 200_000, 0
            while calling.send(big):
                sent += 1
                await asyncio.sleep(0.002)
                assert sent < 400, "the sender is never told"
            read = 0
            while read < sent:
                read += len(await listening.receive())
                if listening.counts.snapshots_received:
                    break
            assert read <= sent + 1
            calling.send(b"again")
            async with asyncio.timeout(5):
                while [item.message for item in await listening.receive()][-1:] != [b"again"]:
                    calling.send(b"again")

    asyncio.run(scene())


def test_a_restarted_server_is_found_again_and_speaks_a_new_session(tmp_path: Path) -> None:
    async def scene() -> None:
        async with (
            server(tmp_path) as first,
            client(tmp_path, first.address, snapshot=lambda: b"node state") as calling,
        ):
            await calling.connected(3.0)
            calling.send(b"hello")
            [letter] = await first.receive()
            first.send(letter.peer, b"from the first")
            assert await calling.receive() == [b"from the first"]
            await first.__aexit__()
            await until(lambda: not calling.up)
            assert not calling.send(b"lost")
            async with server(tmp_path, first.address) as second:
                await calling.connected(5.0)
                [state] = await second.receive()
                assert isinstance(state.message, Snapshot) and state.message == b"node state"
                second.send(state.peer, b"from the second")
                got = await calling.receive()
                assert [isinstance(message, Snapshot) for message in got] == [True]
                calling.send(b"more")
                assert [item.message for item in await second.receive()] == [b"more"]

    asyncio.run(scene())


def test_a_restarted_client_starts_its_sequences_anew(tmp_path: Path) -> None:
    async def scene() -> None:
        async with server(tmp_path) as listening:
            for _ in range(3):
                async with client(tmp_path, listening.address) as calling:
                    await calling.connected(3.0)
                    calling.send(b"hello")
                    [letter] = await listening.receive()
                    assert not isinstance(letter.message, Snapshot)
                    listening.send(letter.peer, b"welcome")
                    assert await calling.receive() == [b"welcome"]
            assert listening.counts.gaps == 0

    asyncio.run(scene())


def test_malformed_frames_are_counted_and_dropped(tmp_path: Path) -> None:
    async def scene() -> None:
        async with linked(tmp_path) as (listening, calling):
            keys = ensure_keys(tmp_path, "tokyo-1")
            public = ensure_keys(tmp_path, "coordinator").public
            async with raw_dealer(keys, public, listening.address) as rogue:
                for parts in ([b"junk"], [b""], [b"a", b"b"], [write_frame(9, 1, 1, [])]):
                    rogue.send_multipart(parts)
                await until(lambda: listening.counts.malformed == 4)
                rogue.send(write_frame(FrameKind.DATA, 77, 1, [b"well said"]))
                assert [item.message for item in await listening.receive()] == [b"well said"]
            calling.send(b"still here")
            assert [item.message for item in await listening.receive()] == [b"still here"]

    asyncio.run(scene())


def test_an_oversized_message_costs_its_sender_the_connection(tmp_path: Path) -> None:
    async def scene() -> None:
        async with linked(tmp_path, message_bytes_max=2048, batch_bytes=2048) as (listening, calling):
            keys, public = ensure_keys(tmp_path, "x-1"), ensure_keys(tmp_path, "coordinator").public
            async with raw_dealer(keys, public, listening.address) as rogue:
                rogue.send(write_frame(FrameKind.DATA, 5, 1, [b"x" * 50_000]))
                calling.send(b"small")
                [letter] = await listening.receive()
                assert letter.message == b"small"
            with pytest.raises(AssertionError):
                calling.send(b"x" * 2049)

    asyncio.run(scene())


def test_sessions_without_end_are_bounded(tmp_path: Path) -> None:
    async def scene() -> None:
        async with server(tmp_path, peers_max=3) as listening:
            keys, public = ensure_keys(tmp_path, "x-1"), ensure_keys(tmp_path, "coordinator").public
            async with raw_dealer(keys, public, listening.address) as rogue:
                for session in range(1, 11):
                    rogue.send(write_frame(FrameKind.DATA, session, 1, [b"m"]))
                peers: list[Peer] = []
                while len(peers) < 10:
                    peers += [letter.peer for letter in await listening.receive()]
            known = [listening.send(peer, b"answer") for peer in peers]
            assert known == [False] * 7 + [True] * 3

    asyncio.run(scene())


def test_what_is_sent_to_a_peer_that_is_gone_is_dropped_and_counted(tmp_path: Path) -> None:
    async def scene() -> None:
        async with server(tmp_path) as listening:
            async with client(tmp_path, listening.address) as calling:
                await calling.connected(3.0)
                calling.send(b"hello")
                [letter] = await listening.receive()

            def noticed() -> bool:
                assert listening.send(letter.peer, b"anybody?")
                return listening.counts.dropped > 0

            await until(noticed)
            async with client(tmp_path, listening.address) as calling:
                await calling.connected(3.0)
                calling.send(b"back")
                assert [item.message for item in await listening.receive()] == [b"back"]

    asyncio.run(scene())


def test_a_peer_that_does_not_read_fills_only_its_own_queue(tmp_path: Path) -> None:
    async def scene() -> None:
        bounds: dict[str, Any] = {"frames_max": 2, "send_queue_max": 8, "batch_bytes": 1024}
        async with server(tmp_path, **bounds) as listening, client(tmp_path, listening.address) as fast:
            keys, public = ensure_keys(tmp_path, "slow-1"), ensure_keys(tmp_path, "coordinator").public
            async with raw_dealer(keys, public, listening.address) as slow:
                slow.send(write_frame(FrameKind.DATA, 5, 1, [b"I never read"]))
                [letter] = await listening.receive()
                big = b"x" * 200_000
                async with asyncio.timeout(10):
                    while listening.send(letter.peer, big):
                        await asyncio.sleep(0.001)
                await fast.connected(3.0)
                fast.send(b"hello")
                [hello] = await listening.receive()
                assert listening.send(hello.peer, b"welcome")
                assert await fast.receive() == [b"welcome"]
                assert listening.counts.dropped == 1

    asyncio.run(scene())


def test_a_lost_tail_is_noticed_by_the_next_beacon(tmp_path: Path) -> None:
    async def scene() -> None:
        async with linked(tmp_path, beacon_s=0.05) as (listening, calling):
            calling.send(b"hello")
            [letter] = await listening.receive()
            calling._outgoing.skip(1)
            async with asyncio.timeout(2):
                [tail] = await listening.receive()
            assert isinstance(tail.message, Snapshot)
            assert letter.peer == tail.peer

    asyncio.run(scene())


def test_a_closed_link_ends_its_readers(tmp_path: Path) -> None:
    async def scene() -> None:
        async with linked(tmp_path) as (listening, calling):
            async with asyncio.TaskGroup() as group:
                reading = [group.create_task(listening.receive()), group.create_task(calling.receive())]
                await asyncio.sleep(0)
                await calling.__aexit__()
                await listening.__aexit__()
            assert [task.result() for task in reading] == [[], []]
            assert [item async for item in listening.messages()] == []

    asyncio.run(scene())


def test_without_keys_a_link_is_open_to_all_for_measurements() -> None:
    async def scene() -> None:
        async with (
            LinkServer(LOOPBACK, None, dict) as listening,
            LinkClient(listening.address, None, None, config=LinkConfig()) as calling,
        ):
            await calling.connected(3.0)
            calling.send(b"hello")
            [letter] = await listening.receive()
            assert letter.peer.name == "anyone"

    asyncio.run(scene())
