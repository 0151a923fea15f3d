"""Real money is asked for twice, in the config and on the command line, or not at all."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from domain.errors import ConfigError, ExitCode, SwarmError
from market.venues.config import LIVE_WORD, VenueConfig

REAL = {
    "rest_url": "https://api.binance.com",
    "stream_url": "wss://stream.binance.com:9443",
    "api_url": "wss://ws-api.binance.com/ws-api/v3",
}


def config(**changes: Any) -> VenueConfig:
    values = {
        "name": "x",
        "rest_url": "http://127.0.0.1:1",
        "stream_url": "ws://127.0.0.1:1",
        "api_url": "ws://127.0.0.1:1/ws-api/v3",
        "account": "a",
        "api_key_env": "X_KEY",
        "api_secret_env": "X_SECRET",
    }
    return VenueConfig(**{**values, **changes})


def test_a_simulated_venue_needs_no_word() -> None:
    config().check_live(None)


def test_a_real_venue_opens_with_both_locks() -> None:
    config(**REAL, simulated=False, live=True).check_live(LIVE_WORD)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({**REAL, "simulated": False}, LIVE_WORD),
        ({**REAL, "simulated": False, "live": True}, None),
        ({**REAL, "simulated": False, "live": True}, "yes"),
        (REAL, LIVE_WORD),
        ({"live": True}, LIVE_WORD),
        ({"simulated": False, "live": True}, LIVE_WORD),
        ({"simulated": False}, None),
        ({"rest_url": "https://API.Binance.COM."}, None),
        ({"stream_url": "wss://testnet.binance.vision"}, None),
    ],
)
def test_anything_less_is_refused_in_one_line(changes: dict[str, Any], word: str | None) -> None:
    with pytest.raises(ConfigError) as told:
        config(**changes).check_live(word)
    assert told.value.code == ExitCode.CONFIG and "\n" not in str(told.value) and LIVE_WORD in str(told.value)


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "[::1]", "10.0.0.5", "exchange", "x.internal", "x.default.svc"]
)
def test_a_simulated_venue_stands_in_our_own_network(host: str) -> None:
    config(rest_url=f"http://{host}:7101").check_live(None)


@pytest.mark.parametrize(
    "host", ["notbinance.com", "api.kraken.com", "8.8.8.8", "internal.example.org", "134744072", "0x08080808"]
)
def test_any_other_place_may_take_real_money(host: str) -> None:
    with pytest.raises(ConfigError, match="simulated"):
        config(rest_url=f"http://{host}").check_live(None)


@pytest.mark.parametrize("dot", ["\u3002", "\uff0e", "\uff61", "%2e", "\uff05\uff12\uff45"])
@pytest.mark.parametrize("field", ["rest_url", "stream_url", "api_url"])
def test_dots_in_other_writing_do_not_make_an_exchange_a_neighbour(field: str, dot: str) -> None:
    with pytest.raises(ConfigError, match="simulated") as told:
        config(**{field: REAL[field].replace(".", dot)}).check_live(None)
    assert told.value.code == ExitCode.CONFIG


@pytest.mark.parametrize(
    "changes", [{"unknown": 1}, {"rest_url": "ftp://x"}, {"in_flight_max": 0}, {"dialect": "ccxt"}]
)
def test_unknown_fields_and_bad_values_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        config(**changes)


def test_a_missing_secret_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X_KEY", "k")
    monkeypatch.delenv("X_SECRET", raising=False)
    with pytest.raises(SwarmError, match="X_SECRET is not set") as told:
        config().credentials()
    assert told.value.code == ExitCode.WRONG_KEY
    monkeypatch.setenv("X_SECRET", "s")
    assert config().credentials() == ("k", "s")


def test_a_simulated_venue_can_be_moved_and_a_real_one_cannot() -> None:
    moved = config().reached_at("10.0.0.5:7101")
    assert (moved.rest_url, moved.api_url) == ("http://10.0.0.5:7101", "ws://10.0.0.5:7101/ws-api/v3")
    with pytest.raises(ConfigError, match="only a simulated venue"):
        config(**REAL, simulated=False, live=True).reached_at("10.0.0.5:7101")
