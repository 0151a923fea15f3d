"""Kraken's ids, and client ids inside the core's text."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.exchange.kraken.ids import (
    Name,
    core_text,
    kraken_id,
    kraken_number,
    name_allowed,
    read_core_text,
)

roots = st.integers(1, 36**8 - 1)
free = st.text(string.ascii_letters + string.digits + ".:_-", min_size=1, max_size=18)
uuids = st.uuids().map(str)


@given(st.one_of(free, uuids, uuids.map(str.upper), uuids.map(lambda one: one.replace("-", ""))), roots)
def test_every_allowed_name_comes_back_from_the_core(cl_ord_id: str, root: int) -> None:
    assert name_allowed(cl_ord_id)
    text = core_text(Name(cl_ord_id), root)
    assert len(text) <= 36 and not text.strip(string.ascii_letters + string.digits + ".:/_-")
    assert read_core_text(text, 7) == (Name(cl_ord_id), root)


@given(roots, st.integers(0, (1 << 31) - 1))
def test_references_and_nameless_orders_come_back_too(root: int, userref: int) -> None:
    assert read_core_text(core_text(Name(userref=userref), root), 1) == (Name(userref=userref), root)
    assert read_core_text(core_text(Name(), root), 1) == (Name(), root)


def test_an_order_placed_in_another_way_has_no_name_and_is_its_own_first() -> None:
    for text in ("x-12", "", "strategy", "/", "q/ "):
        assert read_core_text(text, 12) == (Name(), 12)


@pytest.mark.parametrize("text", ["", "x" * 19, "a b", "é", "g" * 32, "0" * 33, "A" * 16 + "a" * 16])
def test_what_is_no_uuid_no_hex_and_too_long_is_not_allowed(text: str) -> None:
    assert not name_allowed(text)


@given(st.sampled_from("OTAL"), st.integers(0, (1 << 80) - 1))
def test_ids_come_back_and_only_as_their_own_kind(kind: str, number: int) -> None:
    text = kraken_id(kind, number)
    assert kraken_number(kind, text) == number
    assert kraken_number("O" if kind != "O" else "T", text) is None


def test_nonsense_is_no_id() -> None:
    for text in ("", "O", "OAAAAA-AAAAA-AAAA1B", "oaaaaa-aaaaa-aaaaab", "OAAAAA-AAAAA-AAAAAB "):
        assert kraken_number("O", text) is None
