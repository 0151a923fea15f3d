"""What is not believed: markets that leave the graph, and cycles that are not sent."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

import msgspec

from arbitrage.fee import NO_FEES_CHANGED, Fees
from arbitrage.filter.config import FilterConfig, ms, seconds
from arbitrage.filter.consensus import Consensus
from arbitrage.filter.fee_watch import FeeWatch
from arbitrage.filter.flicker import Flicker
from arbitrage.filter.quarantine import Quarantine, Terms
from arbitrage.filter.quotes import FAR, Quotes
from arbitrage.filter.rejection import Rejection, RejectReason
from arbitrage.filter.route import RouteJudge
from arbitrage.filter.stillness import Stillness
from arbitrage.legs import Legs
from arbitrage.ticket import Cycle, Ticket
from domain.instrument import Instrument
from domain.units import PPM

SOUND = -1
COUNT_MAX = 1 << 53  # ticks and lots beyond this are no market, and no exact float either


class Sweep(msgspec.Struct, frozen=True, array_like=True):
    """Say which markets leave the graph, and which may come back at their next quote."""

    dropped: tuple[int, ...]
    returned: tuple[int, ...]


class _State(msgspec.Struct, array_like=True):
    parts: list[bytes]
    sound: list[int]
    low: list[int]
    high: list[int]
    jump_ns: list[int]
    jump_mid: list[int]
    swept: int
    counts: list[int]


class AnomalyFilter:
    """Judge every quote as it comes, every market in turns, and every cycle before it is sized or sent.

    `touched` is constant work in each quote. `sweep`, called some 20 times a second, compares some assets
    with their consensus at each call, so that all have their turn. `check` is work in the legs alone.
    Memory: columns by market, 32 observations an asset, five cases a market, `config.routes` routes.
    """

    def __init__(
        self, config: FilterConfig, instruments: Sequence[Instrument], fees: Fees = NO_FEES_CHANGED
    ) -> None:
        count = len(instruments)
        self.config = config
        self.counts = [0] * len(RejectReason)
        self.sound = [SOUND] * count
        self.quotes = Quotes(instruments, seconds(config.memory_s))
        age_ns = seconds(config.consensus_age_s)
        self.consensus = Consensus(instruments, self.quotes, config.pegs, age_ns, self.sound)
        venues = list(dict.fromkeys(each.venue for each in instruments))
        self.venue = [venues.index(each.venue) for each in instruments]
        self.fees = FeeWatch(instruments, fees, config.fee_ppm_min, config.fee_ppm_max)
        self.flicker = Flicker(count, ms(config.flicker_ms))
        self.still = Stillness(len(venues), count, seconds(config.frozen_s), config.frozen_moves)
        self.quarantine = Quarantine(count, _terms(config))
        self.venue_quarantine = Quarantine(len(venues), _venue_terms(config))
        self._low, self._high = [0] * count, [FAR] * count
        # Since when a market has stood elsewhere, 0 where it does not, and where.
        self._jump_ns, self._jump_mid = [0] * count, [0] * count
        self._sample_ns, self._settle_ns = ms(config.sample_ms), ms(config.jump_settle_ms)
        self._jump, self._wide, self._ratio = (
            config.jump_bps / 1e4,
            config.spread_bps / 2e4,
            config.flicker_ratio,
        )
        self._listed: tuple[tuple[int, int], tuple[int, ...]] = ((0, 0), ())
        self._swept, self._by_asset = 0, _by_asset(self.consensus)
        self._routes = RouteJudge(config, instruments, self)

    # Quotes

    def touched(
        self, market: int, bid_ticks: int, bid_lots: int, ask_ticks: int, ask_lots: int, now_ns: int
    ) -> bool:
        """Take a quote; true where the market may be in the graph with it, false where it must leave."""
        if not (
            0 < bid_ticks < ask_ticks < COUNT_MAX and 0 < bid_lots < COUNT_MAX and 0 < ask_lots < COUNT_MAX
        ):
            return self._malformed(market, (bid_ticks, bid_lots, ask_ticks, ask_lots))
        if type(bid_ticks + bid_lots + ask_ticks + ask_lots) is not int:
            return self._converted(market, (bid_ticks, bid_lots, ask_ticks, ask_lots), now_ns)
        quotes = self.quotes
        quotes.heard_ns[market] = now_ns
        bid_same, ask_same = bid_ticks == quotes.bid_ticks[market], ask_ticks == quotes.ask_ticks[market]
        if bid_lots != (lots := quotes.bid_lots[market]):
            quotes.bid_lots[market] = bid_lots
            if bid_same and not lots < bid_lots * self._ratio < lots * self._ratio * self._ratio:
                self.flicker.swung(2 * market, 1 if bid_lots > lots else -1, now_ns)
        if ask_lots != (lots := quotes.ask_lots[market]):
            quotes.ask_lots[market] = ask_lots
            if ask_same and not lots < ask_lots * self._ratio < lots * self._ratio * self._ratio:
                self.flicker.swung(2 * market + 1, 1 if ask_lots > lots else -1, now_ns)
        if not (bid_same and ask_same):
            quotes.bid_ticks[market], quotes.ask_ticks[market] = bid_ticks, ask_ticks
            quotes.before_ns[market], quotes.moved_ns[market] = quotes.moved_ns[market], now_ns
            self.still.moved(self.venue[market], now_ns)
        elif self.sound[market] == SOUND:
            return self.quarantine.held[market] == 0 and self.venue_quarantine.held[self.venue[market]] == 0
        return self._judged(market, bid_ticks + ask_ticks, ask_ticks - bid_ticks, now_ns)

    def usable(self, market: int) -> bool:
        """Tell whether a market may be in the graph with the quote that it has."""
        return self.sound[market] == SOUND and self.quotes.heard_ns[market] > 0 and not self.kept_out(market)

    def kept_out(self, market: int) -> bool:
        """Tell whether a market or its venue is in quarantine."""
        return self.quarantine.held[market] > 0 or self.venue_quarantine.held[self.venue[market]] > 0

    @property
    def quarantined(self) -> tuple[int, ...]:
        """List the markets that are kept out, whatever they quote."""
        changes = (self.quarantine.changes, self.venue_quarantine.changes)
        if changes != self._listed[0]:
            self._listed = (
                changes,
                tuple(market for market in range(len(self.venue)) if self.kept_out(market)),
            )
        return self._listed[1]

    def why(self, market: int) -> RejectReason | None:
        """Say why a market is out, `None` where it is not."""
        if self.sound[market] != SOUND:
            return RejectReason(self.sound[market])
        if self.venue_quarantine.held[self.venue[market]] > 0:
            return RejectReason.FROZEN_VENUE
        reason = self.quarantine.why(market)
        return RejectReason(reason) if reason >= 0 else None

    def worth(self, asset: str) -> float:
        """Give what an asset is worth in the anchor by all markets; 0 where nothing has told it yet."""
        return self.consensus.worth[self.consensus.index[asset]]

    # Fees

    def fee(self, market: int, taker_ppm: float, now_ns: int) -> bool:
        """Take what a market charges; false where it leaves the graph, for the fee is new or cannot be."""
        if not self.fees.possible(taker_ppm):
            self.quarantine.hold(market, RejectReason.BAD_FEE, now_ns, calm=False)
            self.counts[RejectReason.BAD_FEE] += 1
            return False
        self.quarantine.calm(market, RejectReason.BAD_FEE, now_ns)
        if self.fees.take(market, taker_ppm, now_ns):
            self.quarantine.hold(market, RejectReason.FEE_CHANGED, now_ns, calm=True)
            self.counts[RejectReason.FEE_CHANGED] += 1
        return not self.kept_out(market)

    def charged(self, market: int, received_atoms: int, fee_atoms: int, now_ns: int) -> bool:
        """Compare what a fill was charged with what was reckoned; false where the fee is another one now."""
        assert received_atoms > 0, f"a fill of {received_atoms} atoms"
        charged_ppm = fee_atoms * PPM / received_atoms
        if abs(charged_ppm - self.fees.ppm[market]) <= PPM / received_atoms + 0.5:
            return True
        return self.fee(market, round(charged_ppm), now_ns)

    # Markets in turns

    def sweep(self, now_ns: int) -> Sweep:
        """Compare the next assets with their consensus, and say which markets leave and which come back."""
        before = self.quarantined
        for venue in range(len(self.still.venue_moved_ns)):
            if self.still.frozen(venue, now_ns):
                self.venue_quarantine.trouble(venue, RejectReason.FROZEN_VENUE, now_ns)
            elif self.still.alive(venue, now_ns):
                self.venue_quarantine.calm(venue, RejectReason.FROZEN_VENUE, now_ns)
        self.quarantine.release(now_ns)
        for _ in range(min(self.config.assets_swept, len(self._by_asset))):
            self._sweep_asset(self._swept, now_ns)
            self._swept = (self._swept + 1) % len(self._by_asset)
        return self._changes(before, self.quarantined)

    def _changes(self, before: tuple[int, ...], after: tuple[int, ...]) -> Sweep:
        if before == after:
            return Sweep((), ())
        was, now = dict.fromkeys(before), dict.fromkeys(after)
        dropped = tuple(market for market in after if market not in was)
        for market in dropped:
            if (reason := self.why(market)) is not None:
                self.counts[reason] += 1
        return Sweep(dropped, tuple(market for market in before if market not in now))

    def _sweep_asset(self, asset: int, now_ns: int) -> None:
        self.consensus.update(asset, now_ns)
        age_ns = seconds(self.config.consensus_age_s)
        for market in self._by_asset[asset]:
            heard_ns = self.quotes.heard_ns[market]
            if heard_ns > 0 and now_ns - heard_ns <= age_ns and self.sound[market] == SOUND:
                self._compare(market, self.consensus.deviation_bps(market), now_ns)
                self._watch(market, now_ns)

    def _compare(self, market: int, off_bps: float, now_ns: int) -> None:
        leave_bps, cases = self.config.deviation_leave_bps, self.quarantine
        for reason, limit_bps in (
            (RejectReason.DEVIATION, self.deviation_limit_bps(market)),
            (RejectReason.OTHER_ASSET, self.config.other_bps),
        ):
            if off_bps > limit_bps:
                cases.trouble(market, reason, now_ns)
            elif off_bps <= leave_bps:
                cases.calm(market, reason, now_ns)
            else:
                cases.between(market, reason)

    def deviation_limit_bps(self, market: int) -> float:
        """Give how far a market may be from the others, as they agree now."""
        asset, config = self.consensus.priced[market], self.config
        if self.consensus.count[asset] < 4:
            return config.deviation_enter_bps
        robust_bps = config.mad_factor * 1.4826 * self.consensus.mad_bps[asset]
        return min(max(config.deviation_enter_bps, robust_bps), config.other_bps)

    def _watch(self, market: int, now_ns: int) -> None:
        moved_ns = self.quotes.moved_ns[market]
        off_bps = self.still.off_bps(market, moved_ns, self.consensus.cross(market))
        limit_bps = max(self.config.frozen_bps, 2 * self.quotes.spread_bps(market))
        if off_bps <= limit_bps:
            self.quarantine.calm(market, RejectReason.FROZEN, now_ns)
        elif now_ns - moved_ns > self.still.quiet_ns:
            self.quarantine.trouble(market, RejectReason.FROZEN, now_ns)

    # Cycles

    def check(self, found: Cycle | Ticket, now_ns: int) -> Rejection | None:
        """Judge a cycle or a ticket on the quotes of now; `None` is all clear."""
        rejection = self._routes.judge(found, now_ns)
        if rejection is not None:
            self.counts[rejection.reason] += 1
        return rejection

    def check_cycle(self, legs: Legs, product: float, now_ns: int) -> Rejection | None:
        """Judge a cycle by its legs and its product: what `check` says of it."""
        rejection = self._routes.judge_cycle(legs, product, now_ns)
        if rejection is not None:
            self.counts[rejection.reason] += 1
        return rejection

    # State

    def _parts(
        self,
    ) -> tuple[Quotes | Consensus | FeeWatch | Flicker | Stillness | Quarantine | RouteJudge, ...]:
        return (
            self.quotes, self.consensus, self.fees, self.flicker, self.still, self.quarantine,
            self.venue_quarantine, self._routes,
        )  # fmt: skip

    def state(self) -> bytes:
        """Give everything that decides as data."""
        parts = [part.state() for part in self._parts()]
        jumps = (self._low, self._high, self._jump_ns, self._jump_mid)
        return msgspec.msgpack.encode(
            _State(parts, self.sound, *jumps, self._swept, self.counts), enc_hook=int
        )

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave; config and instruments must be the same."""
        kept = msgspec.msgpack.decode(state, type=_State)
        assert len(kept.sound) == len(self.sound), f"{len(kept.sound)} markets, not {len(self.sound)}"
        for part, told in zip(self._parts(), kept.parts, strict=True):
            part.restore(told)
        self.sound[:] = kept.sound
        self._low, self._high = kept.low, kept.high
        self._jump_ns, self._jump_mid = kept.jump_ns, kept.jump_mid
        self._swept, self.counts = kept.swept, kept.counts

    # What is wrong with a quote

    def _malformed(self, market: int, told: tuple[float, float, float, float]) -> bool:
        if not all(value - value == 0 for value in told):
            return self._refused(market, RejectReason.NOT_A_NUMBER)
        if min(told) < 0:
            return self._refused(market, RejectReason.NEGATIVE)
        if min(told) == 0:
            return self._refused(market, RejectReason.NO_QUOTE)
        crossed = told[0] >= told[2] and max(told) < COUNT_MAX
        return self._refused(market, RejectReason.CROSSED if crossed else RejectReason.ABSURD)

    def _converted(self, market: int, told: tuple[int, int, int, int], now_ns: int) -> bool:
        """Take whole numbers of another kind for what they are; others are no count of anything."""
        if all(isinstance(value, Integral) for value in told):
            bid_ticks, bid_lots, ask_ticks, ask_lots = map(int, told)
            return self.touched(market, bid_ticks, bid_lots, ask_ticks, ask_lots, now_ns)
        return self._refused(market, RejectReason.NOT_A_NUMBER)

    def _judged(self, market: int, mid2: int, spread: int, now_ns: int) -> bool:
        if spread > self._wide * mid2:
            return self._refused(market, RejectReason.WIDE)
        if not self._low[market] <= mid2 <= self._high[market] and not self._settled(market, mid2, now_ns):
            return self._refused(market, RejectReason.JUMP)
        self.sound[market], self._jump_ns[market] = SOUND, 0
        if now_ns - self.quotes.sampled_ns[market] >= self._sample_ns:
            self._low[market], self._high[market] = (
                int(mid2 * (1 - self._jump)),
                int(mid2 * (1 + self._jump)) + 1,
            )
            self.quotes.sample(market, mid2, now_ns)
        return not self.kept_out(market)

    def _settled(self, market: int, mid2: int, now_ns: int) -> bool:
        """Tell whether a market has stood where it jumped to; one that jumps on begins anew."""
        there = self._jump_mid[market]
        if self._jump_ns[market] == 0 or abs(mid2 - there) > there * self._jump:
            self._jump_ns[market], self._jump_mid[market] = now_ns, mid2
        return now_ns - self._jump_ns[market] >= self._settle_ns

    def _refused(self, market: int, reason: RejectReason) -> bool:
        self.sound[market] = int(reason)
        self.counts[reason] += 1
        if reason != RejectReason.JUMP:
            self._jump_ns[market] = 0  # what is no quote stands nowhere
        return False


def _terms(config: FilterConfig) -> dict[int, Terms]:
    calm_ns, fee_ns = seconds(config.calm_s), seconds(config.fee_settle_s)
    return {
        RejectReason.DEVIATION: Terms(ms(config.deviation_confirm_ms), calm_ns, seconds(config.quarantine_s)),
        RejectReason.OTHER_ASSET: Terms(seconds(config.other_confirm_s), calm_ns, seconds(config.other_s)),
        RejectReason.FROZEN: Terms(0, calm_ns, calm_ns),
        RejectReason.FEE_CHANGED: Terms(0, fee_ns, fee_ns),
        RejectReason.BAD_FEE: Terms(0, fee_ns, fee_ns),
    }


def _venue_terms(config: FilterConfig) -> dict[int, Terms]:
    calm_ns = seconds(config.calm_s)
    return {RejectReason.FROZEN_VENUE: Terms(0, calm_ns, calm_ns)}


def _by_asset(consensus: Consensus) -> list[list[int]]:
    markets: list[list[int]] = [[] for _ in consensus.assets]
    for market, asset in enumerate(consensus.priced):
        markets[asset].append(market)
    return markets
