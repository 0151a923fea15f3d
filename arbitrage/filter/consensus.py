"""What every asset is worth by all markets together, and how far one market is from that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

import msgspec

from arbitrage.filter.quotes import Quotes
from domain.instrument import Instrument

OBSERVATIONS_MAX = 32  # a median of more says no more, and costs
NOTHING_BPS = 1e9  # how far off is what has no meaningful distance

# A market, whether the asset is its quote, and the other asset.
Observation = tuple[int, bool, int]
# Two markets whose mids' ratio tells one stable coin in another; -1 stands for one.
Ratio = tuple[int, int]


class _State(msgspec.Struct, array_like=True):
    worth: list[float]
    mad_bps: list[float]
    count: list[int]
    told_ns: list[int]


class Consensus:
    """Value every asset in one anchor by the median over the markets that tell it.

    The anchor is the first stable coin that is traded. The other coins of its peg are valued in it by the
    ratios of mids, never by their name: by their own market, and by what the same base costs in both. Then
    assets are ranked by their distance in markets from those, and an asset is valued only by markets
    against assets that are nearer, so that no value rests on itself. Memory: up to 32 observations an asset.
    """

    def __init__(
        self,
        instruments: Sequence[Instrument],
        quotes: Quotes,
        pegs: Mapping[str, tuple[str, ...]],
        age_ns: int,
        sound: Sequence[int],
    ) -> None:
        self._quotes, self._age_ns, self._sound = quotes, age_ns, sound
        self.assets = list(dict.fromkeys(asset for each in instruments for asset in (each.base, each.quote)))
        self.index = index = {asset: place for place, asset in enumerate(self.assets)}
        self.base = [index[each.base] for each in instruments]
        self.quote = [index[each.quote] for each in instruments]
        self.pegs = [members for names in pegs.values() if (members := _places(names, index))]
        anchor = (
            self.pegs[0][0] if self.pegs else (max(self.quote, key=self.quote.count) if self.quote else -1)
        )
        self._ratios = dict[int, tuple[int, list[Ratio]]]()
        if self.pegs and self.pegs[0][0] == anchor:
            self._link(self.pegs[0])
        rank = self._ranked([anchor, *self._ratios])
        venues = [each.venue for each in instruments]
        self.seen = self._observed(rank, venues)
        self.priced = [_priced(rank, base, quote) for base, quote in zip(self.base, self.quote, strict=True)]
        self._own = self._told_by()
        self.worth = [1.0 if asset == anchor else 0.0 for asset in range(len(self.assets))]
        self.mad_bps = [0.0] * len(self.assets)
        self.count = [0] * len(self.assets)
        self.told_ns = [0] * len(self.assets)

    def update(self, asset: int, now_ns: int) -> None:
        """Value one asset anew; where nothing tells it now, it keeps what it was worth, with a count of 0."""
        self.told_ns[asset] = now_ns
        parent, ratios = self._ratios.get(asset, (-1, []))
        values = self._by_ratio(parent, ratios, now_ns) if ratios else self._by_market(asset, now_ns)
        self.count[asset] = len(values)
        if values:
            values.sort()
            middle = self.worth[asset] = _median(values)
            far = sorted(abs(value - middle) for value in values)
            self.mad_bps[asset] = _median(far) / middle * 10_000

    def deviation_bps(self, market: int) -> float:
        """Tell how far a market is from what the others say, above zero; 0 where no other says anything."""
        asset, quotes, worth = self.priced[market], self._quotes, self.worth
        # What `_value` says, spelt out for speed.
        mid = (quotes.bid_ticks[market] + quotes.ask_ticks[market]) * quotes.half_tick[market]
        if asset == self.quote[market]:
            own = worth[self.base[market]] / mid if mid > 0 else 0.0
        else:
            own = mid * worth[self.quote[market]]
        agreed = worth[asset]
        if own <= 0 or agreed <= 0:
            return 0.0
        if self._own[market]:
            if self.count[asset] < 2:
                return 0.0
            if self.count[asset] == 2:  # the median of two is between them: the other one is what others say
                agreed = 2 * agreed - own
        return abs(own / agreed - 1) * 10_000 if agreed > 0 else NOTHING_BPS

    def cross(self, market: int) -> float:
        """Give what the market's price should be by the worth of its assets; 0 where that is not known."""
        quote = self.worth[self.quote[market]]
        return self.worth[self.base[market]] / quote if quote > 0 else 0.0

    def basis_bps(self, members: Sequence[int]) -> float:
        """Tell how far apart the coins of a peg are, at most."""
        worths = [worth for member in members if (worth := self.worth[member]) > 0]
        return (max(worths) / min(worths) - 1) * 10_000 if worths else 0.0

    def state(self) -> bytes:
        """Give what was found as data."""
        return msgspec.msgpack.encode(_State(self.worth, self.mad_bps, self.count, self.told_ns))

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave."""
        kept = msgspec.msgpack.decode(state, type=_State)
        self.worth, self.mad_bps, self.count, self.told_ns = (
            kept.worth, kept.mad_bps, kept.count, kept.told_ns,
        )  # fmt: skip

    # What tells an asset

    def _by_market(self, asset: int, now_ns: int) -> list[float]:
        values = []
        for market, inverse, other in self.seen[asset]:
            if self._heard(market, now_ns) and (value := self._value(market, inverse, self.worth[other])) > 0:
                values.append(value)
        return values

    def _by_ratio(self, parent: int, ratios: Sequence[Ratio], now_ns: int) -> list[float]:
        values, worth = [], self.worth[parent]
        for over, under in ratios:
            if all(market < 0 or self._heard(market, now_ns) for market in (over, under)):
                top = self._quotes.mid(over) if over >= 0 else 1.0
                values.append(worth * top / (self._quotes.mid(under) if under >= 0 else 1.0))
        return values

    def _value(self, market: int, inverse: bool, other: float) -> float:
        mid = self._quotes.mid(market)
        if not inverse:
            return mid * other
        return other / mid if mid > 0 else 0.0

    def _heard(self, market: int, now_ns: int) -> bool:
        heard_ns = self._quotes.heard_ns[market]
        return heard_ns > 0 and now_ns - heard_ns <= self._age_ns and self._sound[market] < 0

    # The ways, worked out once

    def _link(self, members: Sequence[int]) -> None:
        linked = [members[0]]
        for _ in members:
            for member in members:
                for parent in linked if member not in linked else ():
                    if ratios := self._between(member, parent):
                        self._ratios[member] = (parent, ratios)
                        linked.append(member)
                        break

    def _between(self, member: int, parent: int) -> list[Ratio]:
        pairs = list(zip(self.base, self.quote, strict=True))
        direct = [(market, -1) for market, pair in enumerate(pairs) if pair == (member, parent)]
        direct += [(-1, market) for market, pair in enumerate(pairs) if pair == (parent, member)]
        own = {base: market for market, (base, quote) in reversed(list(enumerate(pairs))) if quote == member}
        theirs = {
            base: market for market, (base, quote) in reversed(list(enumerate(pairs))) if quote == parent
        }
        shared = [(theirs[base], own[base]) for base in sorted(own) if base in theirs]
        return (direct + shared)[:OBSERVATIONS_MAX]

    def _ranked(self, anchors: Sequence[int]) -> list[int]:
        rank = [len(self.assets) + 1] * len(self.assets)
        edge = [anchor for anchor in anchors if anchor >= 0]
        neighbours: list[list[int]] = [[] for _ in self.assets]
        for base, quote in zip(self.base, self.quote, strict=True):
            neighbours[base].append(quote)
            neighbours[quote].append(base)
        for asset in edge:
            rank[asset] = 0
        for asset in edge:
            for other in neighbours[asset]:
                if rank[other] > rank[asset] + 1:
                    rank[other] = rank[asset] + 1
                    edge.append(other)
        return rank

    def _observed(self, rank: Sequence[int], venues: Sequence[str]) -> list[list[Observation]]:
        found: list[list[Observation]] = [[] for _ in self.assets]
        for market, (base, quote) in enumerate(zip(self.base, self.quote, strict=True)):
            if rank[quote] < rank[base]:
                found[base].append((market, False, quote))
            elif rank[base] < rank[quote]:
                found[quote].append((market, True, base))
        return [
            [each[place] for place in _spread([venues[market] for market, _, _ in each])][:OBSERVATIONS_MAX]
            for each in found
        ]

    def _told_by(self) -> list[bool]:
        """Tell of every market whether the asset that it prices is valued by it, too."""
        own = [False] * len(self.base)
        for asset, seen in enumerate(self.seen):
            ratios = self._ratios.get(asset, (-1, []))[1]
            for market in [market for ratio in ratios for market in ratio] or [each[0] for each in seen]:
                own[market] |= market >= 0 and self.priced[market] == asset
        return own


def _places(names: Sequence[str], index: Mapping[str, int]) -> list[int]:
    return [index[name] for name in names if name in index]


def _priced(rank: Sequence[int], base: int, quote: int) -> int:
    return quote if rank[quote] > rank[base] else base


def _spread(venues: Sequence[str]) -> list[int]:
    """Order places so that each venue has its first before any has its second."""
    turns = []
    by_venue = sorted(range(len(venues)), key=lambda place: venues[place])
    for _, group in groupby(by_venue, key=lambda place: venues[place]):
        turns += [(turn, place) for turn, place in enumerate(group)]
    return [place for _, place in sorted(turns)]


def _median(ordered: Sequence[float]) -> float:
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
