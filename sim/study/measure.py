"""What the exchanges saw of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sim.study.attempt import Attempt, judged
from sim.study.mids import Mids, usdt
from sim.study.result import Result, result
from sim.study.truth import OrderTruth, balances, change, orders_of
from sim.study.world import ACCOUNT, Job, StudyConfig
from sim.swarm import SwarmModel


class Measured:
    """Hold what the account had when the run began, and every asset's mid since."""

    def __init__(self, model: SwarmModel) -> None:
        self._model = model
        self._exchanges = [host.exchange for host in model.hosts.values()]
        self._before = balances(self._exchanges, ACCOUNT)
        self.mids = Mids(self._exchanges)

    def watch(self, tell: Callable[[float], None]) -> Callable[[float], None]:
        """Give what is to be called at every step of the model."""

        def look(virtual_s: float) -> None:
            self.mids.sample(self._model.schedule.now_ns)
            tell(virtual_s)

        return look

    def orders(self) -> dict[str, OrderTruth]:
        """Give every order that traded, by its client text."""
        return orders_of(self._exchanges, ACCOUNT)

    def result(
        self,
        job: Job,
        config: StudyConfig,
        detected: int,
        attempts: Sequence[Attempt],
        untaken: dict[str, int],
    ) -> Result:
        """Hold what a bot says against what its exchanges say; an order of no attempt is our mistake."""
        orders = self.orders()
        unclaimed = set(orders) - {text for one in attempts for text in one.orders}
        assert not unclaimed, f"orders of no attempt: {sorted(unclaimed)[:3]}"
        gained = change(self._before, balances(self._exchanges, ACCOUNT))
        return result(
            job.bot,
            job.latency_ms,
            job.seed,
            config.minutes,
            detected,
            [judged(one, orders, self.mids) for one in attempts],
            usdt(gained, self.mids.latest()),
            untaken,
        )
