"""A group's table: what it may say, and what it must not."""

from __future__ import annotations

from typing import Any

import pytest

from agents.config import load_region, region
from deploy.plan import REGIONS
from domain.errors import ConfigError
from tests.agents.arbitrage.rig import A, B, group_table, region_config, venue_table
from tests.agents.builders import agent_table


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"venues": ("c-x",)}, "arb trades at c-x, which is not a venue here"),
        ({"symbols": ("XRPUSDT",)}, "arb trades XRPUSDT, which no venue of it lists"),
        ({"venues": (A,), "symbols": ("BTCUSDT",)}, "fewer than two markets"),
        ({"shard": 4_093}, "arb needs 6 shards from 4093 on"),
        ({"shard": 0}, "two agents share a shard"),
        ({"venues": (A, A)}, "a venue or a symbol is named twice"),
        ({"losses": {"USDT": 0}}, "greater than 0"),
        ({"name": "a b"}, "should match pattern"),
        ({"graph": {"legs_max": 9}}, "less than or equal to 4"),
        ({"speed": 1}, "Extra inputs"),
        ({"venues": (A,), "rebalance": {"between": [B]}}, "rebalance.between names a venue"),
        ({"rebalance": {"trade_max": 0}}, "greater than 0"),
        ({"rebalance": {"simulated": ["a-x"]}}, "Extra inputs"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(changes: dict[str, Any], told: str) -> None:
    table = region_config().model_dump(mode="json")
    table["arbitrage"] = [group_table(**changes)]
    with pytest.raises(ConfigError, match=told):
        region(table, "here")


def test_hands_are_named_in_the_order_of_venues_and_symbols() -> None:
    config = region_config(group_table(symbols=("ETHBTC", "BTCUSDT")))
    (group,) = config.arbitrage
    assert [(hand.shard, hand.venue, hand.symbol) for hand in config.hands(group)] == [
        (100, A, "BTCUSDT"),
        (101, A, "ETHBTC"),
        (102, B, "BTCUSDT"),
        (103, B, "ETHBTC"),
    ]
    assert group.sagas().budget_atoms["USDT"] == 5_000 * 10**10 and group.capital_atoms == 100_000 * 10**10


def test_two_groups_must_not_share_a_name_or_a_shard() -> None:
    second = group_table(name="arb", shard=200)
    with pytest.raises(ValueError, match="share a name"):
        region_config(group_table(), second)
    assert venue_table(A)["name"] == A and agent_table(1)["shard"] == 1


def test_every_shipped_region_arbitrages_and_all_agree_on_how_far_it_is() -> None:
    regions = [load_region(path) for path in sorted(REGIONS.glob("*/region.toml"))]
    groups = [group for config in regions for group in config.arbitrage]
    assert len(groups) == 3 and len({str(group.reach_us) for group in groups}) == 1
    for config in regions:
        reach = config.arbitrage[0].reach_us[config.region]
        assert set(reach) == {venue.name for venue in config.venues}
    shards = [hand.shard for config in regions for group in config.arbitrage for hand in config.hands(group)]
    assert len(shards) == len(set(shards))
