"""Trades that a node did not get: a mark in its journal, and an alarm in its log."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from agents.record import encode_mark
from domain.protocols import Store
from market.venues.trade_order import Gap

GAP = "history-gap"
# The journal has them all.
GAPS_TOLD_MAX = 8


class Gaps:
    """Keep the marks of one node."""

    def __init__(self, store: Store, log: Callable[[str], None]) -> None:
        self._store, self._log = store, log
        self.count = 0

    def tell(self, gap: Gap) -> None:
        """Mark trades that are missing; every hundredth is still told when there are many."""
        self.count += 1
        self._store.append(encode_mark(GAP, **msgspec.structs.asdict(gap)))
        if self.count <= GAPS_TOLD_MAX or self.count % 100 == 0:
            more = "" if self.count <= GAPS_TOLD_MAX else f" ({self.count} by now)"
            self._log(f"alarm {GAP}: {gap}{more}")
