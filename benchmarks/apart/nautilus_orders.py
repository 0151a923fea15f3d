"""The load of the `orders` case through nautilus_trader's backtest engine; runs in `.venv-peers` only."""

# mypy: disable-error-code="import-not-found"

from __future__ import annotations

import gc
import json
import sys
import warnings
from decimal import Decimal

from nautilus_trader import __version__
from nautilus_trader.backtest.config import BacktestEngineConfig
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.cache.config import CacheConfig
from nautilus_trader.common.config import LoggingConfig
from nautilus_trader.config import RiskEngineConfig, StrategyConfig
from nautilus_trader.model.currencies import BTC, USDT
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide, OrderStatus
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy

from hw.clock import perf_ns

LADDER = 16
VENUE = Venue("BENCH")
PAIR = InstrumentId(Symbol("BTCUSDT"), VENUE)
SIZE, TOUCH, CROSSING = (Quantity.from_str(lots) for lots in ("0.00010", "1.00000", "2.00000"))
# With a position that goes flat every round the rate was seen to fall by the stretch: hold some, never flat.
HELD = Quantity.from_str("0.10000")
# An order that is made, sent, acknowledged and filled whole has seen four events.
EVENTS_WHOLE = 4


def price(ticks: int) -> Price:
    """Give ticks of a cent as a price."""
    return Price(ticks / 100, 2)


class Ladder(Strategy):  # type: ignore[misc]
    """Quote both sides of every touch; a crossing quote moves one price level, so all quotes share one."""

    def on_start(self) -> None:
        """Ask for ticks."""
        self.subscribe_quote_ticks(PAIR)
        self.holding = False

    def on_quote_tick(self, tick: QuoteTick) -> None:
        """Answer ticks, but not the crossing ones that fill."""
        if tick.bid_size != TOUCH:
            return
        if not self.holding:
            self.holding = True
            self.submit_order(self.order_factory.market(PAIR, OrderSide.BUY, HELD))
        limit = self.order_factory.limit
        for _ in range(LADDER // 2):
            self.submit_order(limit(PAIR, OrderSide.BUY, SIZE, tick.bid_price, post_only=True))
            self.submit_order(limit(PAIR, OrderSide.SELL, SIZE, tick.ask_price, post_only=True))


def quote(bid: int, ask: int, size: Quantity, ts_ns: int) -> QuoteTick:
    """Build a quote."""
    return QuoteTick(PAIR, price(bid), price(ask), size, size, ts_ns, ts_ns)


def ticks(first: int, rounds: int) -> list[QuoteTick]:
    """Give a touch to quote at, then one quote through the bids and one through the asks."""
    found = []
    for number in range(first, first + rounds):
        bid, ts_ns = 6_800_000 + number % 7, number * 3_000_000
        found += [
            quote(bid, bid + 2, TOUCH, ts_ns),
            quote(bid - 3, bid - 1, CROSSING, ts_ns + 1_000_000),
            quote(bid + 3, bid + 5, CROSSING, ts_ns + 2_000_000),
        ]
    return found


def engine() -> BacktestEngine:
    """Build a venue without fees and a risk engine that checks everything but bounds only madness."""
    risk = RiskEngineConfig(
        max_order_submit_rate="1000000/00:00:01", max_notional_per_order={str(PAIR): 1_000_000}
    )
    built = BacktestEngine(
        BacktestEngineConfig(
            logging=LoggingConfig(bypass_logging=True),
            cache=CacheConfig(tick_capacity=16),
            risk_engine=risk,
            run_analysis=False,
        )
    )
    balances = [Money(1_000_000, USDT), Money(100, BTC)]
    built.add_venue(VENUE, OmsType.NETTING, AccountType.MARGIN, balances)
    free = Decimal(0)
    built.add_instrument(
        CurrencyPair(
            instrument_id=PAIR,
            raw_symbol=Symbol("BTCUSDT"),
            base_currency=BTC,
            quote_currency=USDT,
            price_precision=2,
            size_precision=5,
            price_increment=Price.from_str("0.01"),
            size_increment=Quantity.from_str("0.00001"),
            ts_event=0,
            ts_init=0,
            maker_fee=free,
            taker_fee=free,
            margin_init=free,
            margin_maint=free,
        )
    )
    built.add_strategy(Ladder(StrategyConfig(log_events=False, log_commands=False)))
    return built


def measure(rounds: int) -> float:
    """Give orders per second, each acknowledged and filled: the best of five stretches."""
    built, stretches = engine(), []
    for stretch in range(6):
        built.add_data(ticks(stretch * rounds, rounds))
        began_ns = perf_ns()
        built.run(streaming=True)
        stretches.append(rounds * LADDER / (perf_ns() - began_ns) * 1e9)
        built.clear_data()
        orders = [order for order in built.cache.orders() if order.is_post_only]
        assert len(orders) == rounds * LADDER
        assert all(o.status == OrderStatus.FILLED and o.event_count == EVENTS_WHOLE for o in orders)
        built.cache.purge_closed_orders(1 << 62)
        if stretch == 0:
            gc.collect()
            gc.freeze()
            gc.disable()
    return max(stretches[1:])


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps({"version": __version__, "orders_per_s": round(measure(int(sys.argv[1])))}), flush=True)
