"""How far probabilities can be believed: Brier, reliability, and one temperature to mend them."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from learning.models.model import CLASSES, F4, F8, I1

TINY = 1e-7
TEMPERATURES = (0.05, 20.0)
GOLDEN = (5**0.5 - 1) / 2


class Reliability(msgspec.Struct, frozen=True, eq=False):
    """By bins of the stated probability: how often it was stated, its mean, and how often it came true."""

    counts: npt.NDArray[np.int64]
    stated: F8
    found: F8

    @property
    def error(self) -> float:
        """Give the expected calibration error, less what chance gives where probabilities are right.

        Thirty rows of three right probabilities seem to be off by a tenth or more; a thousand do not.
        """
        off = np.abs(self.stated - self.found)
        chance = np.sqrt(2 / np.pi * self.stated * (1 - self.stated) / np.maximum(self.counts, 1))
        total = int(self.counts.sum())
        return max(0.0, float(((off - chance) * self.counts).sum() / total)) if total > 0 else 0.0


def log_loss(probabilities: F4, y: I1) -> float:
    """Give the mean of -log of what was stated for the class that came."""
    told = probabilities[np.arange(len(y)), y].astype(np.float64)
    return float(-np.log(np.maximum(told, TINY)).mean())


def brier(probabilities: F4, y: I1) -> float:
    """Give the mean squared distance to the class that came, summed over classes (Brier, 1950).

    >>> brier(np.array([[0.0, 0.0, 1.0]], np.float32), np.array([2], np.int8))
    0.0
    """
    return float(((probabilities.astype(np.float64) - _ones(y)) ** 2).sum(axis=1).mean())


def reliability(probabilities: F4, y: I1, bins: int = 10) -> Reliability:
    """Pool all classes' probabilities into equal bins, each against how often it came true."""
    stated, came = probabilities.astype(np.float64).ravel(), _ones(y).ravel()
    place = np.minimum((stated * bins).astype(np.int64), bins - 1)
    counts = np.bincount(place, minlength=bins)
    least = np.maximum(counts, 1)
    return Reliability(
        counts,
        np.bincount(place, weights=stated, minlength=bins) / least,
        np.bincount(place, weights=came, minlength=bins) / least,
    )


def temperature(probabilities: F4, y: I1, steps: int = 60) -> float:
    """Find the temperature that tells these labels best; above one the probabilities were too sure."""
    low, high = (float(np.log(each)) for each in TEMPERATURES)
    logits = np.log(np.maximum(probabilities.astype(np.float64), TINY))
    for _ in range(steps):
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        if _cooled_loss(logits, y, left) < _cooled_loss(logits, y, right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def cooled(probabilities: F4, temperature: float) -> F4:
    """Give the probabilities at another temperature.

    >>> cooled(np.array([[0.8, 0.1, 0.1]], np.float32), 1e6).round(3).tolist()
    [[0.3330000042915344, 0.3330000042915344, 0.3330000042915344]]
    """
    logits = np.log(np.maximum(probabilities.astype(np.float64), TINY)) / temperature
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    given: npt.NDArray[Any] = shares / shares.sum(axis=1, keepdims=True)
    return given.astype(np.float32)


def _cooled_loss(logits: F8, y: I1, log_temperature: float) -> float:
    scaled = logits / np.exp(log_temperature)
    top = scaled.max(axis=1)
    log_sum = top + np.log(np.exp(scaled - top[:, None]).sum(axis=1))
    return float((log_sum - scaled[np.arange(len(y)), y]).mean())


def _ones(y: I1) -> F8:
    return np.eye(len(CLASSES))[y]
