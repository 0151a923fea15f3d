"""One market's order book: the shell around the matching kernels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from domain.market_events import Levels
from sim.exchange import engine_kernels as k

ORDERS_MAX = 1 << 20

# One look-up less on the way of every order.
_place, _cancel, _FULL = k.place, k.cancel, k.FULL


class Engine:
    """Match orders of one market. Outcomes are flat lists of rows of `engine_kernels.ROW` integers.

    The first row is (status, order id, left, filled, Σ price × lots, size of the own level or -1); then, in
    order, TRADE (maker id, price, lots, maker's rest, maker's account), MAKER_EXPIRED (maker id, price, lots,
    0, account) and LEVEL_SIZE (side, price, new size). Refusals are statuses from `WOULD_TAKE` up and change
    nothing. The book grows by doubling up to `orders_max` resting orders; beyond, an order that may rest is
    refused (FULL).
    """

    __slots__ = ("_events", "_levels", "_orders_max", "_state", "_view")

    def __init__(self, orders_max: int = ORDERS_MAX, orders_start: int = 1024) -> None:
        assert 1 <= orders_max <= ORDERS_MAX
        self._orders_max = orders_max
        self._levels = np.zeros((orders_max, 2), np.int64) if orders_max < 64 else np.zeros((64, 2), np.int64)
        self._hold(_empty(min(orders_start, orders_max)))

    def place(
        self,
        order_id: int,
        account: int,
        side: int,
        tif: int,
        price_ticks: int,
        size_lots: int,
        self_trade: int = k.PREVENT_NONE,
        budget: int = k.UNLIMITED,
    ) -> list[int]:
        """Place an order. `budget` bounds Σ price × lots of what is taken."""
        # The plus makes a plain integer of an enum, which would compile the kernel anew.
        end = _place(self._state, order_id, account, +side, +tif, price_ticks, size_lots, +self_trade, budget)
        rows: list[int] = self._view[self._events : end].tolist()
        if rows[0] == _FULL and self._grew():
            return self.place(order_id, account, side, tif, price_ticks, size_lots, self_trade, budget)
        return rows

    def cancel(self, order_id: int) -> list[int]:
        """Cancel an order: one row (CANCELLED, id, left, price, side, level's new size) or UNKNOWN_ORDER."""
        end = _cancel(self._state, order_id)
        rows: list[int] = self._view[self._events : end].tolist()
        return rows

    def run(self, ops: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        """Do a batch of rows of `OP_WORDS`; give event rows in pieces, each valid until the next."""
        done = 0
        while done < len(ops):
            done = k.run_ops(self._state, ops, done)
            used = int(self._state[k.USED])
            if used > 0:
                yield self._state[self._events : self._events + used].reshape(-1, k.ROW)
            if done < len(ops) and self._view[k.FREE_ORDER] == 0 and not self._grew():
                yield self._one(ops[done])
                done += 1

    def depth(self, levels_max: int) -> tuple[Levels, Levels]:
        """Give up to so many levels of each side as (price, size), best first."""
        bids, asks = (self._side(which, levels_max) for which in (0, 1))
        return bids, asks

    @property
    def bid_ticks(self) -> int:
        """Give the best bid, 0 where there is none."""
        count: int = self._view[k.COUNTS]
        price: int = self._view[self._view[k.KEYS] + count - 1] if count > 0 else 0
        return price

    @property
    def ask_ticks(self) -> int:
        """Give the best ask, 0 where there is none."""
        count: int = self._view[k.COUNTS + 1]
        price: int = -self._view[self._view[k.KEYS + 1] + count - 1] if count > 0 else 0
        return price

    @property
    def live(self) -> int:
        """Count the resting orders."""
        count: int = self._view[k.LIVE]
        return count

    @property
    def capacity(self) -> int:
        """Give how many orders fit before the next growth."""
        count: int = self._view[k.CAPACITY]
        return count

    def _one(self, op: NDArray[np.int64]) -> NDArray[np.int64]:
        _, order_id, account, side, tif, price, size, self_trade = op.tolist()
        rows = self.place(order_id, account, side, tif, price, size, self_trade)
        return np.array(rows, np.int64).reshape(-1, k.ROW)

    def _side(self, which: int, levels_max: int) -> Levels:
        if len(self._levels) < levels_max:
            self._levels = np.zeros((levels_max, 2), np.int64)
        shown = k.depth_of(self._state, which, self._levels[:levels_max])
        return tuple((price, size) for price, size in self._levels[:shown].tolist())

    def _grew(self) -> bool:
        if self.capacity >= self._orders_max:
            return False
        larger = _empty(min(2 * self.capacity, self._orders_max))
        k.regrow(self._state, larger)
        self._hold(larger)
        return True

    def _hold(self, state: k.State) -> None:
        self._state, self._view = state, memoryview(cast(Any, state))
        self._events = int(state[k.EVENTS])


def _empty(capacity: int) -> k.State:
    places = 1 << (2 * capacity - 1).bit_length()
    words = k.HEADER + capacity * (k.ORDER_WORDS + k.LEVEL_WORDS + 4) + places
    events = (4 * capacity + 4096) * k.ROW
    state = np.zeros(words + events, np.int64)
    k.layout(state, capacity, places - 1)
    return state
