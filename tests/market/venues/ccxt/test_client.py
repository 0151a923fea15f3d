"""An exchange object of ccxt behind our gate: every limit is heeded, and no number of ours is changed."""

from __future__ import annotations

import asyncio
import decimal
from typing import Any

import ccxt
import pytest

from domain.errors import ConfigError, ExitCode, SwarmError
from domain.units import Step, atoms
from hw.clock import SystemClock
from market.venues.ccxt.client import BAD_IN_A_ROW_MAX, Client, Refused
from market.venues.ccxt.fate import Fate
from market.venues.ccxt.making import exchange_of, gate_of
from market.venues.ccxt.reading import plain
from market.venues.quota import Quotas
from tests.market.venue_server import in_loop, until, with_keys
from tests.market.venues.ccxt.builders import Faulty, Script, config, faulty


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    with_keys(monkeypatch)


@pytest.fixture
def client_of(monkeypatch: pytest.MonkeyPatch) -> Any:
    def client_of(script: Script, **changes: Any) -> Client:
        monkeypatch.setattr("market.venues.ccxt.client.exchange_of", script.exchange)
        return Client(config(**changes), SystemClock())

    return client_of


class Socket:
    """A socket that hears what went wrong."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []

    def on_error(self, error: Exception) -> None:
        self.errors.append(error)


def test_an_unknown_exchange_is_named() -> None:
    for name in ("nosuch", "exchanges"):
        with pytest.raises(ConfigError) as told:
            exchange_of(config(exchange=name), keys=False)
        assert str(name) in told.value.what and "binance" in told.value.mend


@pytest.mark.parametrize("name", ["binance", "kraken", "bybit", "okx"])
def test_a_simulated_exchange_has_no_address_that_is_not_its_own(name: str) -> None:
    def addresses(urls: Any) -> list[str]:
        if isinstance(urls, dict):
            return [each for value in urls.values() for each in addresses(value)]
        return [urls] if isinstance(urls, str) else []

    found = addresses(exchange_of(config(exchange=name), keys=False).urls["api"])
    hosts = {each.split("/")[2] for each in found if "://" in each}
    assert hosts == {"127.0.0.1:1"}


def test_a_real_exchange_keeps_its_addresses_and_ccxts_throttler_is_off() -> None:
    made = exchange_of(config(exchange="binance", simulated=False), keys=True)
    assert made.urls["api"]["public"].startswith("https://api.binance.com")
    assert (made.apiKey, made.enableRateLimit) == ("k" * 64, False)
    assert made.options["recvWindow"] == config().recv_window_ms


def test_the_pace_is_the_exchanges_own_and_shared_by_all_who_have_the_account() -> None:
    real, quotas = config(exchange="kraken", simulated=False), Quotas()
    made = exchange_of(real, keys=False)
    gates = [gate_of(real, made, quotas, SystemClock()) for _ in range(2)]
    (rule,) = gates[0].quota._rules.values()
    assert (rule.limit, rule.decay_per_s) == (1_500, 100.0)
    assert gates[0].quota is gates[1].quota and gates[0].serial
    assert not gate_of(
        real, exchange_of(config(exchange="binance"), keys=False), Quotas(), SystemClock()
    ).serial


def test_what_the_exchange_refuses_for_good_is_asked_once(client_of: Any) -> None:
    @in_loop
    async def run() -> None:
        for answer, fate in ((ccxt.BadSymbol("x"), Fate.REFUSED), (ccxt.OrderNotFound("x"), Fate.NOT_FOUND)):
            script = Script(fetch_order=answer)
            client = client_of(script)
            with pytest.raises(Refused, match="an order") as told:
                await client.ask("an order", client.exchange.fetch_order)
            assert (told.value.code, told.value.fate) == (ExitCode.CONFIG, fate)
            assert len(script.asked("fetch_order")) == 1

    run()


def test_what_may_pass_is_asked_again_so_many_times(client_of: Any) -> None:
    @in_loop
    async def run() -> None:
        script = Script(fetch_order=ccxt.ExchangeNotAvailable("503"))
        client = client_of(script, rest_attempts=3)
        with pytest.raises(SwarmError, match="an order: ExchangeNotAvailable") as told:
            await client.ask("an order", client.exchange.fetch_order)
        assert (told.value.code, told.value.retryable) == (ExitCode.VENUE_DOWN, True)
        assert len(script.asked("fetch_order")) == 3
        script.answers["fetch_order"] = ccxt.AuthenticationError("key")
        with pytest.raises(SwarmError) as told:
            await client.ask("an order", client.exchange.fetch_order)
        assert told.value.code == ExitCode.WRONG_KEY

    run()


def test_a_clock_that_is_off_is_measured_before_asking_again(client_of: Any) -> None:
    @in_loop
    async def run() -> None:
        answers = [ccxt.InvalidNonce("-1021"), {"id": "1"}]
        script = Script("binance", fetch_order=lambda: answers.pop(0), load_time_difference=7)
        script.has["fetchTime"] = True
        client = client_of(script)
        assert await client.ask("an order", client.exchange.fetch_order) == {"id": "1"}
        assert [name for name, _ in script.calls] == ["fetch_order", "load_time_difference", "fetch_order"]
        script.answers["load_time_difference"] = ccxt.NetworkError("cut")
        await client.sync_time()
        client.exchange.options["timeDifference"] = 7
        assert client.renewed().exchange.options["timeDifference"] == 7

    run()


def test_messages_that_ccxt_cannot_read_are_counted_and_sixteen_in_a_row_end_the_socket(
    client_of: Any,
) -> None:
    first = client_of(Script())
    client, socket = first.renewed(), Socket()
    read = client.exchange.handle_message
    for _ in range(BAD_IN_A_ROW_MAX - 1):
        read(socket, "broken")
    read(socket, {"fine": 1})
    for _ in range(BAD_IN_A_ROW_MAX - 1):
        read(socket, "broken")
    assert socket.errors == [] and first.gate.bad_frames == 2 * BAD_IN_A_ROW_MAX - 2
    read(socket, "broken")
    assert [type(error) for error in socket.errors] == [ccxt.NetworkError]
    assert "KeyError" in first.gate.last_bad


def test_a_refused_key_ends_the_socket_at_once_and_an_empty_list_says_nothing(client_of: Any) -> None:
    client, socket = client_of(Script()), Socket()

    def raises(_: Any, message: Any) -> None:
        raise ccxt.AuthenticationError("login") if message == "login" else ccxt.ArgumentsRequired("symbol")

    client._handle = raises
    client.exchange.handle_message(socket, {"data": []})
    assert client.gate.bad_frames == 0
    client.exchange.handle_message(socket, "login")
    assert [type(error) for error in socket.errors] == [ccxt.AuthenticationError]


def test_messages_leave_no_faster_than_exchanges_take_them(client_of: Any) -> None:
    @in_loop
    async def run() -> None:
        client, sent = client_of(Script()), []
        socket = client._socket("ws://x")

        async def send(message: str) -> None:
            sent.append(message)

        socket.send = send
        client._socket = lambda url: socket
        client.exchange.clients = {}
        paced = client.exchange.client("ws://x")
        client.exchange.clients = {"ws://x": paced}
        assert client.exchange.client("ws://x") is paced
        tasks = [asyncio.ensure_future(paced.send(str(number))) for number in range(8)]
        await until(lambda: len(sent) == 5)
        await asyncio.sleep(0.05)
        assert sent == ["0", "1", "2", "3", "4"]
        await until(lambda: len(sent) >= 6)
        for task in tasks:
            task.cancel()

    run()


def test_sockets_stand_only_when_all_are_open_and_nothing_is_being_asked(client_of: Any) -> None:
    @in_loop
    async def run() -> None:
        go = asyncio.Event()

        async def token() -> str:
            await go.wait()
            return "t"

        client = client_of(Script(fetch_token=token), connect_timeout_s=0.05)
        with pytest.raises(TimeoutError):
            await client.sockets()
        client.exchange.client("ws://a")
        asking = asyncio.ensure_future(client.exchange.fetch_token())
        with pytest.raises(TimeoutError):
            await client.sockets()
        go.set()
        assert await asking == "t"
        await client.sockets()
        client.exchange.client("ws://b").connection = None
        client.exchange.clients["ws://b"].connecting = True
        with pytest.raises(TimeoutError):
            await client.sockets()

    run()


def test_ccxt_changes_no_number_of_ours() -> None:
    context = decimal.getcontext().copy()
    try:
        for mode in (ccxt.ROUND, ccxt.TRUNCATE):
            ccxt.decimal_to_precision("1234.56789", mode, 3, ccxt.DECIMAL_PLACES)
            ccxt.decimal_to_precision("0.00012", mode, 2, ccxt.SIGNIFICANT_DIGITS)
        made = exchange_of(config(exchange="binance"), keys=False)
        made.number_to_string(1e-7)
        decimal.getcontext().prec = 3
        assert Step.parse("0.01").count("123456789012345678.25") == 12_345_678_901_234_567_825
        assert atoms("123456789.0123456789", "down") == 1_234_567_890_123_456_789
        assert plain(123456789.125) == "123456789.125" and plain(1e-07) == "0.0000001"
    finally:
        decimal.setcontext(context)


@pytest.mark.parametrize("kind", ["http_5xx", "ban"])
def test_what_an_exchange_refuses_is_met_again_only_when_it_may_be(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    @in_loop
    async def run() -> None:
        exchange: Faulty
        async with (
            faulty() as exchange,
            Client(exchange.ccxt_config(rest_attempts=2), exchange.clock) as client,
        ):
            await client.wait_up()
            number = await exchange.fault(
                kind=kind, target="rest", **({"amount": 7} if kind == "ban" else {})
            )
            with pytest.raises(Exception, match="binance") as told:
                await client.once(client.exchange.fetch_balance, 1.0)
            held_ns = client.gate.quota._address.held_until_ns - exchange.clock.now_ns()
            if kind == "ban":
                assert isinstance(told.value, ccxt.DDoSProtection) and 6e9 < held_ns <= 7e9
            else:
                assert isinstance(told.value, ccxt.OperationFailed) and held_ns < 0
                await exchange.mend(number)
                assert "USDT" in await client.ask("the balance", client.exchange.fetch_balance)

    run()


def test_a_clock_step_of_the_exchange_is_followed() -> None:
    @in_loop
    async def run() -> None:
        async with faulty() as exchange, Client(exchange.ccxt_config(), exchange.clock) as client:
            await client.wait_up()
            for step_ms in (-20_000, 40_000):
                await exchange.fault(kind="clock_step", amount=step_ms)
                assert "USDT" in await client.ask("the balance", client.exchange.fetch_balance)

    run()


def test_an_exchange_that_is_in_maintenance_is_waited_for() -> None:
    @in_loop
    async def run() -> None:
        async with faulty() as exchange:
            await exchange.fault(kind="maintenance", for_s=0.15)
            async with Client(exchange.ccxt_config(), exchange.clock) as client:
                await client.wait_up()
                assert "BTC/USDT" in client.exchange.markets
            await exchange.fault(kind="maintenance")
            async with Client(exchange.ccxt_config(start_timeout_s=0.2), exchange.clock) as client:
                with pytest.raises(SwarmError, match="is down") as told:
                    await client.wait_up()
                assert told.value.code == ExitCode.VENUE_DOWN

    run()
