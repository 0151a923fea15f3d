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

    `returns` are legs that go back where the leg before came from, on its venue; `pegged` are two coins of
    one peg, and the market that passes the second.
    """

    route: Legs
    returns: tuple[tuple[int, int, int, int], ...]
    pegged: tuple[tuple[int, int, int], ...]
    twice: int


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
        self._lot = [each.lot.value(1) for each in instruments]
        self.episodes = Episodes(config.routes, ms(config.gone_ms))
        self._peg = {asset: members for members in markets.consensus.pegs for asset in members}
        self._courses: dict[Legs, _Course] = {}

    def judge(self, found: Cycle | Ticket, now_ns: int) -> Rejection | None:
        """Give the first reason to refuse, `None` where there is none."""
        legs, gain_bps = legs_of(found), _gain_bps(found)
        course = self._courses.get(legs) or self._planned(legs)
        lived_ns = self._lived_ns(found, legs, course.route, gain_bps, now_ns)
        detected_ns = found.detected_ns if isinstance(found, Ticket) else now_ns
        rejection = self._legs(legs, detected_ns, now_ns) or self._together(legs, course)
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

    def _legs(self, legs: Legs, detected_ns: int, now_ns: int) -> Rejection | None:
        """Look at all that can be wrong with a leg at once, and find out what only where anything is."""
        markets = self._markets
        quotes, still, drained_ns = markets.quotes, markets.still, markets.flicker.drained_ns
        fee_ns = min(detected_ns - 1, now_ns - self._fee_ns)
        for market, _ in legs:
            venue = markets.venue[market]
            if (
                markets.sound[market] >= 0
                or not 0 <= now_ns - quotes.heard_ns[market] <= self._age_ns
                or markets.quarantine.held[market] > 0
                or markets.venue_quarantine.held[venue] > 0
                or now_ns - still.venue_moved_ns[venue] > still.quiet_ns
                or markets.fees.changed_ns[market] > fee_ns
                or drained_ns[2 * market] - now_ns > self._flicker_ns
                or drained_ns[2 * market + 1] - now_ns > self._flicker_ns
            ) and (rejection := self._wrong(market, detected_ns, now_ns)) is not None:
                return rejection
            if (rejection := self._deviates(market, now_ns)) is not None:
                return rejection
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

    def _deviates(self, market: int, now_ns: int) -> Rejection | None:
        consensus = self._markets.consensus
        asset = consensus.priced[market]
        if now_ns - consensus.told_ns[asset] > self._consensus_ns:
            consensus.update(asset, now_ns)
        off_bps = consensus.deviation_bps(market)
        limit_bps = self._markets.deviation_limit_bps(market)
        if off_bps <= limit_bps:
            return None
        return Rejection(RejectReason.DEVIATION, off_bps, limit_bps, market)

    # The legs together

    def _together(self, legs: Legs, course: _Course) -> Rejection | None:
        heard = self._markets.quotes.heard_ns
        ages = [heard[market] for market, _ in legs]
        if (spread_ns := max(ages) - min(ages)) > self._age_spread_ns:
            oldest = legs[ages.index(min(ages))][0]
            return Rejection(RejectReason.AGE_SPREAD, spread_ns, self._age_spread_ns, oldest)
        for market, side, after, back in course.returns:
            gain_bps = (self._rate(market, side) * self._rate(after, back) - 1) * 10_000
            if gain_bps > 0 or len(legs) == 2:
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
        course = self._courses[legs] = _Course(canonical(legs), returns, self._pegged(legs), twice)
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

    def _lived_ns(self, found: Cycle | Ticket, legs: Legs, route: Legs, gain_bps: float, now_ns: int) -> int:
        if (
            not gain_bps >= self.config.persist_gain_bps
            or self._worth(found, legs) < self.config.persist_worth
        ):
            return 0
        moved, before = self._markets.quotes.moved_ns, self._markets.quotes.before_ns
        # The move of now is what made us look: only moves before it could have ended the episode unseen.
        moved_ns = max([before[market] if moved[market] == now_ns else moved[market] for market, _ in legs])
        return self.episodes.seen(route, moved_ns, now_ns)

    def _worth(self, found: Cycle | Ticket, legs: Legs) -> float:
        """Value what the touch, or the ticket, moves; what cannot be valued is taken to be large."""
        consensus = self._markets.consensus
        if isinstance(found, Ticket):
            market = found.legs[0].instrument
            asset = consensus.quote[market] if found.legs[0].side > 0 else consensus.base[market]
            worth = consensus.worth[asset]
            return found.in_atoms / ATOMS_PER_UNIT * worth if worth > 0 else float("inf")
        return min([self._touch(market, side) for market, side in legs])

    def _touch(self, market: int, side: int) -> float:
        quotes, worth = (
            self._markets.quotes,
            self._markets.consensus.worth[self._markets.consensus.base[market]],
        )
        lots = quotes.ask_lots[market] if side > 0 else quotes.bid_lots[market]
        return lots * self._lot[market] * worth if worth > 0 else float("inf")


def _gain_bps(found: Cycle | Ticket) -> float:
    if isinstance(found, Cycle):
        return (found.product - 1) * 10_000
    return found.profit_bps if found.in_atoms > 0 else float("inf")
