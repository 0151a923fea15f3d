from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bus.codec import STEERING
from bus.journal import Journal
from bus.keys import ensure_keys
from bus.link import LinkClient, LinkConfig
from coordinator.config import CoordinatorConfig
from coordinator.facts import EpochGranted, read_fact, read_state, write_fact
from coordinator.operator import Operator
from coordinator.shell import CoordinatorShell, recovered, role_of
from coordinator.steps import Role
from coordinator.words import status_text
from domain.errors import ExitCode, JournalBroken, SwarmError
from domain.report import ModelsReport
from domain.steering import Grant, MemberStatus, Refusal, Steering, SwarmStatus
from tests.coordinator.builders import agent, heartbeat, leave, report


@asynccontextmanager
async def running(state: Path, **config: Any) -> AsyncIterator[tuple[CoordinatorShell, str]]:
    shell = CoordinatorShell(CoordinatorConfig(**config), state, "tcp://127.0.0.1:0")
    stop, ready = asyncio.Event(), asyncio.Queue[str]()
    async with asyncio.TaskGroup() as group:
        group.create_task(shell.run(ready.put_nowait, stop))
        async with asyncio.timeout(10):
            address = await ready.get()
        try:
            yield shell, address
        finally:
            stop.set()


@asynccontextmanager
async def calling(state: Path, address: str, name: str = "tokyo-1") -> AsyncIterator[LinkClient]:
    public = ensure_keys(state, "coordinator").public
    async with LinkClient(address, ensure_keys(state, name), public) as link, asyncio.timeout(10):
        await link.connected(5.0)
        yield link


async def answered(link: LinkClient, message: Steering) -> Steering:
    link.send(STEERING.encode(message))
    [answer] = await link.receive()
    return STEERING.decode(answer)


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("operator", Role.OPERATOR),
        ("operator-ann", Role.OPERATOR),
        ("tokyo-1", Role.NODE),
        ("operators", Role.NODE),
        ("coordinator", Role.NODE),
    ],
)
def test_a_role_comes_from_the_name_of_the_key(name: str, role: Role) -> None:
    assert role_of(name) is role


def test_a_grant_is_durable_when_it_arrives(tmp_path: Path) -> None:
    async def scene() -> None:
        async with running(tmp_path) as (shell, address), calling(tmp_path, address) as link:
            grant = await answered(link, heartbeat())
            assert isinstance(grant, Grant) and grant.epoch == 1
            [(_, record)] = shell._store.read(1)
            fact = read_fact(record)
            assert isinstance(fact, EpochGranted)
            assert (fact.node, fact.incarnation, fact.epoch) == ("tokyo-1", 1, 1)

    asyncio.run(scene())


def test_a_departure_is_remembered(tmp_path: Path) -> None:
    async def scene() -> None:
        async with running(tmp_path) as (shell, address), calling(tmp_path, address) as link:
            await answered(link, heartbeat())
            link.send(STEERING.encode(leave(epoch=1)))
            async with Operator(tmp_path) as operator:
                while [member.health for member in (await operator.status()).members] != ["left"]:
                    await asyncio.sleep(0.01)
                assert not (await operator.halt(None, "")).unconfirmed
            assert shell._store.events == 3

    asyncio.run(scene())


def test_junk_is_counted_and_what_is_too_long_is_refused(tmp_path: Path) -> None:
    async def scene() -> None:
        async with (
            running(tmp_path, report_bytes_max=4096) as (shell, address),
            calling(tmp_path, address) as link,
        ):
            for junk in (b"", b"junk", b"\x01\xc1", b"\x63"):
                link.send(junk)
            refusal = await answered(link, heartbeat(journal_hash="f" * 5000))
            assert isinstance(refusal, Refusal) and "above report_bytes_max" in refusal.reason
            assert isinstance(await answered(link, heartbeat()), Grant)
            assert shell.malformed == 3

    asyncio.run(scene())


