"""One thread for training: small matrices only lose by more, and sums come out the same everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold numpy's matrix routines to one thread for a while."""
    with _controller().limit(limits=1, user_api="blas"):
        yield


@lru_cache(maxsize=1)
def _controller() -> Any:
    import numpy as np
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    np.linalg.norm(np.ones(1))  # loads what is to be held
    return ThreadpoolController()
