"""Client ids pack, unpack, and are told from other people's."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ids import (
    EPOCH_MAX,
    SEQUENCE_MAX,
    SHARD_MAX,
    client_id,
    client_id_parts,
    client_id_read,
    client_id_text,
)

parts = st.tuples(st.integers(0, SHARD_MAX), st.integers(0, EPOCH_MAX), st.integers(0, SEQUENCE_MAX))


@given(parts)
def test_an_id_gives_its_parts_back_through_int_and_text(given_parts: tuple[int, int, int]) -> None:
    packed = client_id(*given_parts)
    text = client_id_text(packed)
    assert 0 <= packed < 2**63 and client_id_parts(packed) == given_parts
    assert client_id_read(text) == packed
    assert len(text) <= 36 and re.fullmatch(r"[a-zA-Z0-9-]+", text)


@given(parts, parts)
def test_ids_sort_by_shard_then_epoch_then_sequence(
    left: tuple[int, int, int], right: tuple[int, int, int]
) -> None:
    assert (client_id(*left) < client_id(*right)) == (left < right)


@pytest.mark.parametrize(
    "wrong", [(SHARD_MAX + 1, 0, 0), (0, EPOCH_MAX + 1, 0), (0, 0, SEQUENCE_MAX + 1), (-1, 0, 0), (0, 0, -1)]
)
def test_a_part_out_of_range_is_our_own_mistake(wrong: tuple[int, int, int]) -> None:
    with pytest.raises(AssertionError):
        client_id(*wrong)


@given(st.text(max_size=30))
def test_other_texts_are_not_ours(text: str) -> None:
    read = client_id_read(text)
    assert read is None or client_id_text(read) == text


@pytest.mark.parametrize("text", ["m00300002ffffffff", "M00300002000000ff", "m00300002000000ff "])
def test_near_misses_are_not_ours(text: str) -> None:
    assert client_id_read(text) is None
