"""Build what nodes and operators say, and a coordinator to say it to."""

from __future__ import annotations

from typing import Any

from coordinator.config import CoordinatorConfig
from coordinator.core import Coordinator
from coordinator.facts import Fact
from coordinator.steps import CoordinatorAction, CoordinatorStarted, Record, Reply, Role, Said
from domain.report import AgentReport, NodeReport, OrderCounts
from domain.steering import Grant, Heartbeat, Leave, Refusal, Steering

S = 1_000_000_000


def agent(**changed: Any) -> AgentReport:
    fields: dict[str, Any] = {
        "agent": 1,
        "name": "maker",
        "strategy": "quotes",
        "venue": "tokyo-x",
        "symbol": "BTCUSDT",
        "lifecycle": 2,
    }
    fields |= {
        "orders": OrderCounts(),
        "fills": 0,
        "open_orders": 0,
        "position_lots": 0,
        "position_text": "0",
    }
    return AgentReport(**(fields | {"pnl_quote": 0.0, "exposure_quote": 0.0} | changed))


def report(node: str = "tokyo-1", region: str | None = None, **changed: Any) -> NodeReport:
    fields: dict[str, Any] = {
        "node": node,
        "region": region or node.partition("-")[0],
        "ts_ns": 0,
        "epoch": 0,
        "halted": False,
        "halt_command_id": 0,
    }
    fields |= {
        "stopping": False,
        "flat_of_orders": True,
        "ticks": 0,
        "agents": (),
        "balances": {},
        "open_order_ids": {},
    }
    fields |= {"tick_to_order_counts": {}, "journal_events": 0, "journal_hash": "", "stale_books": 0}
    return NodeReport(**(fields | changed))


def heartbeat(
    node: str = "tokyo-1",
    incarnation: int = 1,
    sent_ns: int = 7,
    build: str = "b",
    seen_epoch: int = 0,
    **changed: Any,
) -> Heartbeat:
    return Heartbeat(sent_ns, "config", build, incarnation, report(node, **changed), seen_epoch)


def leave(node: str = "tokyo-1", **changed: Any) -> Leave:
    return Leave(report(node, **changed))


class Desk:
    """A core with a clock in seconds, and a journal that is a list."""

    def __init__(self, facts: list[Fact] | None = None, **config: Any) -> None:
        self.config = CoordinatorConfig(**config)
        self.core = Coordinator(self.config)
        self.facts: list[Fact] = facts if facts is not None else []
        self.core.replay(self.facts)
        self.now_ns = 100 * S
        self.core.step(CoordinatorStarted(self.now_ns))

    def restarted(self) -> Desk:
        desk = Desk(self.facts, **self.config.model_dump())
        desk.now_ns = self.now_ns
        desk.core.step(CoordinatorStarted(self.now_ns))
        return desk

    def later(self, seconds: float) -> Desk:
        self.now_ns += int(seconds * S)
        return self

    def say(
        self, message: Steering, peer: str | None = None, line: int = 1, role: Role = Role.NODE
    ) -> list[CoordinatorAction]:
        if peer is None:
            peer = message.report.node if isinstance(message, Heartbeat | Leave) else "operator"
        actions = self.core.step(Said(peer, role, line, message, self.now_ns))
        self.facts += [action.fact for action in actions if isinstance(action, Record)]
        return actions

    def beat(self, node: str = "tokyo-1", line: int = 1, **changed: Any) -> Grant | Refusal:
        answer = self.say(heartbeat(node, **changed), line=line)[-1]
        assert isinstance(answer, Reply) and isinstance(answer.message, Grant | Refusal)
        return answer.message

    def grant(self, node: str = "tokyo-1", line: int = 1, **changed: Any) -> Grant:
        answer = self.beat(node, line, **changed)
        assert isinstance(answer, Grant), answer
        return answer

    def refusal(self, node: str = "tokyo-1", line: int = 1, **changed: Any) -> str:
        answer = self.beat(node, line, **changed)
        assert isinstance(answer, Refusal), answer
        return answer.reason

    def operate(self, message: Steering) -> list[CoordinatorAction]:
        return self.say(message, role=Role.OPERATOR, line=99)
