"""How much better than the fees a cycle must be before it is worth sending."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from arbitrage.filter.quotes import NS_PER_S, Quotes
from arbitrage.legs import COURSES_MAX, Legs, canonical
from arbitrage.stock.inventory import Inventory
from arbitrage.worth.lifetime import Lifetimes
from arbitrage.worth.shadow import ShadowRow
from arbitrage.worth.shortfall import HOUR_NS, Shortfalls
from domain.instrument import Instrument
from domain.units import PPM

_FAR_BPS = float("inf")


class ThresholdConfig(BaseModel):
    """State what the summands of the threshold weigh, and their bounds.

    `volatility_bps` is taken of a market until its own is known, and is the least that is ever taken, both
    for a second. `prior_bps` stands for what is learnt until there are `samples` of it. `half_life_ms` is
    taken for the time in which half of all opportunities are lost, and weighs as `half_life_samples` shadows;
    what those tell fades by one in `half_life_memory`. Its default is twice what others need: half of the
    100 ms in which the books that most of them read are published, and 100 ms for an order that comes from
    another region. `back_frac` is what share of what is gone when the orders come is taken to be lost, as the
    legs that filled must be taken back: a touch that was taken is often there again while they wait.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    latency_factor: float = Field(1.0, ge=0, le=100)
    staleness_factor: float = Field(0.5, ge=0, le=100)
    latency_ms: float = Field(100.0, ge=0, le=60_000)
    volatility_bps: float = Field(3.0, ge=0, le=10_000)
    volatility_bps_min: float = Field(0.2, ge=0, le=10_000)
    quantile_frac: float = Field(0.75, gt=0, lt=1)
    samples: int = Field(10, ge=1, le=1_000)
    window: int = Field(64, ge=2, le=10_000)
    keys: int = Field(2_048, ge=5, le=1_000_000)
    prior_bps: float = Field(1.0, ge=0, le=10_000)
    learned_bps_max: float = Field(100.0, ge=0, le=10_000)
    half_life_ms: float = Field(300.0, gt=0, le=3_600_000)
    half_life_samples: int = Field(5, ge=1, le=100_000)
    half_life_memory: int = Field(500, ge=2, le=1_000_000)
    back_frac: float = Field(0.5, ge=0, le=1)
    inventory_factor: float = Field(1.0, ge=0, le=100)
    floor_bps: float = Field(0.5, ge=0, le=10_000)


