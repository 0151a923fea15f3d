"""One call of the dialect: who may make it, what it does, and what it costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.exchange.dialect_params import Params

if TYPE_CHECKING:
    from sim.exchange.server_venue import Venue

Run = Callable[["Venue", Params, int], object]
Weight = int | Callable[[Params], int]


@dataclass(frozen=True)
class Call:
    """One call. A signed one knows its account, a keyed one only needs a key; a direct one waits for nothing.

    `weight` is what Binance charges the address; `orders` is how many orders it charges the account.
    """

    run: Run
    weight: Weight = 1
    signed: bool = False
    keyed: bool = False
    direct: bool = False
    orders: int = 0

    def cost(self, params: Params) -> int:
        """Give the weight of a request."""
        return self.weight if isinstance(self.weight, int) else self.weight(params)


def by_symbol(one: int, every: int) -> Weight:
    """Cost so much for one market, and so much for all."""
    return lambda params: one if params.has("symbol") else every


def by_limit(*steps: tuple[int, int], default: int) -> Weight:
    """Cost by how many rows are asked for: the first step that they fit."""

    def cost(params: Params) -> int:
        asked = params.raw("limit")
        rows = int(asked) if asked is not None and asked.isdecimal() and len(asked) < 10 else default
        return next((weight for most, weight in steps if rows <= most), steps[-1][1])

    return cost


def by_symbols(one: int, many: tuple[tuple[int, int], ...], every: int) -> Weight:
    """Cost by how many markets are asked for."""

    def cost(params: Params) -> int:
        if params.has("symbol"):
            return one
        asked = params.raw("symbols")
        if asked is None:
            return every
        number = asked.count(",") + 1
        return next((weight for most, weight in many if number <= most), every)

    return cost


def each_symbol(one: int, most: int) -> Weight:
    """Cost so much per market, up to a bound."""

    def cost(params: Params) -> int:
        asked = params.raw("symbols")
        return one if asked is None else min(most, one * (asked.count(",") + 1))

    return cost
