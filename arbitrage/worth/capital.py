"""How much may be put into a route: fractional Kelly on what its shadows paid, under caps."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from arbitrage.legs import COURSES_MAX, Legs, canonical
from arbitrage.ticket import Ticket
from arbitrage.worth.outcomes import Outcomes
from domain.instrument import Instrument

KEEP_FRAC_MAX = 1.0  # nobody is taken to pay more than it promises, nor to lose more than that
WORTH_UNIT = 10**15  # worths are whole in this, so that no rounding can exceed a cap

# What is bound is kept for all together (two empty names), by route, by venue and by asset.
Key = tuple[str, str] | Legs


_ALL = ("", "")


class CapitalConfig(BaseModel):
    """State how bold to be, and the shares of the budget that nothing may exceed.

    A route without shadows is taken for one that pays `prior_keep_frac` of what it promises, with a standard
    deviation of `prior_bps`, and fills in `prior_filled_frac` of cases; that weighs as `prior_samples`.
    `depth_frac_max` is of what the books bear, before any other bound cuts the size.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kelly_frac: float = Field(0.25, ge=0, le=1)
    route_frac_max: float = Field(0.25, ge=0, le=1)
    venue_frac_max: float = Field(0.5, ge=0, le=1)
    asset_frac_max: float = Field(0.5, ge=0, le=1)
    depth_frac_max: float = Field(1.0, gt=0, le=1)
    prior_keep_frac: float = Field(0.25, ge=0, le=1)
    prior_bps: float = Field(30.0, gt=0, le=10_000)
    prior_filled_frac: float = Field(0.5, ge=0, le=1)
    prior_samples: int = Field(20, ge=1, le=100_000)
    tickets: int = Field(64, ge=1, le=10_000)


class Limit(IntEnum):
    """Name what holds a ticket to its size."""

    DEPTH = 0
    KELLY = 1
    ROUTE = 2
    VENUE = 3
    ASSET = 4
    BUDGET = 5
    TICKETS = 6  # too many are under way
    UNVALUED = 7  # what it begins with has no known worth


