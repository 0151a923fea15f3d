"""Every strategy keeps the same contract; each then does what it is for."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, ValidationError

from agents.strategies import STRATEGIES, build, check_parameters
from agents.strategies.market_maker import MarketMaker
from agents.strategies.momentum import Momentum, MomentumConfig
from domain.actions import SendOrder
from domain.desire import Desire, QuoteSet, TargetPosition, Urgency
from domain.dtypes import LEVEL_DTYPE
from domain.market_events import Tick, Trade
from domain.position import Position
from domain.protocols import Strategy
from tests.agents.builders import MS, Rig, S, agent_table, instrument


class FakeView:
    """Just a position and a time."""

    def __init__(self, net_lots: int = 0) -> None:
        self.held = Position(net_lots)
        self.now_ns = 0

    def position(self, index: int) -> Position:
        assert index == 0
        return self.held

    def book(self, index: int) -> Any:
        empty = np.empty(0, LEVEL_DTYPE)
        return SimpleNamespace(bids=empty, asks=empty)

    def ask_model(self, features: Any, out: Any) -> int:
        out[:] = (0.2, 0.2, 0.6) if features[4] > 0 else (0.6, 0.2, 0.2)
        return 0

    def observed(self, event: Tick, decision_ppm: int) -> None:
        assert abs(decision_ppm) in (0, 1_000_000)


def tick(number: int, bid: int = 9_990, ask: int = 10_010, bid_lots: int = 50, ask_lots: int = 50) -> Tick:
    now_ns = S + number * 250 * MS
    return Tick(0, now_ns, now_ns, bid, bid_lots, ask, ask_lots, number)


def ask(strategy: Strategy, event: Any, held: int = 0) -> Desire | None:
    return strategy.step(FakeView(held), event)  # type: ignore[arg-type]


def test_all_strategies_are_found() -> None:
    assert sorted(STRATEGIES) == ["learned", "market_maker", "momentum"]


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_a_strategy_keeps_the_contract(name: str) -> None:
    one, other = build(name, {}, instrument()), build(name, {}, instrument())
    assert isinstance(one.config, BaseModel) and one.config.model_config["frozen"]
    with pytest.raises(ValidationError):
        STRATEGIES[name].Config.model_validate({"no_such_field": 1})
    rng, mid = random.Random(7), 10_000
    assert ask(one, Trade(0, 0, 0, 1, 10_000, 5, 1)) is None
    assert ask(one, tick(0, bid=0)) is None and ask(one, tick(0, bid=10_010)) is None
    for number in range(300):
        mid += rng.randrange(-20, 21)
        event = tick(number, mid - 5, mid + 5, rng.randrange(1, 99), rng.randrange(1, 99))
        held = rng.randrange(-5000, 5000)
        wanted = ask(one, event, held)
        if number == 150:
            other.restore(one.state())
        if number > 150:
            assert ask(other, event, held) == wanted, "state is all that a restart needs"
            assert other.state() == one.state()
        if isinstance(wanted, QuoteSet):
            for quote in wanted.quotes:
                assert quote.size_lots > 0 and quote.price_ticks > 0
                assert (
                    quote.price_ticks < event.ask_ticks
                    if quote.side > 0
                    else quote.price_ticks > event.bid_ticks
                )
        elif wanted is not None:
            assert wanted.instrument == 0


def test_an_unknown_strategy_names_the_known_ones() -> None:
    with pytest.raises(KeyError, match="market_maker"):
        check_parameters("no-such", {})


def quotes_of(held: int = 0, **parameters: Any) -> dict[int, tuple[int, int]]:
    maker = MarketMaker(MarketMaker.Config(**parameters), instrument())
    wanted = ask(maker, tick(0), held)
    assert isinstance(wanted, QuoteSet)
    return {quote.side: (quote.price_ticks, quote.size_lots) for quote in wanted.quotes}


@pytest.mark.parametrize(("half_spread_bps", "away"), [(5.0, 5), (20.0, 20), (30.0, 30)])
def test_a_flat_maker_stands_at_its_own_distance_wherever_the_touch_is(
    half_spread_bps: float, away: int
) -> None:
    assert quotes_of(half_spread_bps=half_spread_bps) == {1: (10_000 - away, 5000), -1: (10_000 + away, 5000)}


def test_a_maker_leans_against_its_inventory() -> None:
    settings: dict[str, Any] = {"half_spread_bps": 20.0, "skew_bps": 10.0}
    long, flat, short = (quotes_of(held, **settings) for held in (15_000, 0, -15_000))
    assert long[1][0] < flat[1][0] < short[1][0] and long[-1][0] < flat[-1][0] < short[-1][0]


def spread_after(mids: list[int], **parameters: Any) -> tuple[int, int]:
    """Give how far bid and ask stand from the last mid."""
    maker = MarketMaker(MarketMaker.Config(half_spread_bps=10.0, **parameters), instrument())
    wanted = [ask(maker, tick(number, mid - 10, mid + 10)) for number, mid in enumerate(mids)][-1]
    assert isinstance(wanted, QuoteSet)
    bid, offer = (quote.price_ticks for quote in wanted.quotes)
    return mids[-1] - bid, offer - mids[-1]


def test_a_maker_stands_wider_where_the_market_moves() -> None:
    still = [10_000] * 80
    restless = [10_000 + 10 * (number // 4 % 2) for number in range(76)] + [10_000] * 4
    settings = {"fair_s": 0.0, "volatility_multiple": 1.0}
    assert spread_after(still, **settings) == (10, 10)
    assert min(spread_after(restless, **settings)) > 15
    assert spread_after(restless, fair_s=0.0, volatility_multiple=0.0) == (10, 10)


def test_a_maker_does_not_trust_a_jump_on_either_side() -> None:
    bid_away, ask_away = spread_after([10_000] * 20 + [10_020], fair_s=1.0, volatility_multiple=0.0)
    assert ask_away in (10, 11) and 20 < bid_away < 30
    assert spread_after([10_000] * 20 + [10_020], fair_s=0.0, volatility_multiple=0.0)[0] in (10, 11)


def test_a_maker_at_its_bound_quotes_one_side() -> None:
    assert list(quotes_of(30_000)) == [-1] and list(quotes_of(-30_000)) == [1]


def test_a_maker_requotes_no_more_often_than_told() -> None:
    maker = MarketMaker(MarketMaker.Config(requote_ms=500), instrument())
    answers = [ask(maker, tick(number)) is not None for number in range(5)]
    assert answers == [True, False, True, False, True]


def test_a_maker_too_small_for_the_venue_wants_nothing() -> None:
    maker = MarketMaker(MarketMaker.Config(order_notional=5.0), instrument())
    assert ask(maker, tick(0)) is None


def trend(momentum: Momentum, prices: list[int], held: int = 0) -> list[TargetPosition]:
    wanted = [ask(momentum, tick(number, price - 1, price + 1), held) for number, price in enumerate(prices)]
    return [each for each in wanted if isinstance(each, TargetPosition)]


def momentum(**parameters: Any) -> Momentum:
    return Momentum(MomentumConfig(**parameters), instrument())


def test_momentum_follows_a_trend_and_goes_flat_when_it_dies() -> None:
    up = [10_000] * 4 + list(range(10_000, 10_200, 5)) + [10_200] * 800
    lots = [wanted.position_lots for wanted in trend(momentum(), up)]
    assert lots[0] == 0 and lots[45] > 9_000 and lots[-1] == 0
    down = [20_000 - price for price in up]
    assert trend(momentum(), down)[45].position_lots < -9_000


UP = list(range(10_000, 10_400, 10))


def test_momentum_never_takes_an_entry() -> None:
    wanted = trend(momentum(patience_s=1.0), UP)
    assert wanted[-1].position_lots > 0
    assert {each.urgency for each in wanted} == {Urgency.NORMAL}


def test_momentum_leaves_patiently_and_then_takes() -> None:
    strategy = momentum(patience_s=1.0)
    trend(strategy, UP, held=9_000)
    down = list(range(10_390, 9_990, -10)) + [9_990] * 40
    wanted = [
        ask(strategy, tick(40 + number, mid - 1, mid + 1), held=9_000) for number, mid in enumerate(down)
    ]
    exits = [each for each in wanted if isinstance(each, TargetPosition) and each.position_lots <= 0]
    assert {each.position_lots for each in exits} == {0}, "it turns round by way of flat"
    assert [each.urgency for each in exits[:6]] == [Urgency.NORMAL] * 4 + [Urgency.TAKE] * 2


def test_momentum_does_not_chase_a_size_that_only_drifted() -> None:
    assert trend(momentum(), list(range(10_000, 10_400, 10)), held=7_000)[-1].position_lots == 7_000


@pytest.mark.parametrize("wrong", [{"fast_s": 9.0, "slow_s": 9.0}, {"enter_bps": 1.0, "leave_bps": 1.0}])
def test_momentum_refuses_averages_and_thresholds_out_of_order(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="must be below"):
        MomentumConfig.model_validate(wrong)


def test_both_trade_at_a_sensible_rate_in_a_lively_market() -> None:
    r = Rig(
        agent_table(1, "market_maker", parameters={"order_notional": 200.0}),
        agent_table(2, "momentum", symbol="ETHUSDT", parameters={"position_notional": 200.0}),
    )
    r.start()
    rng, mids, drift = random.Random(5), [10_000.0, 10_000.0], 0.0
    for step in range(600):
        drift = 0.9 * drift + rng.gauss(0, 0.4)
        for index in (0, 1):
            mids[index] += rng.gauss(0, 0.7) + drift
            mid = round(mids[index])
            r.tick(mid - 1, mid + 1, index, lots=rng.randrange(10, 100))
        r.wait(0.1)
        if step % 10 == 0:
            hit(r, rng.choice((1, -1)))
    fills = {one.agent: one.fills for one in r.node.report(0).agents}
    sends = sum(isinstance(action, SendOrder) for action in r.log)
    assert 10 <= fills[1] <= 200 and 3 <= fills[2] <= 120
    assert sends < 700 and r.node.report(0).reconciled


def hit(r: Rig, side: int) -> None:
    """Let a taker meet our best order of a side."""
    standing = [o for o in r.venue.orders.values() if o.state <= 2 and o.intent.side == side]
    for order in standing[:1]:
        for event in r.venue.fill(order.client_id, order.left, r.now_ns):
            r.step(event)
