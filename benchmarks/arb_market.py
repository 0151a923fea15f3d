"""A market of many books over some venues, and updates of it, for the cases that detect arbitrage.

Every venue quotes its assets in USDT, the larger ones also in USDC, BTC, ETH and EUR. Fees are 1.5 to 10
basis points, spreads 0.2 to 30 and wider the less an asset is traded. Which book updates follows how much
it is traded (Zipf). Of 1,000 updates about 595 re-quote both sides around a fair price that has moved by a
fraction of a basis point, 300 change sizes alone, 100 move one side by a tick, 4 dislocate a book by 10 to 60
basis points until it is quoted afresh some 30 to 300 updates later, and 1 lets a book leave and come back.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from domain.instrument import Instrument

Rows = NDArray[np.int64]
BOOKS, VENUES, ASSETS = 4_200, 20, 670
QUOTES = ("USDT", "USDC", "BTC", "ETH", "EUR")
PRICES = {"USDT": 1.0, "USDC": 1.0, "BTC": 68_000.0, "ETH": 3_400.0, "EUR": 1.08}
# Chance that an asset of a venue is quoted in each, for the most traded one; it falls with the rank.
QUOTED = {"USDT": 1.0, "USDC": 0.8, "BTC": 0.7, "ETH": 0.25, "EUR": 0.35}
NOISE_FRAC, DISLOCATED, LEAVING, ONE_SIDE, SIZE_ONLY = 5e-6, 0.004, 0.001, 0.1, 0.3


class ArbMarket:
    """Hold fair prices and books, and draw updates of them."""

    def __init__(self, books: int = BOOKS, venues: int = VENUES, seed: int = 7) -> None:
        self.draw = np.random.default_rng(seed)
        names = [*QUOTES, *(f"A{number:03}" for number in range(ASSETS - len(QUOTES)))]
        fair = 10 ** self.draw.uniform(-1, 3, ASSETS)
        fair[: len(QUOTES)] = [PRICES[name] for name in QUOTES]
        self.fair = fair
        fees = self.draw.integers(150, 1_000, venues)
        chosen = self._listed(books, venues)
        self.base, self.quote = chosen[:, 1], chosen[:, 2]
        price = fair[self.base] / fair[self.quote]
        self.tick = np.maximum(1e-10, 10.0 ** np.floor(np.log10(price) - 5))
        self.instruments = [
            Instrument.of(
                place,
                f"venue{venue:02}",
                names[base],
                names[quote],
                tick=f"{tick:.10f}".rstrip("0"),
                lot="0.001" if tick > 1e-7 else "1",
                taker_fee_ppm=int(fees[venue]),
            )
            for place, ((venue, base, quote), tick) in enumerate(zip(chosen.tolist(), self.tick, strict=True))
        ]
        rank = np.maximum(self.base, 1.0) * np.where(self.quote == 0, 1.0, 3.0)
        self.spread = np.clip(2e-5 * rank**0.8, 2e-5, 3e-3) * self.draw.uniform(0.7, 1.3, len(chosen))
        weight = 1.0 / rank
        self.weight = weight / weight.sum()

    def _listed(self, books: int, venues: int) -> Rows:
        """Choose which venue quotes what in what, the most traded assets at most venues."""
        listed, more = [], (VENUES / venues) ** 0.25
        for base in range(1, ASSETS):
            places = max(2, int(venues * (base + 1) ** -0.28))
            for venue in self.draw.permutation(venues)[:places]:
                for quote, name in enumerate(QUOTES):
                    chance = QUOTED[name] * (1.0 if quote == 0 else more * (base + 1) ** -0.25)
                    if (
                        base != quote
                        and (base >= len(QUOTES) or base > quote)
                        and self.draw.random() < chance
                    ):
                        listed.append((int(venue), base, quote))
        assert len(listed) >= books, f"{len(listed)} books are listed"
        return np.array(listed[:books], np.int64)

    def quotes(self, markets: Rows, shift: NDArray[np.float64]) -> Rows:
        """Quote markets around their fair price, off by a fraction."""
        middle = self.fair[self.base[markets]] / self.fair[self.quote[markets]] * (1.0 + shift)
        half = middle * self.spread[markets] / 2
        rows = np.zeros((len(markets), 6), np.int64)
        rows[:, 0] = markets
        rows[:, 1] = np.maximum(1, np.floor((middle - half) / self.tick[markets]))
        rows[:, 3] = np.maximum(rows[:, 1] + 1, np.ceil((middle + half) / self.tick[markets]))
        rows[:, [2, 4]] = self.draw.integers(1, 10_000, (len(markets), 2))
        return rows

    def opening(self) -> Rows:
        """Quote every market once, in no order."""
        markets = self.draw.permutation(len(self.instruments))
        return self.quotes(markets, np.zeros(len(markets)))

    def updates(self, count: int) -> Rows:
        """Draw updates in the mix that this module states; the touch before each is what was opened."""
        last = np.zeros((len(self.instruments), 6), np.int64)
        opened = self.quotes(np.arange(len(last)), np.zeros(len(last)))
        last[:] = opened
        rows = np.zeros((count, 6), np.int64)
        markets = self.draw.choice(len(last), count, p=self.weight)
        kinds, moves = self.draw.random(count), self.draw.normal(0, NOISE_FRAC, count)
        due: dict[int, list[int]] = {}
        for i in range(count):
            waiting = due.pop(i, [])
            market, kind = (waiting.pop(), 1.0) if waiting else (int(markets[i]), float(kinds[i]))
            if waiting:
                due.setdefault(i + 1, []).extend(waiting)
            rows[i] = self._update(last, market, kind, float(moves[i]))
            if kind < DISLOCATED + LEAVING:
                due.setdefault(i + int(self.draw.integers(30, 300)), []).append(market)
            if rows[i, 1] != 0:
                last[market] = rows[i]
        return rows

    def _update(self, last: Rows, market: int, kind: float, move: float) -> Rows:
        """Draw one update of a market."""
        row: Rows = last[market].copy()
        if kind < LEAVING:
            row[1:5] = 0
        elif kind < LEAVING + DISLOCATED:
            shift = self.draw.choice([-1, 1]) * self.draw.uniform(1e-3, 6e-3)
            row = self.quotes(np.array([market]), np.array([shift]))[0]
        elif kind < LEAVING + DISLOCATED + ONE_SIDE:
            side = 1 if self.draw.random() < 0.5 else 3
            row[side] += self.draw.choice([-1, 1])
            if row[1] >= row[3]:
                row[1] = row[3] - 1
            row[1] = max(row[1], 1)
        elif kind < LEAVING + DISLOCATED + ONE_SIDE + SIZE_ONLY:
            row[[2, 4]] = self.draw.integers(1, 10_000, 2)
        else:
            self.fair[self.base[market]] *= 1.0 + move
            row = self.quotes(np.array([market]), np.array([move]))[0]
        return row
