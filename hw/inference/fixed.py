"""The int8 engine: fixed point, the same bits on every machine, and what an FPGA would compute."""

from __future__ import annotations

from functools import partial

import numpy as np

from hw.inference.fixed_kernels import forward
from hw.inference.network import Floats, Network
from hw.inference.quantised import quantised
from hw.kernel import entry


class Fixed:
    """Compute a network in whole numbers; one thread at a time."""

    name = "int8"

    def __init__(self, network: Network) -> None:
        made = quantised(network)
        self._check = network.check
        values = np.zeros(2 * made.values, np.int64)
        self.run = partial(entry(forward), made.weights, made.numbers, made.norm, values)

    def batch(self, x: Floats, out: Floats) -> int:
        """Compute many rows."""
        self._check(x, out)
        return self.run(x.reshape(-1), out.reshape(-1))


def open_engine(network: Network) -> Fixed:
    """Give this engine for a network."""
    return Fixed(network)
