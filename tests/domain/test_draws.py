"""Draws come from named streams, the same on every machine."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from domain.draws import stream, stream_seed

names = st.lists(st.one_of(st.integers(), st.text(st.characters(categories=["L", "N"]))), max_size=4)


@given(st.integers(0, 2**64), names)
def test_a_stream_is_its_seed_and_name(seed: int, path: list[int | str]) -> None:
    assert stream(seed, *path).random() == stream(seed, *path).random()
    assert 0 <= stream_seed(seed, *path) < 2**64


def test_streams_of_other_names_and_seeds_differ() -> None:
    seeds = {
        stream_seed(seed, name, index)
        for seed in range(5)
        for name in ("flow", "noise")
        for index in range(5)
    }
    assert len(seeds) == 50


def test_the_seed_of_a_name_never_changes() -> None:
    assert stream_seed(1, "flow") == 13350859527506987404
    assert stream(7, "price", 3).getrandbits(32) == 775993761
