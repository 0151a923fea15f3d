"""REST ends: with a body, with VENUE_DOWN after so many attempts, or with WRONG_KEY at once."""

from __future__ import annotations

import time
from typing import Any

import pytest

from domain.errors import ExitCode, SwarmError
from hw.clock import SystemClock
from market.venues.backoff import Backoff
from market.venues.binance import limits
from market.venues.binance.instruments import load_instruments, read_instruments
from market.venues.binance.rest import RestClient
from market.venues.binance.venue import account_truth
from market.venues.config import VenueConfig
from tests.market.scripted_venue import Scripted, scripted
from tests.market.venue_server import in_loop, with_keys


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    with_keys(monkeypatch)


def client(venue: Scripted, **changes: Any) -> RestClient:
    return RestClient(venue.config(**changes), SystemClock(), ("k", "s"))


class Sequence:
    """Give one answer after another, the last one for ever."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self.answers, self.calls = list(answers), 0

    def __call__(self, query: dict[str, str]) -> tuple[int, Any]:
        self.calls += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.mark.parametrize("status", [500, 429, 418, 403])
def test_trouble_that_may_pass_is_tried_again(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HOLD_S_UNTOLD", 1)

    @in_loop
    async def run() -> None:
        async with scripted() as venue:
            answers = venue.rest["/x"] = Sequence((status, "not json"), (200, {"fine": 1}))
            async with client(venue) as rest:
                assert await rest.get("/x") == b'{"fine": 1}'
            assert answers.calls == 2

    run()


@in_loop
async def test_trouble_that_stays_is_a_venue_that_is_down() -> None:
    async with scripted() as venue:
        answers = venue.rest["/x"] = Sequence((400, {"code": -1003, "msg": "slow down"}))
        async with client(venue) as rest:
            with pytest.raises(SwarmError, match="slow down") as told:
                await rest.get("/x")
        assert told.value.code == ExitCode.VENUE_DOWN and told.value.retryable and answers.calls == 3


@pytest.mark.parametrize("code", [-2015, -2014, -1022])
def test_a_wrong_key_is_not_tried_again(code: int) -> None:
    @in_loop
    async def run() -> None:
        async with scripted() as venue:
            answers = venue.rest["/x"] = Sequence((401, {"code": code, "msg": "key"}))
            async with client(venue) as rest:
                with pytest.raises(SwarmError, match="TEST_X_KEY and TEST_X_SECRET") as told:
                    await rest.get("/x", sign=True)
            assert told.value.code == ExitCode.WRONG_KEY and answers.calls == 1

    run()


@in_loop
async def test_any_other_refusal_is_a_matter_of_config() -> None:
    async with scripted() as venue:
        venue.rest["/x"] = Sequence((400, {"code": -1121, "msg": "Invalid symbol."}))
        async with client(venue) as rest:
            with pytest.raises(SwarmError, match="Invalid symbol") as told:
                await rest.get("/x")
        assert told.value.code == ExitCode.CONFIG and not told.value.retryable


@in_loop
async def test_a_clock_that_is_off_is_set_right_and_the_call_repeated() -> None:
    async with scripted() as venue:
        venue.rest["/api/v3/time"] = lambda query: (200, {"serverTime": time.time_ns() // 1_000_000 + 50_000})
        venue.rest["/x"] = Sequence((400, {"code": -1021, "msg": "outside of recvWindow"}), (200, {}))
        async with client(venue) as rest:
            await rest.get("/x", sign=True)
            assert abs(rest.time_offset_ms - 50_000) < 1_000
        sent = [int(query["timestamp"]) for path, query in venue.rest_calls if path == "/x"]
        assert 49_000 < sent[1] - sent[0] < 52_000


@in_loop
async def test_a_venue_that_never_answers_is_down_after_the_stated_wait() -> None:
    config = VenueConfig(
        name="nobody",
        rest_url="http://127.0.0.1:1",
        stream_url="ws://127.0.0.1:1",
        api_url="ws://127.0.0.1:1",
        account="a",
        api_key_env="TEST_X_KEY",
        api_secret_env="TEST_X_SECRET",
        start_timeout_s=0.2,
    )
    for asked in (load_instruments(config, ["BTCUSDT"], SystemClock()), account_truth(config, SystemClock())):
        with pytest.raises(SwarmError, match="venue nobody is down") as told:
            await asked
        assert told.value.code == ExitCode.VENUE_DOWN and "\n" not in str(told.value)


@in_loop
async def test_an_unreadable_time_counts_as_down() -> None:
    async with scripted() as venue:
        venue.rest["/api/v3/time"] = lambda query: (200, "[]")
        async with client(venue, start_timeout_s=0.1) as rest:
            with pytest.raises(SwarmError, match="time cannot be read"):
                await rest.wait_up()


FILTERS: list[dict[str, Any]] = [
    {"filterType": "PRICE_FILTER", "tickSize": "0.01000000", "minPrice": "0.01", "maxPrice": "1000"},
    {"filterType": "LOT_SIZE", "stepSize": "0.00100000", "minQty": "0.00200000", "maxQty": "9000.00000000"},
    {"filterType": "NOTIONAL", "minNotional": "5.00000000"},
    {"filterType": "ICEBERG_PARTS", "limit": 10},
]


def info(**changes: Any) -> dict[str, Any]:
    symbol = {
        "symbol": "BNBUSDT",
        "status": "TRADING",
        "baseAsset": "BNB",
        "quoteAsset": "USDT",
        "filters": FILTERS,
    }
    return {"timezone": "UTC", "symbols": [{**symbol, **changes}]}


@in_loop
async def test_instruments_take_their_steps_limits_and_fees_from_the_venue() -> None:
    async with scripted() as venue:
        venue.rest["/api/v3/exchangeInfo"] = lambda query: (200, info())
        rates = {"maker": "0.00100000", "taker": "0.00155550", "buyer": "0", "seller": "0"}
        venue.rest["/api/v3/account"] = lambda query: (200, {"commissionRates": rates})
        (told,) = await load_instruments(venue.config(), ["BNBUSDT"], SystemClock(), first_index=4)
        assert (told.index, told.key, told.base, told.quote) == (4, "test-x:BNBUSDT", "BNB", "USDT")
        assert (told.tick.text(1), told.lot.text(1), told.size_lots_min) == ("0.01", "0.001", 2)
        assert told.notional_atoms_min == 50_000_000_000 and told.size_lots_max == 9_000_000
        assert (told.maker_fee_ppm, told.taker_fee_ppm) == (1_000, 1_556)
        fixed = venue.config(maker_fee_ppm=7)
        (told,) = await load_instruments(fixed, ["BNBUSDT"], SystemClock())
        assert (told.maker_fee_ppm, told.taker_fee_ppm) == (7, 1_556)


@in_loop
async def test_fees_in_the_config_spare_the_question_and_missing_ones_are_named() -> None:
    async with scripted() as venue:
        venue.rest["/api/v3/exchangeInfo"] = lambda query: (200, info())
        fixed = venue.config(maker_fee_ppm=0, taker_fee_ppm=9)
        (told,) = await load_instruments(fixed, ["BNBUSDT"], SystemClock())
        assert (told.maker_fee_ppm, told.taker_fee_ppm) == (0, 9)
        venue.rest["/api/v3/account"] = lambda query: (200, {"makerCommission": 10})
        with pytest.raises(SwarmError, match="set maker_fee_ppm and taker_fee_ppm"):
            await load_instruments(venue.config(), ["BNBUSDT"], SystemClock())


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("{", "cannot be read"),
        (info(symbol="OTHER"), "does not trade there"),
        (info(status="BREAK"), "does not trade there"),
        (info(filters=[]), "filters cannot be read"),
        (info(filters=[{**FILTERS[0], "tickSize": "0"}, *FILTERS[1:]]), "filters cannot be read"),
    ],
)
def test_rules_that_cannot_be_used_are_refused_in_one_line(body: Any, why: str) -> None:
    import json

    raw = body if isinstance(body, str) else json.dumps(body)
    with pytest.raises(SwarmError, match=why) as told:
        read_instruments("x", raw.encode(), ["BNBUSDT"], 0, 0, 0)
    assert told.value.code == ExitCode.CONFIG and "\n" not in str(told.value)


def test_waits_double_up_to_the_most_and_begin_again() -> None:
    class Draws:
        def random(self) -> float:
            return 1.0

    backoff = Backoff(0.1, 0.5, Draws())  # type: ignore[arg-type]
    assert [backoff.next_s() for _ in range(4)] == pytest.approx([0.1, 0.2, 0.4, 0.5])
    backoff.reset()
    assert backoff.next_s() == pytest.approx(0.1)
