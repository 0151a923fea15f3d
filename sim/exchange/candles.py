"""Bars of what traded: seconds, minutes, hours and days are kept, up to a bound; others are made of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from sim.exchange.messages import PublicTrade

SECOND_NS = 1_000_000_000
MINUTE_NS, HOUR_NS, DAY_NS = 60 * SECOND_NS, 3_600 * SECOND_NS, 86_400 * SECOND_NS
# The epoch was a Thursday; weeks begin on Monday.
_MONDAY_NS = 4 * DAY_NS
KEPT = {SECOND_NS: 600, MINUTE_NS: 1_500, HOUR_NS: 1_000, DAY_NS: 1_000}
SPANS = tuple(KEPT)


@dataclass(frozen=True)
class Interval:
    """One length of bars; `span_ns` is 0 for calendar months."""

    name: str
    span_ns: int
    base_ns: int
    offset_ns: int = 0

    def open_ns(self, at_ns: int) -> int:
        """Give when the bar that covers a time opens."""
        if self.span_ns > 0:
            return at_ns - (at_ns - self.offset_ns) % self.span_ns
        day = datetime.fromtimestamp(at_ns // SECOND_NS, UTC)
        return int(datetime(day.year, day.month, 1, tzinfo=UTC).timestamp()) * SECOND_NS

    def next_ns(self, open_ns: int) -> int:
        """Give when the bar after this one opens."""
        if self.span_ns > 0:
            return open_ns + self.span_ns
        return self.open_ns(open_ns + 32 * DAY_NS)


def _intervals() -> dict[str, Interval]:
    units = {"s": SECOND_NS, "m": MINUTE_NS, "h": HOUR_NS, "d": DAY_NS}
    names = ["1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d"]
    found = {name: Interval(name, int(name[:-1]) * units[name[-1]], units[name[-1]]) for name in names}
    found["1w"] = Interval("1w", 7 * DAY_NS, DAY_NS, _MONDAY_NS)
    found["1M"] = Interval("1M", 0, DAY_NS)
    return found


INTERVALS = _intervals()


class Candle:
    """What traded within one bar. Notionals are sums of price × lots."""

    __slots__ = (
        "count",
        "first",
        "first_id",
        "high",
        "last",
        "last_id",
        "lots",
        "low",
        "notional",
        "open_ns",
        "taker_lots",
        "taker_notional",
    )

    def __init__(self, open_ns: int, price_ticks: int, trade_id: int = -1) -> None:
        self.open_ns = open_ns
        self.first = self.last = self.high = self.low = price_ticks
        self.first_id = self.last_id = trade_id
        self.count = self.lots = self.notional = self.taker_lots = self.taker_notional = 0

    def add(self, trade: PublicTrade) -> None:
        """Count a trade."""
        price, lots = trade.price_ticks, trade.size_lots
        self.last, self.last_id = price, trade.trade_id
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.count += 1
        self.lots += lots
        self.notional += price * lots
        if not trade.buyer_is_maker:
            self.taker_lots += lots
            self.taker_notional += price * lots

    def join(self, later: Candle) -> None:
        """Count everything of a later bar."""
        self.last, self.last_id = later.last, later.last_id
        self.high, self.low = max(self.high, later.high), min(self.low, later.low)
        self.count += later.count
        self.lots += later.lots
        self.notional += later.notional
        self.taker_lots += later.taker_lots
        self.taker_notional += later.taker_notional

    def copy(self, open_ns: int) -> Candle:
        """Begin a longer bar with this one."""
        bar = Candle(open_ns, self.first, self.first_id)
        bar.high, bar.low = self.high, self.low
        bar.join(self)
        return bar


class Candles:
    """Keep every market's bars, those without a trade left out until they are asked for."""

    def __init__(self, markets: int, last_ticks: Callable[[int], int]) -> None:
        self._last_ticks = last_ticks
        self._bars: list[tuple[deque[Candle], ...]] = [
            tuple(deque(maxlen=kept) for kept in KEPT.values()) for _ in range(markets)
        ]

    def add(self, trade: PublicTrade) -> None:
        """Count a trade."""
        at_ns = trade.now_ns
        for bars, span_ns in zip(self._bars[trade.instrument], SPANS, strict=True):
            if not bars or bars[-1].open_ns + span_ns <= at_ns:
                bars.append(Candle(at_ns - at_ns % span_ns, trade.price_ticks, trade.trade_id))
            bars[-1].add(trade)

    def last_ticks(self, market: int) -> int:
        """Give the last price; before the first trade that is the start price."""
        return self._last_ticks(market)

    def since(self, market: int, base_ns: int, from_ns: int) -> list[Candle]:
        """List the kept bars of one length that opened at a time or later."""
        bars = self._bars[market][SPANS.index(base_ns)]
        found: list[Candle] = []
        for bar in reversed(bars):
            if bar.open_ns < from_ns:
                break
            found.append(bar)
        found.reverse()
        return found

    def bars(
        self,
        market: int,
        interval: Interval,
        now_ns: int,
        from_ns: int | None,
        until_ns: int | None,
        limit: int,
    ) -> list[Candle]:
        """List bars ascending, empty ones filled in: the first from a time on, or the latest."""
        if from_ns is not None and from_ns > now_ns:
            return []
        last_ns = interval.open_ns(now_ns if until_ns is None else min(now_ns, until_ns))
        first_ns = self._first_ns(interval, last_ns, from_ns, limit)
        kept = self._bars[market][SPANS.index(interval.base_ns)]
        known = self.since(market, interval.base_ns, first_ns)
        older = len(kept) - len(known)
        if older > 0:
            start = Candle(first_ns, kept[older - 1].last)
        elif known:
            start = Candle(interval.open_ns(known[0].open_ns), known[0].first)
        else:
            # Nothing traded yet: only the open bar is shown.
            start = Candle(interval.open_ns(now_ns), self.last_ticks(market))
            limit = limit if first_ns <= start.open_ns else 0
        return list(islice(_filled(start, merged(known, interval), interval, last_ns), limit))

    def total(self, market: int, base_ns: int, from_ns: int) -> Candle | None:
        """Sum all bars of one length since a time; `None` where nothing traded."""
        bars = self.since(market, base_ns, from_ns)
        if not bars:
            return None
        whole = bars[0].copy(bars[0].open_ns)
        for bar in bars[1:]:
            whole.join(bar)
        return whole

    def _first_ns(self, interval: Interval, last_ns: int, from_ns: int | None, limit: int) -> int:
        if from_ns is not None:
            first_ns = interval.open_ns(from_ns)
            return first_ns if first_ns >= from_ns else interval.next_ns(first_ns)
        span_ns = interval.span_ns if interval.span_ns > 0 else 31 * DAY_NS
        return interval.open_ns(max(0, last_ns - (limit - 1) * span_ns))


def merged(bars: Iterable[Candle], interval: Interval) -> list[Candle]:
    """Join short bars into longer ones."""
    found: list[Candle] = []
    for bar in bars:
        open_ns = interval.open_ns(bar.open_ns)
        if found and found[-1].open_ns == open_ns:
            found[-1].join(bar)
        else:
            found.append(bar.copy(open_ns))
    return found


def _filled(start: Candle, bars: Iterable[Candle], interval: Interval, last_ns: int) -> Iterator[Candle]:
    """Give bars without a gap, from where `start` opens; its price is that of the bars before the first."""
    at_ns, price = start.open_ns, start.last
    for bar in bars:
        while at_ns < min(bar.open_ns, last_ns + 1):
            yield Candle(at_ns, price)
            at_ns = interval.next_ns(at_ns)
        if bar.open_ns > last_ns:
            return
        yield bar
        at_ns, price = interval.next_ns(bar.open_ns), bar.last
    while at_ns <= last_ns:
        yield Candle(at_ns, price)
        at_ns = interval.next_ns(at_ns)
