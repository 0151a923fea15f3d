"""Kraken's rules become instruments whose digits are the venue's own."""

from __future__ import annotations

from typing import Any

import pytest

from domain.errors import ConfigError, ExitCode, SwarmError
from domain.units import Step
from hw.clock import SystemClock
from market.venues.kraken.instruments import instrument_of, load_instruments
from market.venues.kraken.names import ListedPair
from tests.market.venue_server import in_loop
from tests.market.venues.kraken.scripted import PAIRS, Scripted, good, scripted


def pair(**changes: Any) -> ListedPair:
    values: dict[str, Any] = {"altname": "XBTUSD", "base": "XXBT", "quote": "ZUSD", "pair_decimals": 1,
                              "lot_decimals": 8, "tick_size": "0.1",
                              "ordermin": "0.00005", "costmin": "0.5"}  # fmt: skip
    return ListedPair(**{**values, **changes})


def test_rules_are_read_exactly() -> None:
    made = instrument_of("x", 3, "BTC/USD", pair(), 1_600, 2_600)
    assert (made.index, made.symbol, made.base, made.quote) == (3, "BTCUSD", "BTC", "USD")
    assert (made.tick, made.lot, made.size_lots_min) == (Step(1, 1), Step(1, 8), 5_000)
    assert (made.notional_atoms_min, made.lot_atoms, made.tick_lot_atoms) == (5_000_000_000, 100, 10)
    assert (made.maker_fee_ppm, made.taker_fee_ppm) == (1_600, 2_600)


def test_a_tick_of_several_last_decimals_keeps_the_digits_that_the_checksum_is_over() -> None:
    made = instrument_of("x", 0, "BTC/USD", pair(tick_size="5"), 0, 0)
    assert (
        made.tick == Step(50, 1)
        and made.tick.text(9_057) == "45285.0"
        and made.tick.count("45285.00") == 9_057
    )
    assert made.tick_lot_atoms == 500
    assert instrument_of("x", 0, "BTC/USD", pair(tick_size=""), 0, 0).tick == Step(1, 1)


@pytest.mark.parametrize(
    "change",
    [{"tick_size": "0.05"}, {"tick_size": "0"}, {"pair_decimals": 9, "tick_size": ""}, {"costmin": "?"}],
)
def test_rules_that_cannot_be_kept_are_refused_by_name(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="the rules of BTC/USD cannot be read"):
        instrument_of("x", 0, "BTC/USD", pair(**change), 0, 0)


async def load(venue: Scripted, *symbols: str, **changes: Any) -> Any:
    return await load_instruments(venue.config(**changes), symbols, SystemClock(), first_index=7)


@in_loop
async def test_a_pair_is_found_by_any_of_its_names() -> None:
    async with scripted() as venue:
        for names in (
            ("BTCUSDT", "ETHUSDT"),
            ("BTC/USDT", "ETH/USDT"),
            ("XBTUSDT", "ETHUSDT"),
            ("XBT/USDT", "ETHUSDT"),
        ):
            found = await load(venue, *names)
            assert [(one.index, one.symbol) for one in found] == [(7, "BTCUSDT"), (8, "ETHUSDT")]
        with pytest.raises(ConfigError, match="XRPUSD does not trade there"):
            await load(venue, "XRPUSD")
        venue.rest["AssetPairs"] = lambda form: good({"XBTUSDT": {**PAIRS["XBTUSDT"], "status": "delisted"}})
        with pytest.raises(ConfigError, match="BTCUSDT does not trade there"):
            await load(venue, "BTCUSDT")


@in_loop
async def test_fees_come_from_the_account_where_the_config_does_not_say() -> None:
    async with scripted() as venue:
        told = {
            "fees": {"XBTUSDT": {"fee": "0.2600"}, "ETHUSDT": {"fee": 0.25}},
            "fees_maker": {"XBTUSDT": {"fee": "0.1600"}},
        }
        venue.rest["TradeVolume"] = lambda form: good(told)
        found = await load(venue, "BTCUSDT", "ETHUSDT", maker_fee_ppm=None, taker_fee_ppm=None)
        assert [(one.maker_fee_ppm, one.taker_fee_ppm) for one in found] == [(1_600, 2_600), (2_500, 2_500)]
        (one,) = await load(venue, "BTCUSDT", maker_fee_ppm=None)
        assert (one.maker_fee_ppm, one.taker_fee_ppm) == (1_600, 2_600)
        assert venue.called("TradeVolume")[0]["pair"] == "XBTUSDT,ETHUSDT"
        for wrong in ({}, {"fees": {"XBTUSDT": {"fee": None}}}, 5):
            venue.rest["TradeVolume"] = lambda form, told=wrong: good(told)  # type: ignore[misc]
            with pytest.raises(ConfigError, match="does not tell its fees"):
                await load(venue, "BTCUSDT", maker_fee_ppm=None)


@in_loop
async def test_a_key_that_can_withdraw_is_refused() -> None:
    async with scripted() as venue:
        venue.rest["GetApiKeyInfo"] = lambda form: good({"permissions": ["withdraw-funds"]})
        with pytest.raises(SwarmError, match="can withdraw") as told:
            await load(venue, "BTCUSDT")
        assert told.value.code == ExitCode.WRONG_KEY
