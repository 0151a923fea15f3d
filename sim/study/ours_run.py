"""A run of our arbitrage: a node as production has it, its opportunities and sagas held against the truth."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from agents.arbitrage.arbitrageur import Arbitrageur
from agents.arbitrage.opportunity import Found, Outcome
from arbitrage.saga.events import SagaState
from domain.ids import client_id_text
from sim.exchange.config import ExchangeConfig
from sim.study.attempt import Attempt, End
from sim.study.measure import Measured
from sim.study.mids import ATOM, Mids
from sim.study.ours_region import ours
from sim.study.result import Result
from sim.study.world import Job, StudyConfig, plan
from sim.swarm import SwarmModel


def run_ours(
    job: Job, config: StudyConfig, markets: Sequence[ExchangeConfig], tell: Callable[[float], None]
) -> Result:
    """Let the node trade for so long, then let what is out come in."""
    model = SwarmModel(plan(job, config, markets, [ours(job, config, markets)]))
    (group,) = model.nodes[0].node.groups
    measured, sent = Measured(model), Sent(group)
    watch = measured.watch(tell)

    def look(virtual_s: float) -> None:
        sent.look()
        watch(virtual_s)

    model.run_for(config.minutes * 60, look)
    model.stop()
    look(model.virtual_s)
    ring, filled = group.ring, measured.orders()
    assert len(ring.taken) < (ring.taken.maxlen or 0), "attempts were forgotten"
    attempts = [told(one, sent.texts(one), filled, measured.mids) for one in ring.taken]
    untaken = {
        f"{outcome.lower()} {reason}".strip(): count
        for (outcome, reason), count in sorted(ring.counts.items())
        if outcome != Outcome.TAKEN.name
    }
    return measured.result(job, config, ring.found, attempts, untaken)


class Sent:
    """Keep the orders of every saga, of which a group itself remembers only the latest."""

    def __init__(self, group: Arbitrageur) -> None:
        self._group = group
        self._orders: dict[int, dict[int, None]] = {}
        self._sagas: dict[int, int] = {}

    def look(self) -> None:
        """Take what there is."""
        execution = self._group.execution
        for known in (execution.ended, execution.working):
            for client, placed in known.items():
                self._orders.setdefault(placed.saga, {})[client] = None
        for saga, ticket in self._group.tickets.items():
            self._sagas[ticket.ticket_id] = saga

    def texts(self, one: Found) -> tuple[str, ...]:
        """Give the client texts of an opportunity's orders."""
        assert one.ticket is not None
        orders = self._orders.get(self._sagas[one.ticket.ticket_id], {})
        return tuple(client_id_text(client) for client in sorted(orders))


def told(one: Found, texts: tuple[str, ...], filled: Collection[str], mids: Mids) -> Attempt:
    """Say of an opportunity that was sent what the study asks; `filled` are the texts that traded."""
    assert one.ticket is not None
    worth = mids.at(one.ticket.detected_ns)[one.ticket.asset] * ATOM
    return Attempt(
        one.ticket.detected_ns,
        len(one.ticket.legs),
        one.ticket.in_atoms * worth,
        one.ticket.profit_atoms * worth,
        texts,
        _end(one, len(texts), any(text in filled for text in texts)),
    )


def _end(one: Found, orders: int, traded: bool) -> End:
    """Read an end from whether the venues filled anything, and how the saga says that it ended."""
    assert one.ticket is not None
    if not traded:
        return End.MISSED
    state = None if one.ended is None else one.ended.state
    if state == SagaState.UNWOUND:
        return End.UNWOUND
    if state != SagaState.FLAT:
        return End.LEFT
    return End.WHOLE if orders == len(one.ticket.legs) else End.EVENED
