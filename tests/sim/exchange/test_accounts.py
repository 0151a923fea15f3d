"""Money moves and is never made or lost."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.exchange.exchange import Exchange
from tests.sim.exchange.exchange_builders import ALICE, BOB, BUY, FLOW, random_commands, small_config


def check_money(x: Exchange, opening: list[int]) -> None:
    """Check totals to the atom, locks against open orders, and that nobody limited owes anything."""
    assert [x.accounts.total(at) for at in range(len(x.config.assets))] == opening
    assert all(fee >= 0 for fee in x.accounts.fees)
    for account in (ALICE, BOB, FLOW):
        owed = [0] * len(x.config.assets)
        for order in x.open_orders(account):
            asset, amount = x.markets[order.instrument].locks(
                order.side, order.price_ticks, order.size_lots - order.filled_lots
            )
            owed[asset] += amount
        assert x.accounts.locked[account] == owed
        assert account == FLOW or min(x.accounts.free[account]) >= 0


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    seed=st.integers(0, 1 << 30),
    maker_ppm=st.integers(0, 999_999),
    taker_ppm=st.integers(0, 999_999),
)
def test_every_atom_is_somewhere(seed: int, maker_ppm: int, taker_ppm: int) -> None:
    x = Exchange(small_config(maker_fee_ppm=maker_ppm, taker_fee_ppm=taker_ppm))
    opening = [x.accounts.total(at) for at in range(len(x.config.assets))]
    for at, command in enumerate(random_commands(seed, 150)):
        x.step(command)
        if at % 30 == 0:
            check_money(x, opening)
    check_money(x, opening)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_long_run_keeps_every_atom_and_spends_all_kinds_of_orders(seed: int) -> None:
    x = Exchange(small_config())
    opening = [x.accounts.total(at) for at in range(len(x.config.assets))]
    for command in random_commands(seed, 6_000):
        x.step(command)
    check_money(x, opening)
    assert sum(x.accounts.fees) > 0 and sum(market.trade_id for market in x.markets) > 1_000


def test_locking_moves_from_free_and_back() -> None:
    accounts = Exchange(small_config()).accounts
    draw = random.Random(1)
    before = [row[:] for row in accounts.free]
    amounts = [draw.randrange(1_000) for _ in range(10)]
    for amount in amounts:
        accounts.lock(ALICE, 1, amount)
    assert accounts.locked[ALICE][1] == sum(amounts)
    for amount in amounts:
        accounts.unlock(ALICE, 1, amount)
    assert accounts.free == before


def test_only_unlimited_accounts_afford_anything() -> None:
    accounts = Exchange(small_config()).accounts
    assert accounts.affords(FLOW, 1, 1 << 60)
    assert accounts.affords(ALICE, 1, accounts.free[ALICE][1])
    assert not accounts.affords(ALICE, 1, accounts.free[ALICE][1] + BUY)


def test_an_account_may_have_fees_of_its_own() -> None:
    accounts = Exchange(small_config()).accounts
    assert accounts.taker_ppm == [500, 0, 500] and accounts.maker_ppm == [200, 200, 200]
