"""Signatures equal the standard library's, over what the venue will rebuild from the request."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from domain.ids import EPOCH_MAX, SEQUENCE_MAX, SHARD_MAX, client_id, client_id_text
from domain.order import OrderIntent, Side, TimeInForce
from domain.units import Step
from market.venues.binance.signing import OrderWire, Signer, signed_query
from tests.market.scripted_venue import BTC, ETH

KEY, SECRET = (
    "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A",
    "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j",
)

PLACES = OrderWire((BTC,), KEY, SECRET)


def standard(secret: str, text: str) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def check(frame: bytes, method: str) -> dict[str, Any]:
    """Verify a request as the venue does and give its parameters."""
    request = json.loads(frame)
    parameters: dict[str, Any] = request["params"]
    signature = parameters.pop("signature")
    text = "&".join(f"{name}={parameters[name]}" for name in sorted(parameters))
    assert request["method"] == method and signature == standard(SECRET, text)
    return parameters


def test_the_example_of_the_documentation_has_the_documented_signature() -> None:
    query = (
        "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000"
        "&timestamp=1499827319559"
    )
    expected = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
    assert Signer(SECRET).sign(query.encode()) == expected


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("tif", list(TimeInForce))
@pytest.mark.parametrize("market", [BTC, ETH])
def test_every_kind_of_order_is_signed_over_its_own_parameters(
    side: Side, tif: TimeInForce, market: Any
) -> None:
    wire, client = OrderWire((BTC, ETH), KEY, SECRET), client_id(3, 2, 1)
    frame = wire.place(
        5, client, OrderIntent(0, market.index, int(side), int(tif), 123, 45), 1_700_000_000_000
    )
    told = check(frame, "order.place")
    assert json.loads(frame)["id"] == 5
    assert told["newClientOrderId"] == client_id_text(client) and told["symbol"] == market.symbol
    assert (told["side"], told["quantity"]) == (side.name, market.lot.text(45))
    assert told.get("price") == (None if tif == TimeInForce.MARKET else "1.23")
    assert told.get("timeInForce") == (None if tif in (TimeInForce.MARKET, TimeInForce.POST) else tif.name)
    kinds = {TimeInForce.MARKET: "MARKET", TimeInForce.POST: "LIMIT_MAKER"}
    assert told["type"] == kinds.get(tif, "LIMIT")


def test_cancels_queries_and_subscriptions_are_signed_too() -> None:
    wire, client = OrderWire((BTC, ETH), KEY, SECRET, 1_234), client_id(3, 2, 1)
    for frame, method in (
        (wire.cancel(1, client, 1, 9), "order.cancel"),
        (wire.status(1, client, 1, 9), "order.status"),
    ):
        told = check(frame, method)
        assert told == {
            "apiKey": KEY,
            "origClientOrderId": client_id_text(client),
            "recvWindow": 1_234,
            "symbol": "ETHUSDT",
            "timestamp": 9,
        }
    told = check(wire.subscribe(1, 9), "userDataStream.subscribe.signature")
    assert told == {"apiKey": KEY, "recvWindow": 1_234, "timestamp": 9}


def test_a_key_that_would_break_the_template_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError):
        OrderWire((BTC,), 'a"b', SECRET)


def test_a_rest_query_carries_its_signature_last() -> None:
    query = signed_query(Signer(SECRET), {"symbol": "BTCUSDT", "timestamp": 5})
    assert query == f"symbol=BTCUSDT&timestamp=5&signature={standard(SECRET, 'symbol=BTCUSDT&timestamp=5')}"


@settings(max_examples=50, deadline=None)
@given(st.integers(0, SHARD_MAX), st.integers(0, EPOCH_MAX), st.integers(0, SEQUENCE_MAX))
def test_every_client_id_is_written_as_everywhere_else(shard: int, epoch: int, sequence: int) -> None:
    number = client_id(shard, epoch, sequence)
    told = check(PLACES.place(1, number, OrderIntent(0, 0, 1, 0, 123, 45), 1_700_000_000_000), "order.place")
    assert told["newClientOrderId"] == client_id_text(number)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 150), st.integers(0, 150), st.integers(1, 1 << 40))
def test_keys_of_every_length_sign_alike(key_size: int, secret_size: int, time_ms: int) -> None:
    key, secret = "k" * key_size, "s" * secret_size
    frame = OrderWire((BTC,), key, secret).place(7, 9, OrderIntent(0, 0, 1, 0, 123, 45), time_ms)
    parameters = json.loads(frame)["params"]
    signature = parameters.pop("signature")
    text = "&".join(f"{name}={parameters[name]}" for name in sorted(parameters))
    assert parameters["apiKey"] == key and signature == standard(secret, text)


STEPS = st.builds(Step, st.integers(1, 10_000), st.integers(0, 10))


@settings(max_examples=200, deadline=None)
@given(STEPS, STEPS, st.integers(0, 1 << 49), st.integers(0, 1 << 49), st.integers(1, 1 << 62))
def test_numbers_are_written_as_their_steps_are(
    tick: Step, lot: Step, price: int, size: int, request: int
) -> None:
    market = structs.replace(BTC, tick=tick, lot=lot)
    wire = OrderWire((market,), KEY, SECRET)
    assert max(price, size) <= wire.count_max
    frame = wire.place(request, 5, OrderIntent(0, 0, -1, 1, price, size), 1)
    told = check(frame, "order.place")
    assert json.loads(frame)["id"] == request
    assert (told["price"], told["quantity"]) == (tick.text(price), lot.text(size))


def test_the_largest_figures_are_written_whole() -> None:
    wire = OrderWire((BTC,), KEY, SECRET)
    frame = wire.place(1, 5, OrderIntent(0, 0, 1, 0, wire.count_max, wire.count_max), 1)
    told = check(frame, "order.place")
    assert (told["price"], told["quantity"]) == (BTC.tick.text(wire.count_max), BTC.lot.text(wire.count_max))


def test_a_market_that_cannot_be_written_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError):
        OrderWire((structs.replace(BTC, symbol="B" * 1_000),), KEY, SECRET)
    with pytest.raises(AssertionError):
        OrderWire((structs.replace(BTC, tick=Step(1, 11)),), KEY, SECRET)


def test_frames_that_were_given_stay_as_they_are() -> None:
    first = PLACES.place(1, 5, OrderIntent(0, 0, 1, 0, 123, 45), 1)
    kept = bytes(first)
    PLACES.cancel(2, 6, 0, 9)
    assert first == kept and json.loads(first)["id"] == 1


def test_the_same_holds_uncompiled() -> None:
    if os.environ.get("SWARM_KERNELS", "on") == "off":
        return
    here = [
        f"{__file__}::{name}"
        for name in (
            "test_every_kind_of_order_is_signed_over_its_own_parameters",
            "test_cancels_queries_and_subscriptions_are_signed_too",
            "test_the_largest_figures_are_written_whole",
        )
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *here],
        env={**os.environ, "SWARM_KERNELS": "off"},
        cwd=Path(__file__).parents[4],
        timeout=120,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2_000:]
