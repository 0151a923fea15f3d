"""Clipping bounds what one region can tell; the noise is as wide as it says."""

from __future__ import annotations

import numpy as np
import pytest

from federation.privacy.blur import blurred
from federation.vetting.history import norm, step_of

BASE = [np.ones((100, 50), np.float32), np.zeros(7, np.float32)]
FAR = [each + 3 for each in BASE]


def test_a_long_step_is_shortened_to_the_clip_and_keeps_its_way() -> None:
    out = blurred(FAR, BASE, clip=2.0, noise=0.0, draws=np.random.default_rng(1))
    assert norm(step_of(out, BASE)) == pytest.approx(2.0, rel=1e-5)
    assert np.ptp(out[0]) == 0 and [each.dtype for each in out] == [np.float32, np.float32]


def test_a_short_step_stays() -> None:
    out = blurred([each + np.float32(1e-3) for each in BASE], BASE, 2.0, 0.0, np.random.default_rng(1))
    assert norm(step_of(out, BASE)) == pytest.approx(1e-3 * np.sqrt(5007), rel=1e-3)


def test_the_noise_is_as_wide_as_it_says() -> None:
    out = blurred(BASE, BASE, clip=0.5, noise=4.0, draws=np.random.default_rng(2))
    assert np.std(out[0] - BASE[0]) == pytest.approx(2.0, rel=0.05)
    again = blurred(BASE, BASE, clip=0.5, noise=4.0, draws=np.random.default_rng(3))
    assert not np.array_equal(out[0], again[0])