class Parts(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Every summand in bps. The fee is shown, not asked again: a cycle's product is after fees."""

    fee_bps: float
    latency_bps: float
    staleness_bps: float
    learned_bps: float
    inventory_bps: float
    floor_bps: float
    miss_bps: float = 0.0

    @property
    def total_bps(self) -> float:
        """Give what a cycle's profit after fees must reach."""
        modelled_bps = self.latency_bps + self.staleness_bps
        asked_bps = modelled_bps + self.miss_bps + self.learned_bps + self.inventory_bps
        return asked_bps if asked_bps > self.floor_bps else self.floor_bps

    @property
    def modelled_bps(self) -> float:
        """Give what latency and staleness ask: what is learnt is what shadow fills fell short beyond it."""
        return self.latency_bps + self.staleness_bps


class _Course:
    """A route as it was asked about: its names, and what changes only when something is learnt or moved.

    `learned` is for one hour of the day, `odds` for one latency; both with the count of what they rest on.
    """

    __slots__ = ("inventory", "learned", "markets", "odds", "route", "venues")

    def __init__(self, route: Legs, venues: tuple[int, ...], markets: tuple[tuple[int, str], ...]) -> None:
        self.route, self.venues, self.markets = route, venues, markets
        self.learned = (-1, -1, 0.0)
        self.odds = (-1, -1, 0.0)
        self.inventory = (-1, 0.0)


class Threshold:
    """Ask of a route what it may lose between the books that we saw and the books that we meet.

    Legs move on their own, so their risks add as variances: latency asks the root of the sum over legs of
    variance × latency, staleness the same of variance × age. A leg that is gone when its order comes leaves
    the others to be taken back: with `lost` the share of opportunities that this becomes of, the rest must
    gain lost / (1 - lost) times what it costs.
    """

    def __init__(
        self, config: ThresholdConfig, instruments: Sequence[Instrument], quotes: Quotes, inventory: Inventory
    ) -> None:
        self.config = config
        self._quotes, self._inventory = quotes, inventory
        self._fee_ppm = [each.taker_fee_ppm for each in instruments]
        self._venue = [each.venue for each in instruments]
        venues = list(dict.fromkeys(self._venue))
        self._venue_index = [venues.index(venue) for venue in self._venue]
        self._shortfalls = Shortfalls(config.keys, config.window)
        self.lifetimes = Lifetimes(
            round(config.half_life_ms * 1_000_000),
            config.half_life_samples,
            config.half_life_memory,
            config.keys,
        )
        self._variance_unknown, self._variance_min = config.volatility_bps**2, config.volatility_bps_min**2
        self._unknown_ns = round(config.latency_ms * 1_000_000)
        self._courses: dict[Legs, _Course] = {}

    def bps(self, legs: Legs, now_ns: int, latency_ns: Mapping[str, int]) -> Parts:
        """Give what is asked of a route now; a venue without a measured latency has the config's."""
        late, old, fee_ppm, slowest_ns = 0.0, 0.0, 0, 0
        total_bps, cheapest_bps = 0.0, _FAR_BPS
        quotes, config, fees_ppm = self._quotes, self.config, self._fee_ppm
        known, heard_ns, bids, asks = quotes.variance, quotes.heard_ns, quotes.bid_ticks, quotes.ask_ticks
        least, unknown = self._variance_min, self._variance_unknown
        course = self._courses.get(legs) or self._planned(legs)
        for market, venue in course.markets:
            variance = known[market]
            variance = unknown if variance <= 0 else variance if variance > least else least
            wait_ns = latency_ns.get(venue, self._unknown_ns)
            slowest_ns = wait_ns if wait_ns > slowest_ns else slowest_ns
            late += variance * wait_ns
            old += variance * (now_ns - heard_ns[market])
            taker_ppm, bid, ask = fees_ppm[market], bids[market], asks[market]
            fee_ppm += taker_ppm
            # What taking it back costs: the spread, and the fee twice.
            spread_bps = (ask - bid) / (ask + bid) * 20_000 if bid > 0 else 0.0
            leg_bps = spread_bps + 2 * taker_ppm * 10_000 / PPM
            total_bps += leg_bps
            cheapest_bps = leg_bps if leg_bps < cheapest_bps else cheapest_bps
        # What was prepared stands while nothing that it rests on was learnt or moved.
        added, hour, learned_bps = course.learned
        if added != self._shortfalls.added or hour != now_ns // HOUR_NS:
            learned_bps = self._learned_bps(course, now_ns)
        added, wait_ns, odds = course.odds
        if added != self.lifetimes.added or wait_ns != slowest_ns:
            odds = self._odds(course, slowest_ns)
        added, inventory_bps = course.inventory
        if added != self._inventory.changes:
            inventory_bps = self._inventory_bps(course, legs)
        miss_bps = odds * (total_bps - cheapest_bps)
        return Parts(
            fee_ppm * 10_000 / PPM,
            config.latency_factor * sqrt(late / NS_PER_S),
            config.staleness_factor * sqrt((old if old > 0.0 else 0.0) / NS_PER_S),
            learned_bps,
            config.inventory_factor * inventory_bps,
            config.floor_bps,
            miss_bps if miss_bps < config.learned_bps_max else config.learned_bps_max,
        )

    def prepare(self, legs: Legs, now_ns: int, latency_ns: Mapping[str, int]) -> None:
        """Work out now what of a route's threshold stands until something is learnt or moved."""
        course = self._courses.get(legs) or self._planned(legs)
        waits_ns = [latency_ns.get(venue, self._unknown_ns) for _, venue in course.markets]
        self._odds(course, max(waits_ns))
        self._learned_bps(course, now_ns)
        self._inventory_bps(course, legs)

    def learn(self, row: ShadowRow) -> None:
        """Take a settled shadow: what of it was gone, and what the whole part paid less than expected.

        Where nothing would have filled, nothing was lost, and nothing is learnt.
        """
        if row.filled_frac_max <= 0:
            return
        gone_frac = 1 - row.filled_frac / row.filled_frac_max
        left_frac = 1 - self.config.back_frac * gone_frac
        self.lasted(row.route, row.settled_ns - row.detected_ns, left_frac)
        if row.filled_frac > 0:
            self.learned(row.route, row.expected_bps, row.whole_bps, row.settled_ns, row.modelled_bps)

    def lasted(self, legs: Legs, waited_ns: int, left_frac: float) -> None:
        """Take how much of an opportunity was not lost, of what any leg still had when its order came."""
        course = self._courses.get(legs) or self._planned(legs)
        self.lifetimes.add(course.route, waited_ns, 1 - left_frac)

    def left_frac(self, legs: Legs, expected_bps: float, paid_bps: float) -> float:
        """Give how much of an opportunity was left for it to have paid so little, the rest being taken back.

        What fills in part only is not lost whole.
        """
        back_bps = self._back_bps(legs)
        if expected_bps + back_bps <= 0:
            return 0.0
        return min(max((paid_bps + back_bps) / (expected_bps + back_bps), 0.0), 1.0)

    def learned(
        self, legs: Legs, expected_bps: float, shadow_bps: float, now_ns: int, modelled_bps: float = 0.0
    ) -> None:
        """Take how much less than expected whole cycles paid, beyond what latency and staleness asked for."""
        bound = self.config.learned_bps_max
        shortfall_bps = min(max(expected_bps - shadow_bps - modelled_bps, -bound), bound)
        course = self._courses.get(legs) or self._planned(legs)
        self._shortfalls.add(course.route, course.venues, now_ns, shortfall_bps)

    def fee(self, market: int, taker_ppm: int) -> None:
        """Take what a market charges now."""
        self._fee_ppm[market] = taker_ppm

    def state(self) -> bytes:
        """Give what was learnt as data; quotes and inventory give theirs."""
        return msgspec.msgpack.encode((self._fee_ppm, self._shortfalls.state(), self.lifetimes.state()))

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave."""
        kept = msgspec.msgpack.decode(state, type=tuple[list[int], bytes, bytes])
        self._fee_ppm, learnt, lives = kept
        self._shortfalls.restore(learnt)
        self.lifetimes.restore(lives)
        self._courses.clear()

    def _learned_bps(self, course: _Course, now_ns: int) -> float:
        config, added, hour = self.config, self._shortfalls.added, now_ns // HOUR_NS
        if course.learned[0] != added or course.learned[1] != hour:
            known = self._shortfalls.quantile(
                course.route, course.venues, now_ns, config.quantile_frac, config.samples
            )
            course.learned = (added, hour, config.prior_bps if known is None else known)
        return course.learned[2]

    def _odds(self, course: _Course, wait_ns: int) -> float:
        """Give what is gone to what is left of a route."""
        added = self.lifetimes.added
        if course.odds[0] != added or course.odds[1] != wait_ns:
            course.odds = (added, wait_ns, self.lifetimes.odds(course.route, wait_ns))
        return course.odds[2]

    def _inventory_bps(self, course: _Course, legs: Legs) -> float:
        changes = self._inventory.changes
        if course.inventory[0] != changes:
            course.inventory = (changes, self._inventory.route_bps(legs))
        return course.inventory[1]

    def _back_bps(self, legs: Legs) -> float:
        """Give what taking back all legs but the cheapest costs: of each the spread, and the fee twice."""
        total, cheapest = 0.0, float("inf")
        for market, _ in legs:
            bid, ask = self._quotes.bid_ticks[market], self._quotes.ask_ticks[market]
            spread_bps = (ask - bid) / (ask + bid) * 20_000 if bid > 0 else 0.0
            leg_bps = spread_bps + 2 * self._fee_ppm[market] * 10_000 / PPM
            total, cheapest = total + leg_bps, min(cheapest, leg_bps)
        return total - cheapest

    def _planned(self, legs: Legs) -> _Course:
        """Name a route and its venues; what was named before is thrown away where it is too much."""
        if len(self._courses) >= COURSES_MAX:
            self._courses.clear()
        venues = tuple(sorted({self._venue_index[market] for market, _ in legs}))
        markets = tuple((market, self._venue[market]) for market, _ in legs)
        course = self._courses[legs] = _Course(canonical(legs), venues, markets)
        return course
