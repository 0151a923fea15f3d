"""What assets are worth to each other on the whole: where the values that certify begin."""

from __future__ import annotations

import numpy as np

from arbitrage.graph.columns import SOURCE, TARGET, GraphColumns, Ints, Reals

# Each asset moves half of the way to what its neighbours say, so many times: near enough to order rates by.
ROUNDS = 64


def begin_values(columns: GraphColumns, pair: Ints, rates: Reals) -> Reals:
    """Set the values that stand to what rates of pairs say on average; give what each rate gains by them."""
    source, target = columns.pairs[pair, SOURCE], columns.pairs[pair, TARGET]
    live = rates > 0
    logs = np.log(np.where(live, rates, 1.0))
    near = np.bincount(source[live], minlength=len(columns.values))
    near += np.bincount(target[live], minlength=len(columns.values))
    worth = np.zeros(len(columns.values))
    for _ in range(ROUNDS):
        said = np.bincount(source[live], (logs + worth[target])[live], len(worth))
        said += np.bincount(target[live], (worth[source] - logs)[live], len(worth))
        worth += 0.5 * (said / np.maximum(near, 1) - worth) * (near > 0)
    columns.values[:, 0] = np.exp(worth - worth.mean())
    gains: Reals = np.where(live, logs + worth[target] - worth[source], -np.inf)
    return gains
