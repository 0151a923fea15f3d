"""The operator's end: ask, halt and resume, and wait until every region said that it obeyed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from bus.codec import STEERING
from bus.keys import COORDINATOR, OPERATOR, load_keys, load_public
from bus.link_client import LinkClient
from coordinator.run_file import coordinator_address, not_running
from domain.errors import ExitCode, SwarmError
from domain.moves import MoveReport
from domain.report import NodeReport
from domain.steering import (
    FromOperator,
    HaltRequest,
    MemberStatus,
    MoveNoted,
    MoveRequest,
    Refusal,
    ResumeRequest,
    StatusRequest,
    SwarmStatus,
)
from hw.clock import monotonic_ns

POLL_S = 0.01


@dataclass
class Halted:
    """How long each concerned region took to have no open orders, and which did not say so in time."""

    confirmed_ms: dict[str, float] = field(default_factory=dict)
    unconfirmed: list[str] = field(default_factory=list)


class Operator:
    """Talk to a coordinator under the operator's key. Use as an async context manager."""

    def __init__(self, state: Path, address: str | None = None, timeout_s: float = 5.0) -> None:
        self.address = address or coordinator_address(state)
        self._timeout_s = timeout_s
        self._latest = b""
        self._link = LinkClient(
            self.address,
            load_keys(state, OPERATOR),
            load_public(state, COORDINATOR),
            # A request that got lost is asked again: each one is safe to repeat.
            snapshot=lambda: self._latest,
        )

    async def __aenter__(self) -> Self:
        """Connect; nobody there is NOT_RUNNING."""
        await self._link.__aenter__()
        try:
            await self._link.connected(min(self._timeout_s, 2.0))
        except SwarmError as error:
            await self._link.__aexit__()
            if error.code is ExitCode.TIMED_OUT:
                raise not_running(self.address) from error
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Hang up."""
        await self._link.__aexit__()

    async def status(self) -> SwarmStatus:
        """Ask for everything."""
        return await self._asked(StatusRequest())

    async def resume(self, region: str | None) -> SwarmStatus:
        """Lift a halt."""
        return await self._asked(ResumeRequest(region))

    async def move(self, move: str, verb: str, atoms: int = 0) -> MoveReport:
        """Take or drop a move, and wait until its node answered; what it refuses is raised."""
        began_ns = monotonic_ns()
        noted = await self._ask(MoveRequest(move, verb, atoms))
        assert isinstance(noted, MoveNoted)
        while (monotonic_ns() - began_ns) / 1e9 < self._timeout_s:
            status = await self.status()
            reports = [one.report for one in status.members if one.node == noted.node and one.report]
            if reports and reports[0].move_command_id >= noted.command_id:
                return _answered(reports[0], move, noted.command_id)
            await asyncio.sleep(POLL_S)
        raise SwarmError(
            f"{noted.node} did not answer within {self._timeout_s:g} s",
            where=f"move {move}",
            mend="the command is kept and reaches it when it returns: see `swarm status`",
            code=ExitCode.TIMED_OUT,
            retryable=True,
        )

    async def halt(self, region: str | None, reason: str) -> Halted:
        """Halt, and wait until each concerned region confirmed that it has no open orders."""
        began_ns = monotonic_ns()
        status = await self._asked(HaltRequest(region, reason))
        halted = Halted()
        while True:
            elapsed_ms = (monotonic_ns() - began_ns) / 1e6
            concerned = _concerned(status, region)
            for name, members in concerned.items():
                if name not in halted.confirmed_ms and all(member.halt_confirmed for member in members):
                    halted.confirmed_ms[name] = elapsed_ms
            halted.unconfirmed = [name for name in concerned if name not in halted.confirmed_ms]
            if not halted.unconfirmed or elapsed_ms >= self._timeout_s * 1000:
                return halted
            await asyncio.sleep(POLL_S)
            status = await self.status()

    async def _asked(self, request: FromOperator) -> SwarmStatus:
        answer = await self._ask(request)
        assert isinstance(answer, SwarmStatus)
        return answer

    async def _ask(self, request: FromOperator) -> SwarmStatus | MoveNoted:
        self._latest = STEERING.encode(request)
        self._link.send(self._latest)
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._answer(MoveNoted if type(request) is MoveRequest else SwarmStatus)
        except TimeoutError as error:
            raise SwarmError(
                f"no answer within {self._timeout_s:g} s",
                where=self.address,
                mend="see whether the coordinator is overloaded or stopped; asking again is safe",
                code=ExitCode.TIMED_OUT,
                retryable=True,
            ) from error
        if isinstance(answer, Refusal):
            mend = "see `swarm status`"
            raise SwarmError(answer.reason, where="coordinator", mend=mend, code=ExitCode.USAGE)
        return answer

    async def _answer(self, kind: type) -> SwarmStatus | MoveNoted | Refusal:
        while messages := await self._link.receive():
            for message in messages:
                answer = STEERING.decode(message)
                if isinstance(answer, Refusal) or (
                    isinstance(answer, SwarmStatus | MoveNoted) and isinstance(answer, kind)
                ):
                    return answer
        raise not_running(self.address)


def _answered(report: NodeReport, move: str, command_id: int) -> MoveReport:
    """Give a move as it is after a command, or raise the node's refusal."""
    found = [one for one in report.moves if one.move == move]
    if report.move_command_id == command_id and report.move_answer != "":
        mend = "see `swarm arb moves`"
        raise SwarmError(report.move_answer, where=f"move {move}", mend=mend, code=ExitCode.USAGE)
    if not found:
        mend = "see `swarm arb moves`"
        raise SwarmError("it is told no more", where=f"move {move}", mend=mend, code=ExitCode.USAGE)
    return found[0]


def _concerned(status: SwarmStatus, region: str | None) -> dict[str, list[MemberStatus]]:
    """Group by region the nodes that a halt must reach; one that left has said its last word."""
    concerned: dict[str, list[MemberStatus]] = {}
    for member in status.members:
        if region in (None, member.region) and member.health != "left":
            concerned.setdefault(member.region, []).append(member)
    return dict(sorted(concerned.items()))
