"""Plans and operators' words on moves, handed to the group that they are about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from domain.control_events import MoveOrdered, MovesPlanned

if TYPE_CHECKING:
    from agents.arbitrage.arbitrageur import Arbitrageur
    from agents.mandate import Mandate


def moves_planned(groups: Sequence[Arbitrageur], event: MovesPlanned) -> None:
    """Let a group have its plan; one that a changed config has no more is passed over."""
    for group in groups:
        if group.config.name == event.group:
            group.rebalancer.moves.plan(event.proposals, event.local_ts_ns, event.facts_ns)


def move_ordered(groups: Sequence[Arbitrageur], mandate: Mandate, event: MoveOrdered) -> None:
    """Obey a command once, and keep the answer for the report."""
    if event.command_id <= mandate.move_command_id:
        return
    mandate.move_command_id, mandate.move_answer = event.command_id, f"there is no move {event.move[:60]!a}"
    for group in groups:
        number = group.rebalancer.number(event.move)
        if number is not None:
            mandate.move_answer = group.rebalancer.ordered(number, event.verb, event.atoms)
