"""One exchange in virtual time, with the crowd around it and everybody who listens to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import mesa

from sim.exchange.messages import Command, DepthChange, Execution, Output, PublicTrade, Refused
from sim.exchange.recovery import RecordedExchange
from sim.market.flow import MarketFlow
from sim.market.view import ExchangeView
from sim.schedule import Schedule


class Listener(Protocol):
    """Whoever is connected: hears about its own orders and everything public."""

    def on_execution(self, execution: Execution) -> None:
        """Hear about an own order."""
        ...

    def on_depth(self, change: DepthChange) -> None:
        """Hear that levels changed."""
        ...

    def on_trade(self, trade: PublicTrade) -> None:
        """Hear that somebody traded."""
        ...


class VenueHost(mesa.Agent):  # type: ignore[misc]
    """Let the crowd trade when its time comes, take everybody's commands, and tell who listens."""

    def __init__(self, model: Any, recorded: RecordedExchange, flow: MarketFlow, schedule: Schedule) -> None:
        super().__init__(model)
        self.recorded, self.flow, self.schedule = recorded, flow, schedule
        self.exchange = recorded.exchange
        self._view = ExchangeView(self.exchange)
        self._own: dict[int, Listener] = {}
        self._public: list[list[Listener]] = [[] for _ in self.exchange.instruments]

    def start(self) -> None:
        """Let the crowd in."""
        self.schedule.put(self.schedule.now_ns, self._crowd)

    def listen(self, listener: Listener, account: int, instruments: Sequence[int]) -> None:
        """Connect an account, and subscribe it to markets."""
        self._own[account] = listener
        for instrument in instruments:
            self._public[instrument].append(listener)

    def take(self, command: Command) -> list[Output]:
        """Do a command, record it where it changed something, and tell everybody; give what it caused."""
        outputs = self.recorded.step(command)
        for output in outputs:
            if type(output) is Execution:
                listener = self._own.get(output.order.account)
                if listener is not None:
                    listener.on_execution(output)
            elif type(output) is DepthChange:
                for listener in self._public[output.instrument]:
                    listener.on_depth(output)
            elif type(output) is PublicTrade:
                for listener in self._public[output.instrument]:
                    listener.on_trade(output)
        return outputs

    def step(self) -> None:
        """Make durable what happened since the last step of the model."""
        self.recorded.commit()
        self.recorded.snapshot_if_due()

    def _crowd(self, _: None) -> None:
        for command in self.flow.step(self.schedule.now_ns, self._view):
            self.take(command)
        self.schedule.put(max(self.flow.next_ns, self.schedule.now_ns + 1), self._crowd)


def refusal_of(outputs: list[Output]) -> Refused | None:
    """Give the refusal where a command changed nothing."""
    first = outputs[0]
    return first if isinstance(first, Refused) else None
