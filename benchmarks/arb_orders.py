"""A touch that opens an arbitrage to the signed bytes of every leg: the whole node, in process and warm."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from decimal import ROUND_DOWN, Decimal
from typing import Any

import numpy as np

from agents.config import RegionConfig
from agents.node import Node
from benchmarks.result import Result
from domain.actions import Action, SendOrder
from domain.control_events import Clocked, LeaseGranted, NodeStarted
from domain.events import Event
from domain.instrument import Instrument
from domain.market_events import BookSnapshot, FeedUp, MarketRows, Tick
from domain.order_events import AccountSnapshot, Fill, OrderAcked, OrderLinkUp
from domain.units import fee_atoms
from hw.clock import perf_ns
from hw.gc_policy import GcPolicy
from market.rows import rows_of
from market.venues.binance.signing import OrderWire

CASE = "arb_orders"
BAR = {"p99_us": ("<=", 100.0)}
KEY, SECRET = "k" * 64, "s" * 64
VENUES, SYMBOLS = ("a-x", "b-x", "c-x"), ("BTCUSDT", "ETHUSDT", "ETHBTC")
MIDS = (6_800_000, 340_000, 5_000)
LEVELS, WARM, FEE_PPM, MS = 20, 300, 100, 1_000_000
START_NS = 1_000_000_000_000
# Which market opens a gap in turns, and the bid and ask that do it: between venues, and around a triangle.
GAPS = ((3, 6_830_000, 6_830_200), (2, 4_960, 4_961), (7, 341_800, 341_802), (0, 6_768_000, 6_768_200))


def region() -> RegionConfig:
    """Build a node with one group over three venues of three markets."""
    url = "127.0.0.1:1"
    venues = [
        {
            "name": name,
            "rest_url": f"http://{url}",
            "stream_url": f"ws://{url}",
            "api_url": f"ws://{url}",
            "account": "bench",
            "api_key_env": "K",
            "api_secret_env": "S",
            "symbols": SYMBOLS,
        }
        for name in VENUES
    ]
    wide: dict[str, Any] = {"messages_per_s": 1_000_000, "messages_burst": 1_000_000}
    agent: dict[str, Any] = {"name": "idle", "shard": 1, "strategy": "momentum", "venue": VENUES[0]}
    agent |= {"symbol": "BTCUSDT", "parameters": {"enter_bps": 10_000.0}}
    group = {
        "name": "bench",
        "shard": 100,
        "capital": 500_000,
        "losses": {"USDT": 5_000},
        "limits": {**wide, "order_notional_max": 20_000, "position_notional_max": 100_000, "collar_bps": 500},
        # The same gaps again and again, in no time: neither what they pile up nor that they last is the case.
        "inventory": {"slope_bps": 0.0},
        "filter": {"gone_ms": 1.0},
        "reach_us": {"bench": dict.fromkeys(VENUES, 500)},
    }
    return RegionConfig.model_validate(
        {
            "node": "bench-1",
            "region": "bench",
            "coordinator": {"address": "inproc://none"},
            "venues": venues,
            "agents": [agent],
            "arbitrage": [group],
            "limits": {**wide, "gross_notional_max": 100_000_000},
            "market": {"age_s": 3_600},
            "authority": {"reconcile_s": 3_600},
        }
    )


def instruments() -> tuple[Instrument, ...]:
    """List three markets at each of three venues."""
    found: list[Instrument] = []
    for venue in VENUES:
        for base, quote, tick, lot in (
            ("BTC", "USDT", "0.01", "0.00001"),
            ("ETH", "USDT", "0.01", "0.0001"),
            ("ETH", "BTC", "0.00001", "0.0001"),
        ):
            found.append(
                Instrument.of(len(found), venue, base, quote, tick=tick, lot=lot, taker_fee_ppm=FEE_PPM)
            )
    return tuple(found)


def levels(bid: int, ask: int, lots: int) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
    """Give twenty levels a side."""
    step = max(1, bid // 100_000)
    return (
        tuple((bid - place * step, lots + place) for place in range(LEVELS)),
        tuple((ask + place * step, lots + place) for place in range(LEVELS)),
    )


class Rig:
    """A started node, and venues that fill every leg whole at its price."""

    def __init__(self) -> None:
        self.instruments = instruments()
        self.node, self.now_ns, self.trades = Node(region(), self.instruments), START_NS, 0
        balances = dict.fromkeys(("BTC", "ETH", "USDT"), (10**18, 0))
        self.step(NodeStarted(self.now_ns, "", ""))
        for venue in VENUES:
            self.step(OrderLinkUp(venue, self.now_ns))
            self.step(AccountSnapshot(venue, self.now_ns, balances, (), ()))
            self.step(FeedUp(venue, self.now_ns))
        for each in self.instruments:
            mid = MIDS[each.index % 3]
            sides = levels(mid - 1, mid + 1, self.lots(each.index))
            self.step(BookSnapshot(each.index, self.now_ns, self.now_ns, 1, *sides))
        self.step(LeaseGranted(self.now_ns, 1, 1 << 62, 10**18))

    @staticmethod
    def lots(index: int) -> int:
        """Give the size of a level: some thousand dollars' worth."""
        return (5_000, 10_000, 10_000)[index % 3]

    def step(self, event: Event) -> list[Action]:
        """Step the node."""
        return self.node.step(event)

    def rows(self, index: int, bid: int, ask: int) -> MarketRows:
        """Make a touch of now, as a feed tells it."""
        lots, at = self.lots(index), self.now_ns
        return MarketRows(at, rows_of(Tick(index, at, at, bid, lots, ask, lots, at)))

    def refresh(self) -> None:
        """Let every market be heard of at its middle, and a clock event come."""
        for each in self.instruments:
            self.back(each.index)
        self.now_ns += 50 * MS
        self.step(Clocked(self.now_ns))

    def back(self, index: int) -> None:
        """Let a market go back to its middle."""
        mid = MIDS[index % 3]
        self.now_ns += 10 * MS
        self.step(self.rows(index, mid - 1, mid + 1))

    def fill(self, sent: list[SendOrder]) -> None:
        """Acknowledge and fill every leg."""
        self.now_ns += MS
        for action in sent:
            intent = action.approved.intent
            market = self.instruments[intent.instrument]
            base = intent.size_lots * market.lot_atoms
            notional = market.notional_atoms(intent.price_ticks, intent.size_lots)
            got, asset = (base, market.base) if intent.side > 0 else (notional, market.quote)
            self.trades += 1
            number, fee = action.client_id, fee_atoms(got, FEE_PPM)
            self.step(OrderAcked(number, self.now_ns, self.trades))
            self.step(
                Fill(
                    number, self.now_ns, intent.instrument, self.trades, self.trades, intent.side,
                    intent.price_ticks, intent.size_lots, fee, asset, False, self.now_ns,
                )
            )  # fmt: skip
            self.node.markets[intent.instrument].trades.complete(self.trades)


