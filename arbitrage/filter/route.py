"""Whether a cycle can be true, given all that is known of its markets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from arbitrage.filter.config import FilterConfig, ms, seconds
from arbitrage.filter.episodes import Episodes
from arbitrage.filter.rejection import Rejection, RejectReason
from arbitrage.legs import Legs, canonical, legs_of
from arbitrage.ticket import Cycle, Ticket
from domain.instrument import Instrument
from domain.units import ATOMS_PER_UNIT, PPM

if TYPE_CHECKING:
    from arbitrage.filter.anomaly_filter import AnomalyFilter


class _Course(msgspec.Struct, frozen=True):
    """What is known of a route whatever its quotes: worked out once.

    `places` are of every leg its market, venue, compared asset, whether it buys, base, and a lot of that;
    `returns` legs that go back where the leg before came from, on its venue; `pegged` two coins of one peg,
    and the market that passes the second; `together` tells whether there is any of these to look at.
    """

    legs: Legs
    route: Legs
    places: tuple[tuple[int, int, int, bool, int, float], ...]
    returns: tuple[tuple[int, int, int, int], ...]
    pegged: tuple[tuple[int, int, int], ...]
    twice: int
    together: bool


class RouteJudge:
    """Refuse a cycle for the first reason that holds: its legs', then its own."""

    def __init__(
        self, config: FilterConfig, instruments: Sequence[Instrument], markets: AnomalyFilter
    ) -> None:
        self.config, self._markets = config, markets
        self._age_ns, self._age_spread_ns = ms(config.age_ms), ms(config.age_spread_ms)
        self._consensus_ns, self._persist_ns = ms(config.consensus_ms), seconds(config.persist_s)
        self._fee_ns = seconds(config.fee_settle_s)
        self._flicker_ns = config.flicker_reversals * ms(config.flicker_ms)
        # A market that is no further off is within its limit, however much the others differ.
        self._least_bps = min(config.deviation_enter_bps, config.other_bps)
        self._lot = [each.lot.value(1) for each in instruments]
        self.episodes = Episodes(config.routes, ms(config.gone_ms))
        self._peg = {asset: members for members in markets.consensus.pegs for asset in members}
        self._courses: dict[Legs, _Course] = {}

    def judge(self, found: Cycle | Ticket, now_ns: int) -> Rejection | None:
        """Give the first reason to refuse, `None` where there is none."""
        if isinstance(found, Cycle):
            return self.judge_cycle(legs_of(found), found.product, now_ns)
        legs, gain_bps = found.route, found.profit_bps if found.in_atoms > 0 else float("inf")
        course = self._courses.get(legs) or self._planned(legs)
        lasting = gain_bps >= self.config.persist_gain_bps and self._worth(found) >= self.config.persist_worth
        lived_ns = self._lived_ns(course, now_ns) if lasting else 0
        return self._judged(course, gain_bps, lived_ns, found.detected_ns, now_ns)

    def judge_cycle(self, legs: Legs, product: float, now_ns: int) -> Rejection | None:
        """Judge a cycle by its legs and its product."""
        gain_bps, lived_ns = (product - 1) * 10_000, 0
        course = self._courses.get(legs) or self._planned(legs)
        if gain_bps >= self.config.persist_gain_bps and self._large(course):
            lived_ns = self._lived_ns(course, now_ns)
        return self._judged(course, gain_bps, lived_ns, now_ns, now_ns)

    def _judged(
        self, course: _Course, gain_bps: float, lived_ns: int, detected_ns: int, now_ns: int
    ) -> Rejection | None:
        rejection = self._legs(course, detected_ns, now_ns)
        if rejection is None and course.together:
            rejection = self._together(course)
        if rejection is not None:
            return rejection
        if not gain_bps <= self.config.gain_bps:  # true of what is not a number, too
            return Rejection(RejectReason.TOO_GOOD, gain_bps, self.config.gain_bps, -1)
        if lived_ns > self._persist_ns:
            return Rejection(RejectReason.PERSISTENT, lived_ns, self._persist_ns, -1)
        return None

    def state(self) -> bytes:
        """Give what is remembered of routes as data."""
        return self.episodes.state()

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave."""
        self.episodes.restore(state)

    # The legs one by one

    def _legs(self, course: _Course, detected_ns: int, now_ns: int) -> Rejection | None:
        """Look at all that can be wrong with a leg at once, and find out what only where anything is."""
        markets = self._markets
        sound, held, venue_held = markets.sound, markets.quarantine.held, markets.venue_quarantine.held
        heard_ns, moved_ns, changed_ns = (
            markets.quotes.heard_ns, markets.still.venue_moved_ns, markets.fees.changed_ns,
        )  # fmt: skip
        drained_ns, flicker_ns = markets.flicker.drained_ns, now_ns + self._flicker_ns
        consensus, least_bps = markets.consensus, self._least_bps
        told_ns, age_ns = consensus.told_ns, self._age_ns
        fee_ns = min(detected_ns - 1, now_ns - self._fee_ns)
        oldest_ns = youngest_ns = -1
        for market, venue, asset, _, _, _ in course.places:
            at_ns = heard_ns[market]
            if (
                sound[market] >= 0
                or not 0 <= now_ns - at_ns <= age_ns
                or held[market] > 0
                or venue_held[venue] > 0
                or now_ns - moved_ns[venue] > markets.still.quiet_ns
                or changed_ns[market] > fee_ns
                or drained_ns[2 * market] > flicker_ns
                or drained_ns[2 * market + 1] > flicker_ns
            ) and (rejection := self._wrong(market, detected_ns, now_ns)) is not None:
                return rejection
            if now_ns - told_ns[asset] > self._consensus_ns:
                consensus.update(asset, now_ns)
            off_bps = consensus.deviation_bps(market)
            if not off_bps <= least_bps and off_bps > (limit_bps := markets.deviation_limit_bps(market)):
                return Rejection(RejectReason.DEVIATION, off_bps, limit_bps, market)
            oldest_ns = at_ns if oldest_ns < 0 or at_ns < oldest_ns else oldest_ns
            youngest_ns = at_ns if at_ns > youngest_ns else youngest_ns
        if (spread_ns := youngest_ns - oldest_ns) > self._age_spread_ns:
            oldest = next(market for market, _ in course.legs if heard_ns[market] == oldest_ns)
            return Rejection(RejectReason.AGE_SPREAD, spread_ns, self._age_spread_ns, oldest)
        return None

    def _wrong(self, market: int, detected_ns: int, now_ns: int) -> Rejection | None:
        markets, quotes = self._markets, self._markets.quotes
        heard_ns = quotes.heard_ns[market]
        if (why := markets.sound[market]) >= 0:
            return Rejection(RejectReason(why), 0.0, 0.0, market)
        if heard_ns == 0:
            return Rejection(RejectReason.QUIET, 0.0, 0.0, market)
        changed_ns = markets.fees.changed_ns[market]
        if detected_ns <= changed_ns or now_ns - changed_ns < self._fee_ns:
            before, now = markets.fees.before_ppm[market], markets.fees.ppm[market]
            return Rejection(RejectReason.FEE_CHANGED, now, before, market)
        if markets.kept_out(market) or markets.still.frozen(markets.venue[market], now_ns):
            return self._kept_out(market, now_ns)
        if now_ns - heard_ns > self._age_ns:
            return Rejection(RejectReason.STALE, now_ns - heard_ns, self._age_ns, market)
        reversals = markets.flicker.reversals(market, now_ns)
        if reversals > self.config.flicker_reversals:
            return Rejection(RejectReason.FLICKER, reversals, self.config.flicker_reversals, market)
        return None

    def _kept_out(self, market: int, now_ns: int) -> Rejection:
        reason = self._markets.why(market) or RejectReason.FROZEN_VENUE
        if reason in {RejectReason.DEVIATION, RejectReason.OTHER_ASSET}:
            off_bps = self._markets.consensus.deviation_bps(market)
            return Rejection(reason, off_bps, self.config.deviation_leave_bps, market)
        if reason is RejectReason.FROZEN_VENUE:
            still = self._markets.still
            quiet_ns = now_ns - still.venue_moved_ns[self._markets.venue[market]]
            return Rejection(reason, quiet_ns, still.quiet_ns, market)
        return Rejection(reason, 0.0, 0.0, market)

    # The legs together

    def _together(self, course: _Course) -> Rejection | None:
        for market, side, after, back in course.returns:
            gain_bps = (self._rate(market, side) * self._rate(after, back) - 1) * 10_000
            if gain_bps > 0 or len(course.legs) == 2:
                return Rejection(RejectReason.TWO_CYCLE, gain_bps, 0.0, after)
        if course.twice >= 0:
            return Rejection(RejectReason.TWO_CYCLE, 0.0, 0.0, course.twice)
        for asset, other, market in course.pegged:
            basis_bps = self._markets.consensus.basis_bps((asset, other))
            if basis_bps > self.config.peg_bps:
                return Rejection(RejectReason.OFF_PEG, basis_bps, self.config.peg_bps, market)
        return None

    def _planned(self, legs: Legs) -> _Course:
        """Work a route out; what was worked out is thrown away whole where there is too much of it."""
        if len(self._courses) >= self.config.routes:
            self._courses.clear()
        pairs = zip(legs, legs[1:] + legs[:1], strict=True)
        returns = tuple((*leg, *after) for leg, after in pairs if self._returns(*leg, *after))
        twice = legs[0][0] if len({market for market, _ in legs}) < len(legs) else -1
        consensus, venue = self._markets.consensus, self._markets.venue
        places = tuple(
            (
                market,
                venue[market],
                consensus.priced[market],
                side > 0,
                consensus.base[market],
                self._lot[market],
            )
            for market, side in legs
        )
        pegged = self._pegged(legs)
        together = bool(returns or pegged) or twice >= 0
        course = _Course(legs, canonical(legs), places, returns, pegged, twice, together)
        self._courses[legs] = course
        return course

    def _returns(self, market: int, side: int, after: int, back: int) -> bool:
        """Tell whether a leg goes back where the one before came from: only a crossed venue pays for that."""
        consensus, venue = self._markets.consensus, self._markets.venue
        if venue[market] != venue[after]:
            return False
        there = consensus.base[market], consensus.quote[market]
        here = consensus.base[after], consensus.quote[after]
        return side != back if there == here else side == back and there == here[::-1]

    def _rate(self, market: int, side: int) -> float:
        quotes, kept = self._markets.quotes, 1 - self._markets.fees.ppm[market] / PPM
        price = 2 * quotes.half_tick[market]
        return (
            kept / (quotes.ask_ticks[market] * price) if side > 0 else kept * quotes.bid_ticks[market] * price
        )

    def _pegged(self, legs: Legs) -> tuple[tuple[int, int, int], ...]:
        """List the coins that a route passes beside another one of their peg."""
        consensus, found = self._markets.consensus, list[tuple[int, int, int]]()
        met: dict[int, int] = {}
        for market, _ in legs:
            for asset in (consensus.base[market], consensus.quote[market]):
                members = self._peg.get(asset)
                if members is not None and met.setdefault(members[0], asset) != asset:
                    found.append((met[members[0]], asset, market))
        return tuple(found)

    def _lived_ns(self, course: _Course, now_ns: int) -> int:
        moved, before, moved_ns = self._markets.quotes.moved_ns, self._markets.quotes.before_ns, 0
        for market, _, _, _, _, _ in course.places:
            # The move of now is what made us look: only moves before it could have ended the episode unseen.
            at_ns = moved[market]
            at_ns = before[market] if at_ns == now_ns else at_ns
            moved_ns = at_ns if at_ns > moved_ns else moved_ns
        return self.episodes.seen(course.route, moved_ns, now_ns)

    def _worth(self, found: Ticket) -> float:
        """Value what a ticket moves; what cannot be valued is taken to be large."""
        consensus, market = self._markets.consensus, found.legs[0].instrument
        asset = consensus.quote[market] if found.legs[0].side > 0 else consensus.base[market]
        worth = consensus.worth[asset]
        return found.in_atoms / ATOMS_PER_UNIT * worth if worth > 0 else float("inf")

    def _large(self, course: _Course) -> bool:
        """Tell whether the touch of every leg moves so much that it must not last."""
        quotes, worths, least = self._markets.quotes, self._markets.consensus.worth, self.config.persist_worth
        ask_lots, bid_lots = quotes.ask_lots, quotes.bid_lots
        for market, _, _, buys, base, lot in course.places:
            worth, lots = worths[base], ask_lots[market] if buys else bid_lots[market]
            if worth > 0 and not lots * lot * worth >= least:
                return False
        return True
