"""FedAvg under masks: the server learns the weighted mean step, and no region's own."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from federation.privacy.fixed_point import Words, to_floats, to_words
from federation.privacy.secure_sum import SecureClient, SecureServer, SecureSumFailed
from federation.update import Arrays, Update

TERMS_MAX = 64


def words_of(update: Update, base: Arrays, examples_max: int) -> Words:
    """Write a region's step times its examples, and the examples; the server sees only sums of both."""
    examples = min(update.examples, examples_max)
    steps = [
        (new.astype(np.float64) - old).reshape(-1) * examples
        for new, old in zip(update.arrays, base, strict=True)
    ]
    return to_words(np.concatenate([*steps, np.array([float(examples)])]), TERMS_MAX)


def mean_of_words(total: Words, base: Arrays) -> list[NDArray[np.floating]]:
    """Read the weighted mean model out of the sum."""
    values = to_floats(total)
    examples, arrays, start = values[-1], [], 0
    for array in base:
        step = values[start : start + array.size].reshape(array.shape) / examples
        arrays.append((array + step).astype(array.dtype))
        start += array.size
    return arrays


def secure_fedavg(
    updates: Mapping[str, Update], base: Arrays, *, examples_max: int = 100_000, gone: Collection[str] = ()
) -> list[NDArray[np.floating]]:
    """Run all four steps between clients and a server; those in `gone` vanish before they send."""
    clients = {name: SecureClient(name) for name in updates}
    server = SecureServer()
    peers = server.meet({name: client.keys() for name, client in clients.items()})
    boxes = server.pass_on({name: client.deal(peers) for name, client in clients.items()})
    alive = server.survivors(
        {
            name: client.masked(words_of(updates[name], base, examples_max), boxes[name])
            for name, client in clients.items()
            if name not in gone
        }
    )
    return mean_of_words(server.total({name: clients[name].uncover(alive) for name in alive}), base)


__all__ = ["SecureSumFailed", "mean_of_words", "secure_fedavg", "words_of"]