def ours(count: int) -> list[int]:
    """Time touch → graph → filter → size → check → saga → gate → signed frames."""
    rig, policy, times, legs = Rig(), GcPolicy(), [], 0
    wires = {venue: OrderWire(rig.instruments, KEY, SECRET) for venue in VENUES}
    for _ in range(8):
        rig.refresh()
    for number in range(WARM + count):
        if number == WARM:
            policy.freeze()
        gap = GAPS[number % len(GAPS)]
        event = rig.rows(*gap)
        frames: list[bytes] = []
        began_ns = perf_ns()
        actions = rig.node.step(event)
        for action in actions:
            if type(action) is SendOrder:
                intent = action.approved.intent
                wire = wires[rig.instruments[intent.instrument].venue]
                frames.append(wire.place(number, action.client_id, intent, rig.now_ns // MS))
        times.append(perf_ns() - began_ns)
        sent = [action for action in actions if isinstance(action, SendOrder)]
        assert len(frames) in (2, 3) and all(frames), rig.node.groups[0].ring.counts
        legs += len(frames)
        rig.fill(sent)
        assert not rig.node.groups[0].execution.sagas.living
        rig.back(gap[0])
        if number % 8 == 0:
            rig.refresh()
        if number % 100 == 0:
            policy.collect_when_idle()
    policy.release()
    assert rig.node.desk.fills == legs
    return times[WARM:]


class Naive:
    """What the usual bot does: prices in Decimal, every cycle tried, a size walked level by level."""

    def __init__(self) -> None:
        self.known = instruments()
        self.books: dict[int, tuple[list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]] = {}
        self.keep = 1 - Decimal(FEE_PPM) / 1_000_000
        self.cycles = self._cycles()

    def _cycles(self) -> list[tuple[tuple[int, int], ...]]:
        """List every two markets that are the same at two venues, and both ways around every triangle."""
        found: list[tuple[tuple[int, int], ...]] = []
        for one in self.known:
            for other in self.known:
                if one.symbol == other.symbol and one.venue != other.venue:
                    found.append(((one.index, 1), (other.index, -1)))
        for place in range(0, len(self.known), 3):
            btc, eth, cross = place, place + 1, place + 2
            found += [((btc, 1), (cross, 1), (eth, -1)), ((eth, 1), (cross, -1), (btc, -1))]
        return found

    def hear(self, index: int, bid: int, ask: int, lots: int) -> None:
        """Take a book as strings made it."""
        each, sides = self.known[index], levels(bid, ask, lots)
        bids, asks = (
            [(Decimal(each.tick.text(price)), Decimal(each.lot.text(size))) for price, size in side]
            for side in sides
        )
        self.books[index] = bids, asks

    def best(self) -> tuple[tuple[int, int], ...] | None:
        """Multiply every cycle out at the touch."""
        found, most = None, Decimal(1)
        for cycle in self.cycles:
            product = Decimal(1)
            for index, side in cycle:
                bids, asks = self.books[index]
                product *= self.keep / asks[0][0] if side > 0 else bids[0][0] * self.keep
            if product > most:
                found, most = cycle, product
        return found

    def orders(self, cycle: tuple[tuple[int, int], ...]) -> list[dict[str, str]]:
        """Size by the thinnest touch, and write every leg."""
        sizes, amount = [], None
        for index, side in cycle:
            bids, asks = self.books[index]
            price, size = (asks if side > 0 else bids)[0]
            given = price * size if side > 0 else size
            amount = given if amount is None else min(amount, given)
            got = amount / price * self.keep if side > 0 else amount * price * self.keep
            sizes.append((index, side, price, amount / price if side > 0 else amount))
            amount = got
        return [
            {
                "symbol": self.known[index].symbol,
                "side": "BUY" if side > 0 else "SELL",
                "type": "LIMIT",
                "timeInForce": "IOC",
                "price": str(price),
                "quantity": str(size.quantize(Decimal(self.known[index].lot.text(1)), ROUND_DOWN)),
                "newClientOrderId": uuid.uuid4().hex,
            }
            for index, side, price, size in sizes
        ]


def plain(count: int) -> list[int]:
    """Time the usual way: Decimal books, every cycle tried, and ccxt's own signing of each leg."""
    import ccxt

    exchange: Any = ccxt.binance({"apiKey": KEY, "secret": SECRET})
    bot, policy, times = Naive(), GcPolicy(), []
    for each in bot.known:
        mid = MIDS[each.index % 3]
        bot.hear(each.index, mid - 1, mid + 1, Rig.lots(each.index))
    for number in range(WARM + count):
        if number == WARM:
            policy.freeze()
        index, bid, ask = GAPS[number % len(GAPS)]
        began_ns = perf_ns()
        bot.hear(index, bid, ask, Rig.lots(index))
        cycle = bot.best()
        assert cycle is not None
        signed = [exchange.sign("order", ["private"], "POST", order) for order in bot.orders(cycle)]
        times.append(perf_ns() - began_ns)
        assert all("signature=" in each["body"] for each in signed)
        mid = MIDS[index % 3]
        bot.hear(index, mid - 1, mid + 1, Rig.lots(index))
        if number % 100 == 0:
            policy.collect_when_idle()
    policy.release()
    return times[WARM:]


def percentiles(measured: Callable[[int], list[int]], count: int) -> dict[str, float]:
    """Give median and 99th percentile in microseconds."""
    p50, p99 = np.percentile(np.array(measured(count)), (50, 99)) / 1_000
    return {"p50_us": round(float(p50), 2), "p99_us": round(float(p99), 2)}


def run(quick: bool) -> Result:
    """Measure both in this process."""
    count = 500 if quick else 4_000
    metrics, peer = percentiles(ours, count), percentiles(plain, count)
    return Result(
        CASE,
        metrics,
        "p99_us <= 100",
        metrics["p99_us"] <= BAR["p99_us"][1],
        peer="a Decimal bot + ccxt sign() of every leg",
        peer_metrics=peer,
        ratio=round(peer["p50_us"] / metrics["p50_us"], 2),
        note="two and three legs in turns, books of 20 levels; the peer asks for no filter, risk or journal",
    )
