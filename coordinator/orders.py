"""Operators' words on moves, kept for each node until its report says that it heard them."""

from __future__ import annotations

from coordinator.facts import MoveCommanded
from domain.moves import DROP, TAKE, MoveOrder
from domain.report import NodeReport
from domain.steering import MoveRequest

PENDING_MAX = 16
ATOMS_MAX = (1 << 63) - 1


class MoveOrders:
    """Keep what nodes have yet to hear; ids rise for ever, above all that a node obeyed."""

    def __init__(self) -> None:
        self.last_command_id = 0
        self._pending: dict[str, list[MoveOrder]] = {}

    def refused(self, node: str, asked: MoveRequest) -> str | None:
        """Give why a command cannot be noted, `None` where it can."""
        if asked.verb not in (TAKE, DROP):
            return f"a move can be taken or dropped, not {asked.verb[:20]!a}"
        if not 0 <= asked.atoms <= ATOMS_MAX or (asked.verb == DROP and asked.atoms > 0):
            return "an amount that cannot be: one above nothing, and only with `take`"
        if len(self.of(node)) >= PENDING_MAX:
            return f"{node} has not heard {PENDING_MAX} commands yet"
        return None

    def command(self, node: str, asked: MoveRequest, above: int) -> MoveCommanded:
        """Number a new command; it holds once it is applied."""
        number = max(self.last_command_id, above) + 1
        return MoveCommanded(node, number, asked.move, asked.verb, asked.atoms)

    def apply(self, fact: MoveCommanded) -> None:
        """Take a command."""
        assert fact.command_id > self.last_command_id, "command ids increase for ever"
        self.last_command_id = fact.command_id
        self._pending.setdefault(fact.node, []).append(
            MoveOrder(fact.command_id, fact.move, fact.verb, fact.atoms)
        )

    def heard(self, report: NodeReport) -> None:
        """Forget what a node heard."""
        if left := [one for one in self.of(report.node) if one.command_id > report.move_command_id]:
            self._pending[report.node] = left
        else:
            self._pending.pop(report.node, None)

    def of(self, node: str) -> tuple[MoveOrder, ...]:
        """Give what a node has yet to hear, oldest first."""
        return tuple(self._pending.get(node, ()))

    def same(self, node: str, asked: MoveRequest) -> int | None:
        """Give the number of the same command where it is still to be heard: twice said is once."""
        wanted = asked.move, asked.verb, asked.atoms
        found = [one.command_id for one in self.of(node) if (one.move, one.verb, one.atoms) == wanted]
        return found[-1] if found else None

    def facts(self) -> list[MoveCommanded]:
        """Give the commands that lead to this state, in order."""
        every = [(one, node) for node, some in self._pending.items() for one in some]
        every.sort(key=lambda each: each[0].command_id)
        return [MoveCommanded(node, one.command_id, one.move, one.verb, one.atoms) for one, node in every]
