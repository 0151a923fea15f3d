"""Every request passes the gate: its cost counted, orders at once or not at all, one by one where needed."""

from __future__ import annotations

import asyncio

import ccxt
import pytest

from hw.clock import SystemClock
from market.venues.ccxt.calls import HOLD_NS_MAX, UNITS, Call, Gate, NotSent
from market.venues.ccxt.client import Client
from market.venues.quota import Priority, Quota, Quotas, Rule
from tests.market.venue_server import in_loop, until
from tests.market.venues.ccxt.builders import Script, config


def quota(limit: int, decay_per_s: float) -> Quota:
    return Quotas().of("x", "ours", (Rule("REQUESTS", limit * UNITS, decay_per_s=decay_per_s * UNITS),))


def client_of(monkeypatch: pytest.MonkeyPatch, script: Script, limit: int, decay_per_s: float) -> Client:
    monkeypatch.setattr("market.venues.ccxt.client.exchange_of", script.exchange)
    gate = Gate(quota(limit, decay_per_s), SystemClock(), limit * UNITS // 2, serial=script.name != "binance")
    return Client(config(), SystemClock(), keys=False, gate=gate)


def test_costs_of_parts_of_a_unit_are_counted_and_none_is_beyond_the_limit() -> None:
    @in_loop
    async def run() -> None:
        clock, one = SystemClock(), quota(10, 0.001)
        gate = Gate(one, clock, 5 * UNITS, serial=False)
        for cost in (0.1, 0.333, 100.0, 0.0):
            async with gate.passing(cost):
                pass
        assert one.used("REQUESTS", clock.now_ns()) == 10 + 34 + 500

    run()


def test_data_waits_for_its_turn_beyond_its_time_and_orders_do_not_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @in_loop
    async def run() -> None:
        script = Script("binance", create_order={"id": "1"}, fetch_trades=["told"])
        client = client_of(monkeypatch, script, 10, 40)
        for _ in range(6):
            await client.once(client.exchange.fetch_balance, 1.0)
        began = asyncio.get_running_loop().time()
        assert await client.once(client.exchange.fetch_trades, 0.01) == ["told"]
        assert asyncio.get_running_loop().time() - began > 0.01
        orders = (
            client.once(client.exchange.create_order, 1.0, Call(Priority.NEW, waits=False)) for _ in range(9)
        )
        told = await asyncio.gather(*orders, return_exceptions=True)
        refused = [each for each in told if isinstance(each, NotSent)]
        assert 1 <= len(told) - len(refused) == len(script.asked("create_order")) <= 3
        assert "used up" in str(refused[0])
        client.gate.hold("3")
        with pytest.raises(NotSent):
            await client.once(client.exchange.create_order, 1.0, Call(Priority.CANCEL, waits=False))

    run()


def test_each_request_of_a_call_has_its_time_and_what_began_is_not_called_unsent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @in_loop
    async def run() -> None:
        script = Script("binance", create_order={"id": "1"})
        client = client_of(monkeypatch, script, 10, 0.001)
        exchange, call = script.made[0], Call(Priority.NEW, waits=False)

        async def twice() -> None:
            await exchange.create_order()
            client.gate.hold("3")
            await exchange.create_order()

        with pytest.raises(ccxt.NetworkError, match="begun, then"):
            await client.once(twice, 1.0, call)
        assert call.granted == 1 and not call.unsent and len(script.asked("create_order")) == 1

    run()


def test_a_call_of_which_nothing_is_known_is_not_called_unsent(monkeypatch: pytest.MonkeyPatch) -> None:
    @in_loop
    async def run() -> None:
        client = client_of(monkeypatch, Script(), 10, 1)
        with pytest.raises(TimeoutError):
            await client.once(lambda: asyncio.sleep(5), 0.01, Call(waits=False))
        assert Call().unsent

    run()


def test_requests_of_a_strict_exchange_go_one_by_one_over_all_its_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @in_loop
    async def run() -> None:
        inside, most = 0, 0

        async def slow() -> list[int]:
            nonlocal inside, most
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.002)
            inside -= 1
            return []

        for name, together in (("kraken", 1), ("binance", 6)):
            script = Script(name, fetch_balance=slow)
            client, most = client_of(monkeypatch, script, 1_000, 1_000), 0
            other = client.renewed()
            assert other.gate is client.gate
            ways = [each.exchange.fetch_balance for each in (client, other)] * 3
            await asyncio.gather(*(client.once(way, 1.0) for way in ways))
            assert most == together

    run()


def test_a_limit_met_meanwhile_stops_those_who_stand_in_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @in_loop
    async def run() -> None:
        async def limited() -> None:
            await asyncio.sleep(0.01)
            raise ccxt.RateLimitExceeded("EAPI:Rate limit exceeded")

        script = Script("kraken", fetch_balance=limited, create_order={"id": "1"})
        client = client_of(monkeypatch, script, 1_000, 1_000)
        first = asyncio.ensure_future(client.once(client.exchange.fetch_balance, 1.0))
        await until(lambda: script.asked("fetch_balance"))
        order = client.once(client.exchange.create_order, 1.0, Call(Priority.NEW, waits=False))
        told = await asyncio.gather(first, order, return_exceptions=True)
        assert [type(each) for each in told] == [ccxt.RateLimitExceeded, NotSent]
        assert not script.asked("create_order")

    run()


def test_too_many_who_wait_are_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    @in_loop
    async def run() -> None:
        client = client_of(monkeypatch, Script("binance"), 10, 1)
        client.gate._turns._waiting_max = 0
        with pytest.raises(NotSent, match="too many"):
            await client.once(client.exchange.fetch_balance, 1.0)

    run()


@pytest.mark.parametrize(
    ("told", "held_s"), [("7", 7.0), (None, 10.0), ("soon", 10.0), ("9" * 30, HOLD_NS_MAX / 1e9), ("0", 0.0)]
)
def test_everything_is_held_back_as_long_as_told_but_not_for_ever(told: str | None, held_s: float) -> None:
    clock, one = SystemClock(), quota(10, 1)
    gate, now_ns = Gate(one, clock, 10, serial=True), clock.now_ns()
    gate.hold(told)
    wait_ns = one.ask((), Priority.CANCEL, now_ns)
    assert held_s * 1e9 <= wait_ns <= (held_s + 1) * 1e9


def test_numbers_for_signing_only_rise() -> None:
    gate = Gate(quota(10, 1), SystemClock(), 10, serial=True)
    assert [gate.nonce(wanted) for wanted in (5, 5, 4, 9)] == [5, 6, 7, 9]
