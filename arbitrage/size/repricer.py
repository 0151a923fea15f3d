"""Hold a ticket against a second pricing of it, on the same books and by other code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from arbitrage.fee import FeeRule, Fees, fee_rule
from arbitrage.size import reprice_kernels as k
from arbitrage.size.reprice import ALL_THE_SAME, reprice
from arbitrage.size.sides import Sides
from arbitrage.size.sizing import LEGS_MAX, Depth
from arbitrage.ticket import Ticket
from domain.instrument import Instrument
from hw.kernel import entry


class Repricer:
    """Price tickets over one set of markets again, from their sizes alone.

    What could leave an int64 on the way is priced by `reprice` instead, on integers of any size.
    """

    def __init__(
        self,
        instruments: Sequence[Instrument],
        fees: Fees,
        swap_ppm: int,
        swaps: Mapping[str, int],
        sides: Sides,
        depth: Callable[[int], Depth],
    ) -> None:
        self._instruments, self._fees, self._sides, self._depth = tuple(instruments), dict(fees), sides, depth
        self._swap_ppm, self._swaps = swap_ppm, swaps or ALL_THE_SAME
        venues = list(dict.fromkeys(one.venue for one in instruments))
        self._rules = np.zeros((len(self._instruments), k.RULE_WIDTH), np.int64)
        for market, one in enumerate(self._instruments):
            rule = fee_rule(one, market, fees)
            self._rules[market] = (
                one.lot_atoms,
                one.tick_lot_atoms,
                rule.taker_ppm,
                rule.in_quote,
                venues.index(one.venue),
                swaps.get(one.quote, swap_ppm),
                swaps.get(one.base, swap_ppm),
            )
        self._asked = np.zeros(LEGS_MAX * k.ASKED_WIDTH, np.int64)
        self._told = np.zeros(k.TOLD_HEAD + LEGS_MAX * k.TOLD_WIDTH, np.int64)
        self._words, self._answer = self._asked.data, self._told.data
        self._price = entry(k.reprice_legs)

    def set_fee(self, market: int, rule: FeeRule) -> None:
        """Charge another fee from now on."""
        self._fees[market] = rule
        self._rules[market, k.FEE], self._rules[market, k.QUOTE_FEE] = rule.taker_ppm, rule.in_quote

    def agrees(self, ticket: Ticket) -> bool:
        """Tell whether the sizes of a ticket make just that ticket on the books of now."""
        words, at, wanted = self._words, 0, [ticket.in_atoms, ticket.out_atoms, ticket.dust_atoms]
        wanted.append(ticket.swap_atoms)
        for leg in ticket.legs:
            words[at], words[at + 1], words[at + 2] = leg.instrument, leg.side, leg.size_lots
            wanted += (leg.price_ticks, leg.pay_atoms, leg.get_atoms)
            at += k.ASKED_WIDTH
        block, places = self._sides
        how = self._price(block, places, self._rules, self._asked, self._told, len(ticket.legs))
        if how == k.TOO_LARGE:
            return self.priced(ticket) == ticket
        return how == k.EQUAL_TERMS and self._answer[: len(wanted)].tolist() == wanted

    def priced(self, ticket: Ticket) -> Ticket | None:
        """Give the ticket that its sizes make, the slow way; `None` where the books cannot bear them."""
        return reprice(ticket, self._instruments, self._depth, self._fees, self._swap_ppm, self._swaps)
