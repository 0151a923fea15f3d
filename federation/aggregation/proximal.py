"""FedProx (Li et al. 2020): the client's own loss holds it near the version that it started from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def proximal_term(weights: Iterable[Any], started: Iterable[Any], mu: float) -> Any:
    """Give mu/2 times the squared distance, for numpy arrays and torch tensors alike.

    The norm is squared, as in the paper: the norm itself, which some examples show, pulls as hard at a
    millimetre as at a mile and has no gradient where training starts.
    """
    return mu / 2 * sum(((now - then) ** 2).sum() for now, then in zip(weights, started, strict=True))


def proximal_pull(weight: Any, started: Any, mu: float) -> Any:
    """Give the term's gradient for one array, for trainers that write their own.

    >>> proximal_pull(3.0, 1.0, 0.5)
    1.0
    """
    return mu * (weight - started)
