"""The crowd: deterministic, keeps books deep, never short of rules."""

from __future__ import annotations

import pytest

from domain.errors import ConfigError
from sim.exchange.exchange import Exchange
from sim.exchange.messages import Command, PlacedOrder, PlaceOrder, PublicTrade, Refused
from sim.market.config import FlowConfig, price_config
from sim.market.flow import MOMENTUM, MarketFlow
from sim.market.prices import PriceProcess
from sim.market.view import ExchangeView, crowd
from tests.sim.exchange.exchange_builders import place
from tests.sim.exchange.server_builders import config

TICK_NS = 20_000_000
FLOW = FlowConfig()


class Run:
    """A crowd on an exchange, stepped on a fixed clock."""

    def __init__(self, seed: int, flow: FlowConfig = FLOW) -> None:
        made = config()
        self.exchange = Exchange(made)
        self.prices = PriceProcess(price_config([made]), seed, (made.name,))
        self.flow: MarketFlow = crowd(flow, made, self.prices, seed)
        self.commands: list[Command] = []
        self.refused: list[int] = []
        self.trades: list[PublicTrade] = []
        self.now_ns = 10**18

    def go(self, seconds: float) -> Run:
        view = ExchangeView(self.exchange)
        for _ in range(round(seconds * 1e9 / TICK_NS)):
            for command in self.flow.step(self.now_ns, view):
                self.commands.append(command)
                outputs = self.exchange.step(command)
                self.refused += [one.kind for one in outputs if isinstance(one, Refused)]
                self.trades += [one for one in outputs if isinstance(one, PublicTrade)]
            self.now_ns += TICK_NS
        return self


def test_the_same_seed_gives_the_same_commands_and_another_seed_others() -> None:
    one, same, other = (Run(seed).go(20) for seed in (4, 4, 5))
    assert one.commands == same.commands
    assert one.exchange.state_hash() == same.exchange.state_hash()
    assert one.commands != other.commands


def test_books_stay_deep_and_busy_around_fair_value() -> None:
    run = Run(1).go(2)
    before = [run.exchange.depth(one.index, 1)[0] for one in run.exchange.instruments]
    for _ in range(30):
        run.go(2)
        for market in run.exchange.instruments:
            _, bids, asks = run.exchange.depth(market.index, 100)
            assert len(bids) >= 10 and len(asks) >= 10
            fair = run.prices.pair("test-x", market.base, market.quote) / market.tick.value(1)
            assert fair * 0.995 < bids[0][0] < asks[0][0] < fair * 1.005
    changes = [run.exchange.depth(one.index, 1)[0] for one in run.exchange.instruments]
    rates = [(after - first) / 60 for after, first in zip(changes, before, strict=True)]
    assert all(5 < rate < 20 for rate in rates), rates
    assert len(run.trades) > 60
    assert len(run.refused) < 0.05 * len(run.commands)


def test_open_orders_of_the_crowd_are_bounded() -> None:
    run = Run(2).go(60)
    for account in range(2, 5):
        for market in run.exchange.instruments:
            assert len(run.exchange.open_orders(account, market.index)) <= 2 * (FLOW.maker_levels + 2)


def test_what_stands_on_the_wrong_side_of_fair_value_is_taken() -> None:
    run = Run(3).go(1)
    for side, price in ((1, 6_100_000), (-1, 5_900_000)):
        run.exchange.step(place(0, side, price, 1_000, text=f"lost{side}", now_ns=run.now_ns))
        run.go(4)
        order = run.exchange.order(0, 0, client_text=f"lost{side}")
        assert order is not None and order.filled_lots == order.size_lots


def test_what_is_wrong_by_less_than_the_fee_is_left_alone() -> None:
    run = Run(3).go(1)
    fair = run.flow._fair_ticks(run.exchange.instruments[0], FLOW.arbitrage_delay_quanta)
    for inside, taken in ((-0.5, 0), (0.5, 1)):
        for side in (1, -1):
            view = OneQuote(side, round(fair * (1 + side * (FLOW.arbitrage_edge_bps + inside) * 1e-4)))
            commands = run.flow._correct(run.now_ns, 0, view)
            assert [getattr(one, "side", 0) for one in commands] == [-side] * taken


def test_most_takers_know_nothing_and_some_do() -> None:
    run = Run(11)
    names = [one.name for one in run.exchange.config.accounts]
    traded: dict[str, float] = dict.fromkeys(("flow-noise", "flow-momentum"), 0.0)
    view = ExchangeView(run.exchange)
    for _ in range(15_000):
        for command in run.flow.step(run.now_ns, view):
            outputs = run.exchange.step(command)
            if isinstance(command, PlaceOrder) and (name := names[command.account]) in traded:
                market = run.exchange.instruments[command.instrument]
                quote_usdt = run.prices.value("test-x", market.quote)
                for one in outputs:
                    if isinstance(one, PublicTrade):
                        unit = market.tick.value(1) * market.lot.value(1) * quote_usdt
                        traded[name] += one.price_ticks * one.size_lots * unit
        run.now_ns += TICK_NS
    informed_frac = traded["flow-momentum"] / sum(traded.values())
    assert 0.1 < informed_frac < 0.35


class OneQuote:
    """A book with a good quote on one side."""

    def __init__(self, side: int, price: int) -> None:
        self._best = (price, price + 1) if side > 0 else (price - 1, price)

    def best(self, instrument: int) -> tuple[int, int]:
        return self._best

    def open_of(self, account: int, instrument: int) -> list[PlacedOrder]:
        return []

    def bought_lots(self, account: int, instrument: int) -> int:
        return 0


def test_trends_are_followed_once_they_are_large() -> None:
    run = Run(6).go(1)
    run.prices.anchor("BTC", 60_000.0)
    view = ExchangeView(run.exchange)
    assert run.flow._act(run.now_ns, 0, MOMENTUM, view) == []
    run.prices._history.append(tuple(value + 0.001 for value in run.prices._history[-1]))
    assert run.flow._act(run.now_ns, 2, MOMENTUM, view) == []
    log = list(run.prices._history[-1])
    log[run.prices.assets.index("BTC")] += 0.002
    run.prices._history.append(tuple(log))
    (bought,) = run.flow._act(run.now_ns, 0, MOMENTUM, view)
    (sold,) = run.flow._act(run.now_ns, 2, MOMENTUM, view)
    assert (getattr(bought, "side", 0), getattr(sold, "side", 0)) == (1, -1)


def test_a_taker_leaves_an_empty_book_alone() -> None:
    run = Run(1, FlowConfig(noise_rate=1_000.0, maker_rate=0.0001))
    run.flow.step(run.now_ns, ExchangeView(run.exchange))
    empty = Exchange(config())
    assert run.flow.step(run.now_ns + 1_100_000_000, ExchangeView(empty)) == []


def test_after_a_pause_everybody_acts_once() -> None:
    run = Run(1).go(5)
    run.now_ns += 3_600 * 10**9
    before = len(run.commands)
    run.go(0.02)
    assert 0 < len(run.commands) - before < 400


def test_a_missing_account_is_named() -> None:
    made = config(accounts=[{"name": "alice", "balances": {}}])
    prices = PriceProcess(price_config([made]), 1, (made.name,))
    with pytest.raises(ConfigError, match="flow-maker"):
        crowd(FLOW, made, prices, 1)