class Fit(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Say how much a ticket may put in, in its own asset, and what limits it."""

    in_atoms_max: int
    limit: Limit


class Stake(msgspec.Struct, frozen=True, array_like=True):
    """What a ticket under way binds: its value at every venue and in every asset that it passes."""

    ticket_id: int
    value_atoms: int
    route: Legs
    venues: tuple[str, ...]
    assets: tuple[str, ...]


class _Course:
    """A route with its caps, and what its shadows say of it while no new one came.

    `told` is the count of shadows, then what goes into Kelly's share beside what a ticket expects.
    """

    __slots__ = ("assets", "capped_atoms", "caps", "keys", "room", "route", "told", "venues")

    def __init__(self, route: Legs, venues: tuple[str, ...], assets: tuple[str, ...]) -> None:
        self.route, self.venues, self.assets = route, venues, assets
        self.keys = _keys(route, venues, assets)
        self.capped_atoms = -1
        self.room = (-1, 0, Limit.BUDGET)
        self.caps: list[tuple[int, Limit, Key]] = []
        self.told: tuple[int, float, float, int, float, float] = (-1, 0.0, 0.0, 1, 1.0, 0.0)


class Capital:
    """Give every ticket its share of the node's budget, and know what those under way bind.

    Values are whole atoms of the anchor that `worth` is told in (`Consensus.worth`). At most `tickets` stakes
    are held; what is bound at a venue, in an asset and in all is their sum. A smaller budget never cuts what
    is under way: it leaves no room.
    """

    def __init__(self, config: CapitalConfig, instruments: Sequence[Instrument], outcomes: Outcomes) -> None:
        self.config = config
        self.budget_atoms = 0
        self._instruments, self._outcomes = instruments, outcomes
        self._stakes: dict[int, Stake] = {}
        self._bound: dict[Key, int] = {}
        # How often anything was bound or freed: a room stands while it does.
        self._bindings = 0
        self._courses: dict[Legs, _Course] = {}

    def size_frac(self, legs: Legs, expected_bps: float) -> float:
        """Give the share of the budget that a route deserves, within `route_frac_max`: mean over variance.

        What a route has too few shadows to tell, all routes together tell, and the config where those too
        are few: mean, variance and fill probability lean on that.
        """
        return self._deserved(self._course(legs), expected_bps)

    def _deserved(self, course: _Course, expected_bps: float) -> float:
        config = self.config
        if course.told[0] != self._outcomes.added:
            course.told = self._told(course.route)
        _, met_bps, keep, weight, variance, filled = course.told
        mean = (met_bps + keep * expected_bps) / weight
        kelly = mean * 10_000 / variance  # both in bps: mean / variance in fractions
        frac, most = config.kelly_frac * kelly * filled, config.route_frac_max
        return 0.0 if not frac > 0.0 else frac if frac < most else most

    def _told(self, route: Legs) -> tuple[int, float, float, int, float, float]:
        """Lean what a route's shadows say on what all routes' do."""
        config, known = self.config, self._outcomes.of(route)
        keep_frac, prior_filled = self._prior()
        lean = config.prior_samples
        variance = (known.met * known.shadow_variance + lean * config.prior_bps**2) / (known.met + lean)
        filled = (known.count * known.filled_frac + lean * prior_filled) / (known.count + lean)
        met_bps = known.met * known.shadow_mean_bps
        return self._outcomes.added, met_bps, lean * keep_frac, known.met + lean, variance, filled

    def _prior(self) -> tuple[float, float]:
        """Give how much of its promise a route keeps, and how often one fills, by all routes together."""
        config, pooled = self.config, self._outcomes.pooled
        lean, keep_frac = config.prior_samples, 0.0
        if pooled.expected_mean_bps > 0:
            keep_frac = min(
                max(pooled.shadow_mean_bps / pooled.expected_mean_bps, -KEEP_FRAC_MAX), KEEP_FRAC_MAX
            )
        keep_frac = (pooled.met * keep_frac + lean * config.prior_keep_frac) / (pooled.met + lean)
        filled = (pooled.count * pooled.filled_frac + lean * config.prior_filled_frac) / (pooled.count + lean)
        return keep_frac, filled

    def fit(
        self, ticket: Ticket, worth: float, depth_atoms: int | None = None, legs: Legs | None = None
    ) -> Fit:
        """Say how much of a ticket may be put in now; `worth` is of its asset.

        `depth_atoms` is what the books alone would bear; without it that is what the ticket puts in. `legs`
        are the ticket's, for whoever has them at hand.
        """
        scaled, budget = _scaled(worth), self.budget_atoms
        if scaled <= 0:
            return Fit(0, Limit.UNVALUED)
        if len(self._stakes) >= self.config.tickets:
            return Fit(0, Limit.TICKETS)
        legs = ticket.route if legs is None else legs
        course = self._courses.get(legs) or self._course(legs)
        room, limit = self._room(course)
        kelly = int(budget * self._deserved(course, ticket.profit_bps)) - self._bound.get(course.route, 0)
        if kelly < room:
            room, limit = kelly, Limit.KELLY
        atoms = room * WORTH_UNIT // scaled if room > 0 else 0
        depth = int((ticket.in_atoms if depth_atoms is None else depth_atoms) * self.config.depth_frac_max)
        return Fit(atoms, limit) if atoms < depth else Fit(depth, Limit.DEPTH)

    def prepare(self, legs: Legs) -> None:
        """Work out now what of a route's share stands until a shadow is settled or the budget changes."""
        course = self._course(legs)
        if course.told[0] != self._outcomes.added:
            course.told = self._told(course.route)
        self._room(course)

    def commit(self, ticket: Ticket, worth: float, legs: Legs | None = None) -> bool:
        """Bind what a ticket puts in, before its first leg; false where there is no room for it."""
        if ticket.ticket_id in self._stakes or len(self._stakes) >= self.config.tickets:
            return False
        legs = ticket.route if legs is None else legs
        course = self._courses.get(legs) or self._course(legs)
        value = -(-ticket.in_atoms * _scaled(worth) // WORTH_UNIT)
        if not 0 < value <= self._room(course)[0]:
            return False
        self._stakes[ticket.ticket_id] = Stake(
            ticket.ticket_id, value, course.route, course.venues, course.assets
        )
        self._count(course.keys, value)
        return True

    def release(self, ticket_id: int) -> bool:
        """Free what a ticket bound, when its legs have ended; false where it bound nothing."""
        stake = self._stakes.get(ticket_id)
        if stake is not None:
            self._bind(stake, -1)
        return stake is not None

    def bound_atoms(self) -> int:
        """Give the value of all tickets under way."""
        return self._bound.get(_ALL, 0)

    def stakes(self) -> tuple[Stake, ...]:
        """List what is under way."""
        return tuple(self._stakes.values())

    def state(self) -> bytes:
        """Give budget and stakes as data."""
        return msgspec.msgpack.encode((self.budget_atoms, list(self._stakes.values())))

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave."""
        self.budget_atoms, stakes = msgspec.msgpack.decode(state, type=tuple[int, list[Stake]])
        self._stakes, self._bound = {}, {}
        self._bindings += 1
        for stake in stakes:
            self._bind(stake, 1)

    def _room(self, course: _Course) -> tuple[int, Limit]:
        """Give the least room that the caps leave, and which it is; what Kelly says is another matter."""
        budget, bound = self.budget_atoms, self._bound
        if course.capped_atoms != budget:
            self._cap(course, budget)
        elif course.room[0] == self._bindings:
            return course.room[1], course.room[2]
        room, limit = budget - bound.get(_ALL, 0), Limit.BUDGET
        for cap, kind, key in course.caps:
            left = cap - bound.get(key, 0)
            if left < room:
                room, limit = left, kind
        course.room = (self._bindings, room, limit)
        return room, limit

    def _cap(self, course: _Course, budget: int) -> None:
        config = self.config
        course.capped_atoms = budget
        course.caps = [(int(budget * config.route_frac_max), Limit.ROUTE, course.route)]
        venue_cap, asset_cap = int(budget * config.venue_frac_max), int(budget * config.asset_frac_max)
        course.caps += [(venue_cap, Limit.VENUE, ("venue", venue)) for venue in course.venues]
        course.caps += [(asset_cap, Limit.ASSET, ("asset", asset)) for asset in course.assets]

    def _course(self, legs: Legs) -> _Course:
        """Name a route, its venues, and its assets beside the one that it begins and ends with."""
        known = self._courses.get(legs)
        if known is not None:
            return known
        if len(self._courses) >= COURSES_MAX:
            self._courses.clear()
        markets = [self._instruments[market] for market, _ in legs]
        assets = dict.fromkeys(asset for market in markets for asset in (market.base, market.quote))
        assets.pop(markets[0].quote if legs[0][1] > 0 else markets[0].base, None)
        venues = tuple(dict.fromkeys(market.venue for market in markets))
        course = self._courses[legs] = _Course(canonical(legs), venues, tuple(assets))
        return course

    def _bind(self, stake: Stake, sign: int) -> None:
        if sign > 0:
            self._stakes[stake.ticket_id] = stake
        else:
            del self._stakes[stake.ticket_id]
        self._count(_keys(stake.route, stake.venues, stake.assets), sign * stake.value_atoms)

    def _count(self, keys: Sequence[Key], value: int) -> None:
        bound = self._bound
        self._bindings += 1
        for key in keys:
            left = bound.get(key, 0) + value
            if left == 0:
                bound.pop(key, None)
            else:
                bound[key] = left


def _scaled(worth: float) -> int:
    return round(worth * WORTH_UNIT) if 0 < worth < float("inf") else 0


def _stake(ticket_id: int, ticket: Ticket, worth: float, course: _Course) -> Stake:
    value = -(-ticket.in_atoms * _scaled(worth) // WORTH_UNIT)
    return Stake(ticket_id, value, course.route, course.venues, course.assets)


def _keys(route: Legs, venues: tuple[str, ...], assets: tuple[str, ...]) -> list[Key]:
    """Name everything that a stake is bound by."""
    return [
        _ALL,
        route,
        *[("venue", venue) for venue in venues],
        *[("asset", asset) for asset in assets],
    ]
