"""Run the sizing kernel as plain Python, on integers of any size: for data from outside, at leisure."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

from arbitrage.size import amount_kernels, sizing_kernels

# Beyond any amount that numbers of 60 digits can make, within what a float can hold.
EXACT_AMOUNT_MAX = 10**200


def exact_size_cycle() -> Callable[..., None]:
    """Give `size_cycle` uncompiled, and so everything that it calls."""
    space: dict[str, Any] = {}
    for module in (amount_kernels, sizing_kernels):
        for name, value in vars(module).items():
            plain = getattr(value, "py_func", value)
            space[name] = FunctionType(plain.__code__, space) if isinstance(plain, FunctionType) else plain
    made: Callable[..., None] = space["size_cycle"]
    return made
