"""One market as a node keeps it: its part of the pipeline, its risk figures, trades and agents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.strategies import STRATEGIES
from agents.trades import TradeLog
from domain.instrument import Instrument
from market.columns import ASK, BID, LEVEL, REASON, SYMBOL_WORDS, TOUCH_NS
from market.pipeline import Pipeline
from market.schedule import Schedule
from market.venues.venue import book_rules
from risk.exposure import MarketRisk

if TYPE_CHECKING:
    from agents.account import Account
    from agents.agent import Agent
    from agents.config import RegionConfig


def pipeline_of(
    config: RegionConfig, instruments: tuple[Instrument, ...], schedule: Schedule | None
) -> Pipeline:
    """Build the node's pipeline, which comes back for trades only where a strategy wants them."""
    wanted = any(getattr(STRATEGIES[agent.strategy], "wants_trades", False) for agent in config.agents)
    books = {venue.name: rules for venue in config.venues if (rules := book_rules(venue)) is not None}
    changes = {"ask_trades": wanted, "books": {**books, **config.market.books}}
    return Pipeline(instruments, config.market.model_copy(update=changes), schedule)


class Market:
    """Hold everything of one market."""

    __slots__ = (
        "_cells",
        "account",
        "agents",
        "book",
        "hands",
        "instrument",
        "linked",
        "pipeline",
        "ring",
        "risk",
        "signal_bps",
        "trades",
    )

    def __init__(self, instrument: Instrument, account: Account, pipeline: Pipeline) -> None:
        self.instrument, self.account, self.pipeline = instrument, account, pipeline
        self.risk = MarketRisk.of(
            instrument, account.wallet(instrument.base), account.wallet(instrument.quote)
        )
        self.book, self.ring = pipeline.book(instrument.index), pipeline.ring(instrument.index)
        # Read at every tick and fill: what `pipeline.touch` and `pipeline.believed` say, looked up once.
        begin = pipeline.columns.symbol(instrument.index)
        self._cells = pipeline.columns.block.data[begin : begin + SYMBOL_WORDS]
        self.trades = TradeLog()
        self.agents: list[Agent] = []
        # Agents of arbitrage groups: not asked by this market, and left alone when it is in doubt.
        self.hands: list[Agent] = []
        self.linked = False
        self.signal_bps: float | None = None

    def touch(self) -> None:
        """Take the touch as the pipeline has it: what asked nobody moved it too."""
        risk, cells = self.risk, self._cells
        risk.bid_ticks, risk.ask_ticks, risk.touched_ns = cells[BID], cells[ASK], cells[TOUCH_NS]
        risk.stale = cells[REASON] != 0 or cells[LEVEL] != 0
