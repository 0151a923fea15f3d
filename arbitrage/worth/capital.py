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


class _Course(msgspec.Struct, frozen=True):
    route: Legs
    venue_keys: tuple[Key, ...]
    asset_keys: tuple[Key, ...]


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
        self._courses: dict[Legs, _Course] = {}

    def size_frac(self, legs: Legs, expected_bps: float) -> float:
        """Give the share of the budget that a route deserves, within `route_frac_max`: mean over variance.

        What a route has too few shadows to tell, all routes together tell, and the config where those too
        are few: mean, variance and fill probability lean on that.
        """
        config, known = self.config, self._outcomes.of(canonical(legs))
        keep_frac, prior_filled = self._prior()
        lean = config.prior_samples
        mean = (known.met * known.shadow_mean_bps + lean * keep_frac * expected_bps) / (known.met + lean)
        variance = (known.met * known.shadow_variance + lean * config.prior_bps**2) / (known.met + lean)
        filled = (known.count * known.filled_frac + lean * prior_filled) / (known.count + lean)
        kelly = mean * 10_000 / variance  # both in bps: mean / variance in fractions
        return min(max(config.kelly_frac * kelly * filled, 0.0), config.route_frac_max)

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

    def fit(self, ticket: Ticket, worth: float, depth_atoms: int | None = None) -> Fit:
        """Say how much of a ticket may be put in now; `worth` is of its asset.

        `depth_atoms` is what the books alone would bear; without it that is what the ticket puts in.
        """
        scaled = _scaled(worth)
        if scaled <= 0:
            return Fit(0, Limit.UNVALUED)
        if len(self._stakes) >= self.config.tickets:
            return Fit(0, Limit.TICKETS)
        course = self._course(ticket)
        room, limit = self._room(course)
        deserved = self.size_frac(course.route, ticket.profit_bps)
        kelly = int(self.budget_atoms * deserved) - self._bound.get(course.route, 0)
        if kelly < room:
            room, limit = kelly, Limit.KELLY
        atoms = max(room, 0) * WORTH_UNIT // scaled
        borne = ticket.in_atoms if depth_atoms is None else depth_atoms
        depth = int(borne * self.config.depth_frac_max)
        return Fit(atoms, limit) if atoms < depth else Fit(depth, Limit.DEPTH)

    def commit(self, ticket: Ticket, worth: float) -> bool:
        """Bind what a ticket puts in, before its first leg; false where there is no room for it."""
        if ticket.ticket_id in self._stakes or len(self._stakes) >= self.config.tickets:
            return False
        course = self._course(ticket)
        stake = _stake(ticket.ticket_id, ticket, worth, course)
        if not 0 < stake.value_atoms <= self._room(course)[0]:
            return False
        self._bind(stake, 1)
        return True

    def release(self, ticket_id: int) -> bool:
        """Free what a ticket bound, when its legs have ended; false where it bound nothing."""
        stake = self._stakes.get(ticket_id)
        if stake is not None:
            self._bind(stake, -1)
        return stake is not None

    def allocate(self, wanted: Sequence[tuple[Ticket, float]]) -> list[Fit]:
        """Share what is free out over tickets found together: the best growth first, each under every cap.

        Each is of the ticket and what its asset is worth. Nothing is bound by it. Growth is the share of the
        budget that a route deserves times what it promises.
        """
        fits: dict[int, Fit] = {}
        trial: list[Stake] = []
        for place in sorted(range(len(wanted)), key=lambda place: self._rank(wanted[place][0], place)):
            ticket, worth = wanted[place]
            fit = fits[place] = self.fit(ticket, worth)
            if fit.in_atoms_max > 0:
                part = msgspec.structs.replace(ticket, in_atoms=fit.in_atoms_max)
                trial.append(_stake(-1 - place, part, worth, self._course(part)))
                self._bind(trial[-1], 1)
        for stake in trial:
            self._bind(stake, -1)
        return [fits[place] for place in range(len(wanted))]

    def bound_atoms(self) -> int:
        """Give the value of all tickets under way."""
        return self._bound.get(("", ""), 0)

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
        for stake in stakes:
            self._bind(stake, 1)

    def _room(self, course: _Course) -> tuple[int, Limit]:
        """Give the least room that the caps leave, and which it is; what Kelly says is another matter."""
        config, budget, bound = self.config, self.budget_atoms, self._bound
        room, limit = budget - self.bound_atoms(), Limit.BUDGET
        for frac, kind, keys in (
            (config.route_frac_max, Limit.ROUTE, (course.route,)),
            (config.venue_frac_max, Limit.VENUE, course.venue_keys),
            (config.asset_frac_max, Limit.ASSET, course.asset_keys),
        ):
            cap = int(budget * frac)
            for key in keys:
                left = cap - bound.get(key, 0)
                if left < room:
                    room, limit = left, kind
        return room, limit

    def _course(self, ticket: Ticket) -> _Course:
        """Name a route, its venues, and its assets beside the one that it begins and ends with."""
        legs = ticket.route
        known = self._courses.get(legs)
        if known is not None:
            return known
        if len(self._courses) >= COURSES_MAX:
            self._courses.clear()
        markets = [self._instruments[market] for market, _ in legs]
        assets = dict.fromkeys(asset for market in markets for asset in (market.base, market.quote))
        assets.pop(ticket.asset, None)
        course = self._courses[legs] = _Course(
            canonical(legs),
            tuple([("venue", venue) for venue in dict.fromkeys(market.venue for market in markets)]),
            tuple([("asset", asset) for asset in assets]),
        )
        return course

    def _bind(self, stake: Stake, sign: int) -> None:
        if sign > 0:
            self._stakes[stake.ticket_id] = stake
        else:
            del self._stakes[stake.ticket_id]
        keys: list[Key] = [("", ""), stake.route]
        keys += [("venue", venue) for venue in stake.venues]
        keys += [("asset", asset) for asset in stake.assets]
        for key in keys:
            self._bound[key] = self._bound.get(key, 0) + sign * stake.value_atoms
            if self._bound[key] == 0:
                del self._bound[key]

    def _rank(self, ticket: Ticket, place: int) -> tuple[float, int]:
        return -self.size_frac(ticket.route, ticket.profit_bps) * ticket.profit_bps, place


def _scaled(worth: float) -> int:
    return round(worth * WORTH_UNIT) if 0 < worth < float("inf") else 0


def _stake(ticket_id: int, ticket: Ticket, worth: float, course: _Course) -> Stake:
    value = -(-ticket.in_atoms * _scaled(worth) // WORTH_UNIT)
    venues, assets = ([str(name) for _, name in keys] for keys in (course.venue_keys, course.asset_keys))
    return Stake(ticket_id, value, course.route, tuple(venues), tuple(assets))