def test_a_snapshot_is_taken_after_so_many_facts_and_recovery_begins_there(tmp_path: Path) -> None:
    async def scene() -> None:
        async with (
            running(tmp_path, snapshot_facts=2) as (shell, address),
            calling(tmp_path, address) as link,
        ):
            await answered(link, heartbeat())
            async with Operator(tmp_path) as operator:
                await operator.resume(None)
            snapshot = shell._store.latest_snapshot()
            assert snapshot is not None and snapshot[0] == 2
            assert len(read_state(snapshot[1])) == 2
            async with Operator(tmp_path) as operator:
                await operator.resume(None)
        with Journal.open(tmp_path / "journal" / "coordinator", "coordinator") as journal:
            core = recovered(CoordinatorConfig(), journal)
        assert core.latches.last_command_id == 2
        assert core.members["tokyo-1"].epoch == 1

    asyncio.run(scene())


def test_a_fact_of_a_newer_build_refuses_to_start(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "journal" / "coordinator", "coordinator") as journal:
        journal.append(write_fact(EpochGranted("a", "a", 1, 1, 1)).replace(b"epoch", b"apoch"))

    async def scene() -> None:
        async with running(tmp_path):
            pytest.fail("it must not start")

    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(scene())
    assert caught.group_contains(JournalBroken, match="a fact cannot be read")


def test_a_peer_that_missed_an_answer_gets_the_latest_one(tmp_path: Path) -> None:
    async def scene() -> None:
        async with running(tmp_path) as (shell, address), calling(tmp_path, address) as link:
            first = await answered(link, heartbeat(sent_ns=1))
            assert isinstance(first, Grant)
            [line] = shell._server._lines.values()
            line.outgoing.skip(1)
            second = await answered(link, heartbeat(sent_ns=2))
            assert isinstance(second, Grant) and second.sent_ns == 2
            assert link.counts.snapshots_received == 1

    asyncio.run(scene())


def test_the_latest_words_are_kept_for_so_many_peers_only(tmp_path: Path) -> None:
    async def scene() -> None:
        async with running(tmp_path, link=LinkConfig(peers_max=2)) as (shell, _):
            for _ in range(4):
                async with Operator(tmp_path) as operator:
                    await operator.status()
            assert len(shell._latest) == 2

    asyncio.run(scene())


def test_an_operator_whose_coordinator_goes_deaf_times_out(tmp_path: Path) -> None:
    async def scene() -> None:
        async with running(tmp_path) as (shell, _), Operator(tmp_path, timeout_s=0.2) as operator:
            shell._server.send = lambda peer, message: False  # type: ignore[method-assign]
            with pytest.raises(SwarmError, match=r"no answer within 0\.2 s") as caught:
                await operator.status()
            assert caught.value.code is ExitCode.TIMED_OUT

    asyncio.run(scene())


def test_a_status_reads_well(tmp_path: Path) -> None:
    async def scene() -> SwarmStatus:
        async with running(tmp_path) as (_, address), calling(tmp_path, address) as link:
            await answered(
                link, heartbeat(agents=(agent(position_lots=7, pnl_quote=2.5, exposure_quote=8.0),))
            )
            async with Operator(tmp_path) as operator:
                return await operator.status()

    text = status_text(asyncio.run(scene()))
    assert "tokyo-1" in text and "ok" in text
    assert "position tokyo-x:BTCUSDT 7 lots" in text
    assert "exposure 8.00  pnl 2.50" in text
    assert "halted" not in text and "model at" not in text


def test_a_status_names_who_serves_and_who_answers() -> None:
    def told(models: ModelsReport) -> str:
        member = MemberStatus("tokyo-1", "tokyo", "ok", 0.1, 3, False, False, report(models=models))
        return status_text(SwarmStatus(1, False, (), (member,), 0.0, 0.0, {}, 1, ""))

    both = told(ModelsReport("a" * 32, "b" * 32, 250_000, {"model": 5, "baseline": 2, "flat": 0}))
    assert f"model at tokyo-1: champion {'a' * 12}, canary {'b' * 12} for 0.25 of agents" in both
    assert "answered by: model 5, baseline 2" in both and "flat" not in both
    assert "champion none; answered by: nobody yet" in told(ModelsReport("", "", 0, {}))
