"""A run of the naive bot."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from domain.ids import client_id, client_id_text
from sim.exchange.config import ExchangeConfig
from sim.study.attempt import Attempt, End
from sim.study.measure import Measured
from sim.study.naive import NaiveAttempt
from sim.study.naive_actor import SHARD, NaiveActor
from sim.study.result import Result
from sim.study.world import ACCOUNT, NODE, Job, StudyConfig, plan
from sim.swarm import SwarmModel

# An order and all its retries, there and back, with room for jitter.
DRAIN_LATENCIES = 12


def run_naive(
    job: Job, config: StudyConfig, markets: Sequence[ExchangeConfig], tell: Callable[[float], None]
) -> Result:
    """Let the bot trade for so long, then let what is out come in."""
    model = SwarmModel(plan(job, config, markets))
    bound = config.naive.model_copy(update={"order_usdt_max": config.order_usdt_max})
    actor = NaiveActor(model, ACCOUNT, job.latency_us, bound, NODE)
    measured = Measured(model)
    actor.start()
    model.run_for(config.minutes * 60, measured.watch(tell))
    actor.stopping = True
    model.run_for(1 + DRAIN_LATENCIES * job.latency_ms / 1000, measured.watch(tell))
    return measured.result(job, config, actor.bot.detected, [_told(one) for one in actor.bot.attempts], {})


def _told(one: NaiveAttempt) -> Attempt:
    assert one.over, "an attempt is still out"
    texts = tuple(client_id_text(client_id(SHARD, 1, order)) for order in one.orders)
    return Attempt(one.begun_ns, len(one.legs), one.in_usdt, one.expected_usdt, texts, _end(one))


def _end(one: NaiveAttempt) -> End:
    if not one.begun:
        return End.MISSED
    if not one.whole:
        return End.LEFT
    return End.WHOLE if one.retries == 0 else End.EVENED
