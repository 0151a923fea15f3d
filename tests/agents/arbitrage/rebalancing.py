"""Build nodes whose inventory lies wrong, plan for them, and give them operators' words."""

from __future__ import annotations

from typing import Any

from agents.arbitrage.planning import Planning
from arbitrage.stock.moves import Move, MoveState
from domain.control_events import MoveOrdered
from domain.units import ATOMS_PER_UNIT
from tests.agents.arbitrage.rig import A, B, Rig, group_table

BTC = ATOMS_PER_UNIT
SHARES = {"shares": {"BTC": {A: 0.8, B: 0.2}}, "slope_bps": 20.0}
WAY = {"asset": "BTC", "between": [A, B], "fee": "0.01", "delay_s": 60}


def rig(*, ways: tuple[Any, ...] = (), group: dict[str, Any] | None = None, **rebalance: Any) -> Rig:
    """Start a node of which 60 BTC too many lie at B."""
    allowed = {"execute": True, "trade_max": 50, **rebalance}
    r = Rig(group_table(inventory=SHARES, rebalance=allowed, ways=ways, **(group or {})))
    r.start()
    return r


def plan(r: Rig) -> None:
    """Plan as a shell does, at once."""
    Planning(r.node, r.step, lambda: r.now_ns).step()


def move(r: Rig, number: int = 1) -> Move:
    """Give a move, live or over."""
    moves = r.group.rebalancer.moves
    return moves.live.get(number) or moves.over[number]


def state(r: Rig, number: int = 1) -> MoveState:
    return MoveState(move(r, number).state)


def order(r: Rig, command_id: int, name: str, verb: str) -> str:
    """Let an operator's word arrive, and give the node's answer."""
    r.step(MoveOrdered(r.now_ns, command_id, name, verb))
    report = r.node.report(r.now_ns)
    assert report.move_command_id == max(command_id, r.node.mandate.move_command_id)
    return report.move_answer
