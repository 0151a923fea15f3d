"""Region files: complete, and wrong ones say where and how to mend them in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.config import load_region
from domain.errors import ConfigError, ExitCode

REGIONS = Path(__file__).parents[2] / "deploy" / "regions"


@pytest.mark.parametrize("name", ["tokyo", "frankfurt", "nyc"])
def test_the_shipped_regions_load(name: str) -> None:
    region = load_region(REGIONS / name / "region.toml")
    assert (region.region, region.node) == (name, f"{name}-1")
    strategies = [agent.strategy for agent in region.agents]
    assert strategies.count("market_maker") >= 2 and strategies.count("momentum") >= 2
    # One that learns may stand beside another: the gate lets nobody trade with ourselves.
    apart = [agent.symbol for agent in region.agents if agent.strategy != "learned"]
    assert len(set(apart)) == len(apart)
    watching = [agent for agent in region.agents if not agent.parameters.get("trades", True)]
    assert strategies.count("learned") - len(watching) == 2 and len(watching) >= 5
    assert all(venue.simulated and not venue.live for venue in region.venues)


def test_no_two_regions_share_a_shard() -> None:
    shards = [agent.shard for path in REGIONS.glob("*/region.toml") for agent in load_region(path).agents]
    assert len(shards) == len(set(shards)) >= 12


def changed(folder: Path, *changes: tuple[str, str]) -> Path:
    text = (REGIONS / "tokyo" / "region.toml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = folder / "region.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('node = "tokyo-1"\n', "", "node: Field required"),
        ('region = "tokyo"', 'regoin = "tokyo"', "region: Field required"),
        ("take_bps = 20", "take_bips = 20", "desk.take_bips: Extra inputs are not permitted"),
        ("collar_bps = 100", "collar_bps = 0", "agents.0.limits.collar_bps: Input should be greater"),
        ("shard = 102", "shard = 101", "two agents share a shard"),
        ('name = "tokyo-mm-ethusdt"', 'name = "tokyo-mm-btcusdt"', "two agents share a name"),
        ('strategy = "momentum"', 'strategy = "magic"', "no strategy is named magic"),
        ("fast_s = 2.0", "fast_s = 20.0", "agents.2.parameters: fast_s must be below slow_s"),
        ("skew_bps = 3.0", "skewbps = 3.0", "agents.0.parameters.skewbps: Extra inputs"),
        ('symbol = "SOLUSDT"', 'symbol = "DOGEUSDT"', "trades DOGEUSDT, which tokyo-x does not list"),
        ('venue = "tokyo-x"', 'venue = "osaka-x"', "trades at osaka-x, which is not a venue here"),
        ("[limits]", "[limits", "not a TOML file"),
        ("indicators = []", 'indicators = ["sma(0)"]', "has '(0)' after sma, which is no list of parameters"),
        ("indicators = []", 'indicators = ["sma:0"]', "has 0 for period, out of range"),
        ("indicators = []", 'indicators = ["sma:20", "sma:20"]', "names sma:20 twice"),
        ("indicators = []", 'indicators = ["rsi:14@7m"]', "has bars of 7m, which do not fill a day"),
        (
            "indicators = []",
            "books = { nope = { depth = 5 } }",
            "market.books names nope, which is not a venue",
        ),
        (
            "simulated = true",
            "backoff_min_s = 9.0\nbackoff_max_s = 1.0",
            "backoff_max_s 1 is below backoff_min_s 9",
        ),
        (
            "simulated = true",
            "taker_fee_ppm = -99999999999",
            "venues.0.taker_fee_ppm: Input should be greater",
        ),
        ("simulated = true", 'exchange = "okx"', "exchange is for dialect ccxt alone"),
        ('dialect = "binance"', 'dialect = "ccxt"', "dialect ccxt needs the exchange's name"),
        ("simulated = true", "connect_timeout_s = inf", "venues.0.connect_timeout_s: Input should be"),
        ("http://127.0.0.1:7101", "http://127.0.0.1:99999", "rest_url: the port of http://127.0.0.1:99999"),
        (
            "tcp://127.0.0.1:7070",
            "tcp://127.0.0.1:99999",
            "coordinator: address: the port of tcp://127.0.0.1:99999",
        ),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = changed(tmp_path, (old, new))
    with pytest.raises(ConfigError) as caught:
        load_region(path)
    line = str(caught.value)
    assert said in line and str(path) in line and "\n" not in line
    assert caught.value.code == ExitCode.CONFIG and caught.value.mend


def test_two_venues_may_not_share_a_name(tmp_path: Path) -> None:
    text = (REGIONS / "tokyo" / "region.toml").read_text()
    venue = text[text.index("[[venues]]") : text.index("# What all agents")]
    path = tmp_path / "region.toml"
    path.write_text(text + "\n" + venue)
    with pytest.raises(ConfigError, match="two venues share a name"):
        load_region(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the region file: No such file"):
        load_region(tmp_path / "nowhere.toml")
