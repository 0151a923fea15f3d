"""A run of our arbitrage: a node as production has it, its opportunities and sagas held against the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from agents.arbitrage.opportunity import Found, Outcome
from arbitrage.saga_events import SagaState
from domain.ids import client_id_parts, client_id_read
from sim.exchange.config import ExchangeConfig
from sim.exchange.messages import PlacedOrder
from sim.study.attempt import Attempt, End
from sim.study.measure import Measured
from sim.study.mids import ATOM, Mids
from sim.study.ours_region import SHARD, ours
from sim.study.result import Result
from sim.study.world import ACCOUNT, Job, StudyConfig, plan
from sim.swarm import SwarmModel

ENDS = {SagaState.FLAT: End.WHOLE, SagaState.UNWOUND: End.UNWOUND}


def run_ours(
    job: Job, config: StudyConfig, markets: Sequence[ExchangeConfig], tell: Callable[[float], None]
) -> Result:
    """Let the node trade for so long, then let what is out come in."""
    model = SwarmModel(plan(job, config, markets, [ours(job, config, markets)]))
    (group,) = model.nodes[0].node.groups
    measured, found = Measured(model), dict[int, Found]()
    watch = measured.watch(tell)

    def look(virtual_s: float) -> None:
        while group.ring.news:
            one = group.ring.news.popleft()
            found[one.number] = one
        watch(virtual_s)

    model.run_for(config.minutes * 60, look)
    model.stop()
    look(model.virtual_s)
    taken = [one for one in found.values() if one.outcome == Outcome.TAKEN and one.ticket is not None]
    owned = owners(taken, _placed(model), job.latency_us * 1000)
    attempts = [_told(one, owned[one.number], measured.mids) for one in taken]
    return measured.result(job, config, len(found), attempts, _untaken(found.values()))


def _untaken(found: Iterable[Found]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in found:
        if one.outcome != Outcome.TAKEN:
            name = f"{one.outcome.name.lower()}: {one.reason}"
            counts[name] = counts.get(name, 0) + 1
    return counts


def _placed(model: SwarmModel) -> list[PlacedOrder]:
    placed: list[PlacedOrder] = []
    for host in model.hosts.values():
        exchange = host.exchange
        account = exchange.config.account_index(ACCOUNT)
        placed += [*exchange.orders.ended[account].values(), *exchange.open_orders(account)]
    return placed


def owners(
    taken: Sequence[Found], placed: Iterable[PlacedOrder], latency_ns: int
) -> dict[int, list[PlacedOrder]]:
    """Give every attempt its orders: a hand is in one saga at a time, so the latest begun before it sent."""
    owned: dict[int, list[PlacedOrder]] = {one.number: [] for one in taken}
    begun: dict[int, list[Found]] = {}
    for one in sorted(taken, key=_begun_ns):
        assert one.ticket is not None
        for leg in one.ticket.legs:
            begun.setdefault(SHARD + leg.instrument, []).append(one)
    for order in placed:
        client = client_id_read(order.client_text)
        assert client is not None, f"{order.client_text} is not ours"
        earlier = [
            one
            for one in begun.get(client_id_parts(client)[0], ())
            if _begun_ns(one) <= order.placed_ns - latency_ns
        ]
        if earlier:
            owned[earlier[-1].number].append(order)
    return owned


def _begun_ns(one: Found) -> int:
    assert one.ticket is not None
    return one.ticket.detected_ns


def _told(one: Found, orders: Sequence[PlacedOrder], mids: Mids) -> Attempt:
    assert one.ticket is not None
    worth = mids.at(one.ticket.detected_ns)[one.ticket.asset] * ATOM
    return Attempt(
        one.ticket.detected_ns,
        len(one.ticket.legs),
        one.ticket.in_atoms * worth,
        one.ticket.profit_atoms * worth,
        tuple(order.client_text for order in orders),
        _end(one, orders),
    )


def _end(one: Found, orders: Sequence[PlacedOrder]) -> End:
    """Read an end from what the venue filled and how the saga says that it ended."""
    assert one.ticket is not None
    if all(order.filled_lots == 0 for order in orders):
        return End.MISSED
    if one.ended is None or one.ended.state not in ENDS:
        return End.LEFT
    end = ENDS[SagaState(one.ended.state)]
    return End.EVENED if end == End.WHOLE and len(orders) > len(one.ticket.legs) else end
