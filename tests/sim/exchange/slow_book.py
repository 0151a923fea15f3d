"""A slow, obvious order book: the reference that the kernels must equal row by row."""

from __future__ import annotations

import random

from sim.exchange import engine_kernels as k

Row = tuple[int, int, int, int, int, int]


class SlowBook:
    """Keep each level as a dict by order id: a dict keeps arrival order, and that is time priority."""

    def __init__(self) -> None:
        self.sides: dict[int, dict[int, dict[int, list[int]]]] = {1: {}, -1: {}}
        self.where: dict[int, tuple[int, int]] = {}

    def best(self, side: int) -> int | None:
        """Give the best price of a side."""
        levels = self.sides[side]
        if not levels:
            return None
        return max(levels) if side > 0 else min(levels)

    def size(self, side: int, price: int) -> int:
        """Sum a level."""
        return sum(left for left, _ in self.sides[side].get(price, {}).values())

    def remove(self, order_id: int) -> int:
        """Take an order out; give what was left of it."""
        side, price = self.where.pop(order_id)
        left, _ = self.sides[side][price].pop(order_id)
        if not self.sides[side][price]:
            del self.sides[side][price]
        return left

    def cancel(self, order_id: int) -> list[Row]:
        """Cancel as the engine does."""
        if order_id not in self.where:
            return [(k.UNKNOWN_ORDER, order_id, 0, 0, 0, -1)]
        side, price = self.where[order_id]
        left = self.remove(order_id)
        return [(k.CANCELLED, order_id, left, price, side, self.size(side, price))]

    def crosses(self, side: int, tif: int, price: int) -> int | None:
        """Give the best opposite price, if this order would take it."""
        best = self.best(-side)
        if best is None or (tif != k.MARKET and side * best > side * price):
            return None
        return best

    def refusal(self, order_id: int, side: int, tif: int, price: int) -> int | None:
        """Give why an order is refused at once."""
        if order_id in self.where:
            return k.DUPLICATE_ID
        if tif == k.POST and self.crosses(side, tif, price) is not None:
            return k.WOULD_TAKE
        if tif == k.MARKET and self.best(-side) is None:
            return k.NO_LIQUIDITY
        return None

    def fillable(self, account: int, side: int, price: int, size: int, self_trade: int) -> bool:
        """Tell whether a fill-or-kill order finds its size before an own order that would stop it."""
        left = size
        for level_price in sorted(self.sides[-side], key=lambda each: side * each):
            if side * level_price > side * price:
                return False
            for lots, owner in self.sides[-side][level_price].values():
                if owner != account or self_trade == k.PREVENT_NONE:
                    left -= lots
                elif self_trade != k.PREVENT_MAKER:
                    return False
                if left <= 0:
                    return True
        return False

    def place(
        self,
        order_id: int,
        account: int,
        side: int,
        tif: int,
        price: int,
        size: int,
        self_trade: int = k.PREVENT_NONE,
        budget: int = k.UNLIMITED,
    ) -> list[Row]:
        """Match as the engine must."""
        refusal = self.refusal(order_id, side, tif, price)
        if refusal is not None:
            return [(refusal, order_id, size, 0, 0, -1)]
        if tif == k.FOK and not self.fillable(account, side, price, size, self_trade):
            return [(k.EXPIRED, order_id, size, 0, 0, -1)]
        rows: list[Row] = []
        left, notional, prevented, stopped = size, 0, False, False
        best = self.crosses(side, tif, price)
        while left > 0 and best is not None and not stopped:
            before = len(rows)
            for maker_id, maker in list(self.sides[-side][best].items()):
                if maker[1] == account and self_trade != k.PREVENT_NONE:
                    if self_trade != k.PREVENT_TAKER:
                        rows.append((k.MAKER_EXPIRED, maker_id, best, self.remove(maker_id), 0, account))
                    if self_trade != k.PREVENT_MAKER:
                        prevented = stopped = True
                        break
                    continue
                lots = min(left, maker[0], (budget - notional) // best)
                if lots <= 0:
                    stopped = True
                    break
                left -= lots
                notional += lots * best
                maker[0] -= lots
                rows.append((k.TRADE, maker_id, best, lots, maker[0], maker[1]))
                if maker[0] == 0:
                    self.remove(maker_id)
                if left == 0:
                    break
            if len(rows) > before:
                rows.append((k.LEVEL_SIZE, -side, best, self.size(-side, best), 0, 0))
            best = self.crosses(side, tif, price)
        status, own = k.FILLED, -1
        if left > 0 and prevented:
            status = k.PREVENTED
        elif left > 0 and tif in (k.GTC, k.POST):
            status = k.RESTED
            self.sides[side].setdefault(price, {})[order_id] = [left, account]
            self.where[order_id] = (side, price)
            own = self.size(side, price)
        elif left > 0:
            status = k.EXPIRED
        return [(status, order_id, left, size - left, notional, own), *rows]

    def depth(self) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
        """Give both sides, best first."""
        bids = tuple((price, self.size(1, price)) for price in sorted(self.sides[1], reverse=True))
        asks = tuple((price, self.size(-1, price)) for price in sorted(self.sides[-1]))
        return bids, asks


def random_ops(draw: random.Random, first_id: int, count: int) -> list[tuple[int, ...]]:
    """Draw a mixed stream: half places of every kind, half cancels of recent (perhaps gone) orders."""
    ops: list[tuple[int, ...]] = []
    next_id = first_id
    tifs = (k.GTC,) * 12 + (k.POST, k.POST, k.IOC, k.FOK, k.MARKET)
    for at in range(count):
        if draw.random() < 0.5 and next_id > 1:
            ops.append((k.CANCEL_OP, max(1, next_id - 1 - int(draw.expovariate(0.05))), 0, 0, 0, 0, 0, 0))
            continue
        side, tif = draw.choice((1, -1)), draw.choice(tifs)
        if at % 500 == 0:
            # A sweep of a whole side: forgotten orders must not pile up.
            ops.append((k.PLACE_OP, next_id, 9, side, k.MARKET, 0, 1_000_000, k.PREVENT_NONE))
            next_id += 1
            continue
        price = 0 if tif == k.MARKET else 1000 - side * 3 + int(draw.gauss(0, 6))
        again = next_id - 5 if draw.random() < 0.01 and next_id > 5 else next_id
        ops.append(
            (
                k.PLACE_OP,
                again,
                draw.randrange(5),
                side,
                tif,
                price,
                draw.randrange(1, 60) if draw.random() < 0.95 else draw.randrange(60, 900),
                draw.randrange(4),
            )
        )
        next_id += again == next_id
    return ops
