"""Turn a cycle into a ticket: the size in whole lots that earns most on the books as they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from arbitrage.fee import NO_FEES_CHANGED, FeeRule, Fees, fee_rule
from arbitrage.size import amount_kernels as a
from arbitrage.size import sizing_kernels as k
from arbitrage.size.exact import EXACT_AMOUNT_MAX, exact_size_cycle
from arbitrage.size.sides import NO_SIDES, Sides
from arbitrage.ticket import Cycle, Hop, Leg, Ticket
from domain.instrument import Instrument
from hw.kernel import entry

Levels = NDArray[np.int64]
Budget = Mapping[tuple[str, str], int]

LEGS_MAX = 12
LEVELS_ROOM = 32  # grows with the longest book seen
SWAP_PPM = 50
SWAP_PPM_MAX = 100_000
ALL_THE_SAME: Mapping[str, int] = {}
THRESHOLD_PPM_MAX = a.PPM


class Depth(NamedTuple):
    """Hold both sides of a book as (price_ticks, size_lots), best first."""

    bids: Levels
    asks: Levels


class Path(NamedTuple):
    """Hold a cycle as the kernel is asked about it, for whoever sizes it again and again."""

    hops: tuple[Hop, ...]
    asset: str
    asked: NDArray[np.int64]
    words: Any


class NoTicketReason(IntEnum):
    """Say why a cycle became no ticket; `figure` and `limit` of `NoTicket` are in the unit named here."""

    NOT_PROFITABLE = a.NOT_PROFITABLE  # edge at the touch and threshold, ppm
    NO_DEPTH = a.NO_DEPTH  # lots on the side, and the least that the market takes
    BALANCE = a.BALANCE  # lots that the balance pays for, and the least that the market takes
    SIZE_TOO_SMALL = a.SIZE_TOO_SMALL  # lots after flooring, and the least that the market takes
    NOTIONAL_TOO_SMALL = a.NOTIONAL_TOO_SMALL  # quote atoms after flooring, and the least
    BELOW_THRESHOLD = (
        a.BELOW_THRESHOLD
    )  # profit after flooring and what the threshold asks, atoms of the start
    BAD_BOOK = a.BAD_BOOK  # a level that is not above zero or not in order
    OUT_OF_BOUNDS = a.OUT_OF_BOUNDS  # a lot, a price or a fee beyond what an int64 bears
    ONE_BOOK_TWICE = a.ONE_BOOK_TWICE  # a cycle through one book twice: that book is broken


class NoTicket(msgspec.Struct, frozen=True, array_like=True):
    """Say why there is no ticket: a figure against its limit, at a leg (-1: the whole cycle)."""

    reason: NoTicketReason
    figure: int
    limit: int
    leg: int


class Sizer:
    """Size cycles over one set of markets, without allocating anything but the ticket."""

    def __init__(
        self,
        instruments: Sequence[Instrument],
        fees: Fees = NO_FEES_CHANGED,
        swap_ppm: int = SWAP_PPM,
        swaps: Mapping[str, int] = ALL_THE_SAME,
        *,
        exact: bool = False,
        sides: Sides = NO_SIDES,
    ) -> None:
        """Take the markets and what they charge; `exact` is slow, and without bounds on amounts.

        `sides` is where `along` reads the books.
        """
        assert all(0 <= ppm <= SWAP_PPM_MAX for ppm in (swap_ppm, *swaps.values())), "a swap cost"
        self._instruments = tuple(instruments)
        self._type: type = object if exact else np.int64
        self._bounds = (EXACT_AMOUNT_MAX,) * 2 if exact else (a.AMOUNT_MAX, a.UNIT_MAX)
        self._fees: dict[int, FeeRule] = {}
        # By market, one row for a BUY and one for a SELL.
        self._rows = np.zeros((len(self._instruments), 2, a.ROW_WIDTH), self._type)
        venues: dict[str, int] = {}
        for market, each in enumerate(self._instruments):
            for side in (-1, 1):
                row = self._rows[market, (side + 1) // 2]
                row[a.SIDE], row[a.LOT_ATOMS], row[a.TICK_LOT_ATOMS] = (
                    side,
                    each.lot_atoms,
                    each.tick_lot_atoms,
                )
                row[a.SIZE_MIN], row[a.SIZE_MAX] = max(1, each.size_lots_min), each.size_lots_max
                row[a.NOTIONAL_MIN] = each.notional_atoms_min
                row[a.PAID_SWAP_PPM] = swaps.get(each.quote if side > 0 else each.base, swap_ppm)
                row[a.VENUE] = venues.setdefault(each.venue, len(venues))
            self._charge(market, fee_rule(each, market, fees))
        self._fees.update(fees)
        self._legs = np.zeros((LEGS_MAX, a.LEG_WIDTH), self._type)
        self._flow = np.zeros((LEGS_MAX, k.FLOW_WIDTH), np.float64)
        self._plan = np.zeros((LEGS_MAX, k.PLAN_WIDTH), self._type)
        self._starts = np.zeros(k.STARTS_MAX, self._type)
        self._told = np.zeros(k.TOLD_HEAD + LEGS_MAX * k.PLAN_WIDTH, self._type)
        self._asked = np.zeros(LEGS_MAX * k.ASKED_WIDTH, self._type)
        # A view sets a word in a quarter of the time.
        self._words: Any = self._asked if exact else self._asked.data
        self._answer: Any = self._told if exact else self._told.data
        self._size = exact_size_cycle() if exact else entry(k.size_cycle)
        self._sides, self._threshold = sides, (0.0, 0)
        self._make_room(LEVELS_ROOM)

    def set_fee(self, market: int, rule: FeeRule) -> None:
        """Charge another fee from now on."""
        self._fees[market] = rule
        self._charge(market, rule)

    def state(self) -> bytes:
        """Give the fees that were changed."""
        return msgspec.msgpack.encode(sorted(self._fees.items()))

    def restore(self, state: bytes) -> None:
        """Take what `state` gave."""
        for market, rule in msgspec.msgpack.decode(state, type=list[tuple[int, FeeRule]]):
            self.set_fee(market, rule)

    def sized(
        self,
        cycle: Cycle,
        depth: Callable[[int], Depth],
        *,
        budget: Budget | None = None,
        sequential: bool = False,
        threshold_bps: float = 0.0,
        ticket_id: int = 0,
        now_ns: int = 0,
    ) -> Ticket | NoTicket:
        """Give the ticket that earns most beyond the threshold, or the reason why there is none.

        With a budget every leg pays at most what it names for (venue, asset); what is missing is zero. In a
        `sequential` plan a leg at the venue of the one before it pays from what that one gave.
        """
        hops, words = cycle.hops, self._words
        count = len(hops)
        assert 2 <= count <= LEGS_MAX, f"a cycle of {count} legs"
        at = 0
        for leg, hop in enumerate(hops):
            market, side = hop.market, hop.side
            bids, asks = depth(market)
            levels = asks if side > 0 else bids
            length = len(levels)
            if length > self._room:
                self._make_room(length)
            self._books[leg][:length] = levels
            words[at], words[at + 1], words[at + 2], words[at + 3] = market, int(side > 0), length, -1
            at += k.ASKED_WIDTH
        if budget is not None:
            self._bound(cycle, budget, sequential)
        first = self._instruments[hops[0].market]
        asset = first.quote if hops[0].side > 0 else first.base
        return self._made(self._asked, hops, asset, threshold_bps, ticket_id, now_ns)

    def path(self, hops: tuple[Hop, ...]) -> Path:
        """Lay a cycle out for `along`."""
        asked = np.full(LEGS_MAX * k.ASKED_WIDTH, -1, np.int64)
        for leg, hop in enumerate(hops):
            asked[leg * k.ASKED_WIDTH + k.MARKET] = hop.market
            asked[leg * k.ASKED_WIDTH + k.BUYS] = int(hop.side > 0)
        first = self._instruments[hops[0].market]
        return Path(hops, first.quote if hops[0].side > 0 else first.base, asked, asked.data)

    def along(
        self, path: Path, most: Sequence[int] | None, threshold_bps: float, ticket_id: int, now_ns: int
    ) -> Ticket | NoTicket:
        """Give what `sized` would on the books of now, read in place; a leg pays at most its `most`."""
        words, at, bound = path.words, k.BALANCE_MAX, self._bounds[0]
        if most is None:
            most = (-1,) * len(path.hops)
        for atoms in most:
            words[at] = atoms if atoms < bound else bound
            at += k.ASKED_WIDTH
        return self._made(path.asked, path.hops, path.asset, threshold_bps, ticket_id, now_ns)

    def _made(
        self,
        asked: NDArray[np.int64],
        hops: tuple[Hop, ...],
        asset: str,
        threshold_bps: float,
        ticket_id: int,
        now_ns: int,
    ) -> Ticket | NoTicket:
        count = len(hops)
        if threshold_bps != self._threshold[0]:
            self._threshold = (threshold_bps, _threshold_ppm(threshold_bps))
        block, places = self._sides
        self._size(
            block,
            places,
            self._rows,
            asked,
            self._depths,
            self._legs,
            self._levels,
            self._flow,
            self._plan,
            self._starts,
            self._told,
            count,
            self._threshold[1],
            *self._bounds,
        )
        told = self._answer[: k.TOLD_HEAD + count * k.PLAN_WIDTH].tolist()
        if told[k.REASON] != a.MADE:
            return NoTicket(NoTicketReason(told[k.REASON]), told[k.FIGURE], told[k.LIMIT], told[k.WHICH])
        at, legs = k.TOLD_HEAD, []
        for hop in hops:
            legs.append(Leg(hop.market, hop.side, told[at], told[at + 1], told[at + 2], told[at + 3]))
            at += k.PLAN_WIDTH
        return Ticket(ticket_id, now_ns, asset, tuple(legs), *told[k.IN : k.TOLD_HEAD])

    def _bound(self, cycle: Cycle, budget: Budget, sequential: bool) -> None:
        venue = self._instruments[cycle.hops[-1].market].venue
        for leg, hop in enumerate(cycle.hops):
            each = self._instruments[hop.market]
            if not sequential or leg == 0 or each.venue != venue:
                has = budget.get((each.venue, each.quote if hop.side > 0 else each.base), 0)
                self._asked[leg * k.ASKED_WIDTH + k.BALANCE_MAX] = max(0, min(has, self._bounds[0]))
            venue = each.venue

    def _charge(self, market: int, rule: FeeRule) -> None:
        self._rows[market, :, a.FEE_PPM] = rule.taker_ppm
        self._rows[market, :, a.FEE_IN_QUOTE] = rule.in_quote

    def _make_room(self, levels: int) -> None:
        kept: Levels = np.zeros((LEGS_MAX, levels, 2), self._type)
        for leg, book in enumerate(getattr(self, "_books", ())):
            kept[leg, : len(book)] = book
        self._room, self._depths, self._books = levels, kept, list(kept)
        self._levels: Levels = np.zeros((LEGS_MAX, levels + 1, a.LEVEL_WIDTH), self._type)


def _threshold_ppm(threshold_bps: float) -> int:
    """Round a threshold up to ppm; what a float adds to a decimal is none of it."""
    assert 0 <= threshold_bps * 100 <= THRESHOLD_PPM_MAX, f"a threshold of {threshold_bps} bps"
    return math.ceil(round(threshold_bps * 100, 6))


def sized(
    cycle: Cycle,
    instruments: Sequence[Instrument],
    depth: Callable[[int], Depth],
    *,
    fees: Fees = NO_FEES_CHANGED,
    swap_ppm: int = SWAP_PPM,
    swaps: Mapping[str, int] = ALL_THE_SAME,
    budget: Budget | None = None,
    sequential: bool = False,
    threshold_bps: float = 0.0,
    ticket_id: int = 0,
    now_ns: int = 0,
) -> Ticket | NoTicket:
    """Size one cycle; whoever sizes many keeps a `Sizer`."""
    return Sizer(instruments, fees, swap_ppm, swaps).sized(
        cycle,
        depth,
        budget=budget,
        sequential=sequential,
        threshold_bps=threshold_bps,
        ticket_id=ticket_id,
        now_ns=now_ns,
    )
