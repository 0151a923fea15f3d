"""Who is in the swarm, as heard from each node itself."""

from __future__ import annotations

from dataclasses import dataclass

from coordinator.config import CoordinatorConfig
from coordinator.halts import Latch
from domain.moves import MoveOrder
from domain.report import NodeReport
from domain.steering import Grant, Heartbeat, MemberStatus


@dataclass(slots=True)
class Member:
    """One node. What is above the blank line survives restarts, the rest is heard anew."""

    node: str
    region: str
    incarnation: int
    epoch: int
    budget_atoms: int
    left: bool = False

    line: int | None = None
    heard: bool = False
    last_seen_ns: int = 0
    last_sent_ns: int = 0
    granted_atoms: int | None = None
    report: NodeReport | None = None

    def health(self, now_ns: int, config: CoordinatorConfig) -> str:
        """Tell `ok`, `late`, `lost` or `left`."""
        silence_ns = now_ns - self.last_seen_ns
        if self.left:
            return "left"
        if not self.heard or silence_ns >= config.lost_after_ns:
            return "lost"
        return "late" if silence_ns >= config.late_after_ns else "ok"

    def hear(self, heartbeat: Heartbeat, line: int, now_ns: int) -> None:
        """Take the latest word; a whole report, so nothing is merged."""
        self.line, self.heard, self.left = line, True, False
        self.last_seen_ns, self.last_sent_ns = now_ns, heartbeat.sent_ns
        self.report = heartbeat.report

    def confirmed(self, latch: Latch) -> bool:
        """Tell whether this node said that it obeys a halt and has no open orders."""
        report = self.report
        if not latch.halted or report is None or not self.heard:
            return False
        return report.halted and report.halt_command_id >= latch.command_id and report.flat_of_orders

    def has_move(self, move: str) -> bool:
        """Tell whether this node's report has a move of this name."""
        return self.report is not None and any(each.move == move for each in self.report.moves)

    def grant(self, latch: Latch, ttl_ns: int, moves: tuple[MoveOrder, ...] = ()) -> Grant:
        """Answer the last heartbeat: sent again, it carries news but never a longer lease."""
        assert self.granted_atoms is not None
        return Grant(
            sent_ns=self.last_sent_ns,
            epoch=self.epoch,
            ttl_ns=ttl_ns,
            budget_atoms=self.granted_atoms,
            halted=latch.halted,
            halt_command_id=latch.command_id,
            halt_reason=latch.reason,
            moves=moves,
        )

    def status(self, now_ns: int, latch: Latch, config: CoordinatorConfig) -> MemberStatus:
        """Give this node's row."""
        return MemberStatus(
            node=self.node,
            region=self.region,
            health=self.health(now_ns, config),
            last_seen_ago_s=(now_ns - self.last_seen_ns) / 1e9,
            epoch=self.epoch,
            halted=latch.halted,
            halt_confirmed=self.confirmed(latch),
            report=self.report,
        )
