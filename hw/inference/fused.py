"""The engine for the hot path: one compiled call for one row or many."""

from __future__ import annotations

from functools import partial

import numpy as np

from hw.inference.fused_kernels import forward_of, packed, places
from hw.inference.network import Floats, Network
from hw.kernel import entry


class Fused:
    """Compute a network with the kernel that is written for its shape.

    One thread at a time: it keeps its sums between the layers in an array of its own.
    """

    name = "fused"

    def __init__(self, network: Network) -> None:
        *_, sums = places(network.shape)
        self._check = network.check
        # Bound rather than a method, which would cost a tenth of what all the rest does.
        self.run = partial(entry(forward_of(network.shape)), packed(network), np.zeros(sums, np.float32))

    def batch(self, x: Floats, out: Floats) -> int:
        """Compute many rows."""
        self._check(x, out)
        return self.run(x.reshape(-1), out.reshape(-1))


def open_engine(network: Network) -> Fused:
    """Give this engine for a network."""
    return Fused(network)
