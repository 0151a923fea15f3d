"""Build markets, quotes and tickets for tests of what is believed and risked."""

from __future__ import annotations

from arbitrage.filter.anomaly_filter import AnomalyFilter
from arbitrage.filter.config import FilterConfig
from arbitrage.ticket import Cycle, Hop, Leg, Ticket
from domain.instrument import Instrument

SECOND = 1_000_000_000
MS = 1_000_000
START = 1_700_000_000 * SECOND


def market(
    index: int, venue: str, base: str = "BTC", quote: str = "USDT", fee_ppm: int = 1_000
) -> Instrument:
    """Give a market with ticks of a cent and lots of a thousandth."""
    return Instrument.of(index, venue, base, quote, tick="0.01", lot="0.001", taker_fee_ppm=fee_ppm)


def markets(*named: str) -> list[Instrument]:
    """Give markets from names such as `x:BTC/USDT`."""
    found = []
    for index, name in enumerate(named):
        venue, _, pair = name.partition(":")
        base, _, quote = pair.partition("/")
        found.append(market(index, venue, base, quote))
    return found


class Feed:
    """Quote to a filter at a time that goes on."""

    def __init__(self, *named: str, config: FilterConfig | None = None) -> None:
        self.instruments = markets(*named)
        self.filter = AnomalyFilter(config or FilterConfig(), self.instruments)
        self.now_ns = START

    def wait(self, seconds: float) -> None:
        """Let time go by."""
        self.now_ns += round(seconds * SECOND)

    def quote(self, market: int, mid: float, lots: int = 5_000, spread_ticks: int = 2) -> bool:
        """Quote around a mid."""
        bid = round(mid * 100) - spread_ticks // 2
        return self.filter.touched(market, bid, lots, bid + spread_ticks, lots, self.now_ns)

    def quote_all(self, *mids: float) -> list[bool]:
        """Quote every market."""
        return [self.quote(index, mid) for index, mid in enumerate(mids)]

    def settle(self, *mids: float, rounds: int = 3) -> None:
        """Quote every market and sweep until all is known."""
        for _ in range(rounds):
            self.wait(0.1)
            self.quote_all(*mids)
            self.filter.sweep(self.now_ns)

    def out(self) -> list[int]:
        """List the markets in quarantine."""
        return list(self.filter.quarantined)

    def reason(self, *hops: tuple[int, int], product: float = 1.001) -> str:
        """Check a cycle at once and name why it is refused, nothing where it is not."""
        rejection = self.filter.check(cycle(*hops, product=product), self.now_ns)
        return rejection.reason.name if rejection is not None else ""


def cycle(*hops: tuple[int, int], product: float = 1.001) -> Cycle:
    """Give a cycle of (market, side)."""
    return Cycle(tuple(Hop(*hop) for hop in hops), product)


def ticket(
    *legs: tuple[int, int],
    ticket_id: int = 1,
    detected_ns: int = START,
    in_atoms: int = 1_000_000,
    profit_bps: float = 10.0,
    asset: str = "USDT",
    size_lots: int = 100,
) -> Ticket:
    """Give a ticket of (market, side) legs, each of them one for one, the last with the profit."""
    out_atoms = round(in_atoms * (1 + profit_bps / 10_000))
    amounts = [in_atoms] * len(legs) + [out_atoms]
    made = tuple(
        Leg(market, side, size_lots, 10_000, amounts[place], amounts[place + 1])
        for place, (market, side) in enumerate(legs)
    )
    return Ticket(ticket_id, detected_ns, asset, made, in_atoms, out_atoms, 0, 0)
