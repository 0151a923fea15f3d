"""What every market's quote currency is worth in the currency of the reports."""

from __future__ import annotations

from agents.market import Market


class Rates:
    """Pair each market quoted in another currency with the one that converts its quote."""

    def __init__(self, reporting: str, markets: dict[int, Market]) -> None:
        self._pairs: list[tuple[Market, Market]] = []
        for market in markets.values():
            if market.instrument.quote == reporting:
                market.risk.rate_num = 1
                continue
            wanted = (market.instrument.quote, reporting)
            through = [m for m in markets.values() if (m.instrument.base, m.instrument.quote) == wanted]
            through.sort(key=lambda m: m.account is not market.account)
            if through:
                self._pairs.append((market, through[0]))
        self._through = tuple({each.instrument.index: each for _, each in self._pairs}.values())

    def follow(self) -> None:
        """Take the rates from the markets as they are."""
        for market in self._through:
            market.touch()
        for market, through in self._pairs:
            risk, other = market.risk, through.risk
            if other.bid_ticks > 0 and other.ask_ticks > 0:
                risk.rate_num = (other.bid_ticks + other.ask_ticks) * other.tick_lot_atoms
                risk.rate_den = 2 * other.lot_atoms
