"""Exchange configs: exact, complete, and wrong ones named."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from domain.errors import ConfigError, ExitCode
from domain.units import ATOMS_PER_UNIT
from sim.exchange.config import INT64_MAX, load_exchanges
from tests.sim.exchange.exchange_builders import small_config

DEPLOYED = Path(__file__).parents[3] / "deploy" / "exchanges.toml"

SMALL = """
[shared]
assets = ["COIN", "CASH"]
markets = [{ base = "COIN", quote = "CASH", tick = "0.01", lot = "0.1", size_max = "10", start_price = "5" }]
accounts = [{ name = "main", balances = { CASH = "5" } }]

[[exchanges]]
name = "one-x"

[[exchanges]]
name = "two-x"
port = 7000
accounts = [{ name = "own", unlimited = true }]
"""


def test_the_deployed_exchanges_have_triangles_and_fit_64_bits() -> None:
    exchanges = load_exchanges(DEPLOYED)
    assert [each.name for each in exchanges] == ["tokyo-x", "frankfurt-x", "nyc-x"]
    assert [each.port for each in exchanges] == [7101, 7102, 7103]
    for exchange in exchanges:
        symbols = [instrument.symbol for instrument in exchange.instruments()]
        euros = ["EURUSDT", "BTCEUR"] if exchange.name == "frankfurt-x" else []
        assert symbols[13:] == euros and len(exchange.assets) == 9 + (euros != [])
        assert {"ETHBTC", "SOLBTC", "BNBBTC", "SOLETH", "BNBETH"} < set(symbols)
        for instrument in exchange.instruments():
            assert instrument.tick_lot_atoms >= 1 and instrument.venue == exchange.name
            assert instrument.size_lots_max * instrument.lot_atoms < INT64_MAX
        region = exchange.name.removesuffix("-x")
        main = exchange.accounts[exchange.account_index(f"{region}-main")]
        assert main.api_key_env == f"{region.upper()}_X_API_KEY" and set(main.balances) == set(
            exchange.assets
        )
        assert main.api_secret_env == f"{region.upper()}_X_API_SECRET" and not main.unlimited
        others = [each for each in exchange.accounts if each.name not in (main.name, "nyc-away")]
        assert all(each.unlimited and each.api_key_env is None for each in others)
    assert len({each.core_hash() for each in exchanges}) == 3


def test_start_prices_of_triangles_agree() -> None:
    prices = {market.symbol: float(market.start_price) for market in load_exchanges(DEPLOYED)[1].markets}
    crosses = ("ETH", "BTC"), ("SOL", "BTC"), ("BNB", "BTC"), ("SOL", "ETH"), ("BNB", "ETH"), ("BTC", "EUR")
    for base, quote in crosses:
        through = prices[base + "USDT"] / prices[quote + "USDT"]
        assert abs(prices[base + quote] / through - 1) < 0.0002


def test_an_exchange_says_only_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "exchanges.toml"
    path.write_text(SMALL)
    one, two = load_exchanges(path)
    assert (one.name, one.port, one.accounts[0].name) == ("one-x", 0, "main")
    assert (two.name, two.port, two.accounts[0].name) == ("two-x", 7000, "own")
    assert one.markets == two.markets


def test_an_exchange_may_add_assets_and_markets_to_those_that_all_have(tmp_path: Path) -> None:
    path = tmp_path / "exchanges.toml"
    market = '{ base = "COIN", quote = "NOTE", tick = "1", lot = "1", size_max = "9", start_price = "5" }'
    own = f'assets_more = ["NOTE"]\nmarkets_more = [{market}]'
    path.write_text(SMALL.replace('name = "two-x"', f'name = "two-x"\n{own}'))
    one, two = load_exchanges(path)
    assert two.assets == (*one.assets, "NOTE")
    assert [market.symbol for market in two.markets] == ["COINCASH", "COINNOTE"]
    path.write_text(SMALL.replace('name = "two-x"', 'name = "two-x"\nassets_more = "NOTE"'))
    with pytest.raises(ConfigError, match="Extra inputs") as caught:
        load_exchanges(path)
    assert "exchanges[1].assets_more" in caught.value.where


@pytest.mark.parametrize(
    ("old", "new", "where", "what"),
    [
        ("[shared]", "[shared", "exchanges.toml", "not TOML"),
        ("[[exchanges]]", "[[exchange]]", "exchanges", "Field required"),
        ('name = "one-x"', "", "exchanges[0].name", "Field required"),
        ('name = "two-x"', 'name = "one-x"', "exchanges.toml", "twice"),
        ("port = 7000", "port = 70000", "exchanges[1].port", "65535"),
        ("port = 7000", "prot = 7000", "exchanges[1].prot", "Extra inputs"),
        ('tick = "0.01"', 'tick = "0"', "exchanges[0].markets[0]", "above zero"),
        ('tick = "0.01"', 'tick = "0.00000000001"', "exchanges[0].markets[0]", "finer than one atom"),
        ('start_price = "5"', 'start_price = "5.001"', "exchanges[0].markets[0]", "whole number of steps"),
        ('start_price = "5"', 'start_price = "0"', "exchanges[0].markets[0]", "start_price"),
        ('size_max = "10"', 'size_max = "1000000000"', "exchanges[0].markets[0]", "largest notional"),
        ('base = "COIN"', 'base = "GOLD"', "exchanges[0]", "not listed"),
        ('CASH = "5"', 'GOLD = "5"', "exchanges[0]", "not listed"),
        ('CASH = "5"', 'CASH = "500000000"', "exchanges[0].accounts[0]", "64-bit"),
        ('"COIN", "CASH"]', '"COIN", "CASH", "COIN"]', "exchanges[0]", "twice"),
        ('name = "main"', 'name = "main", api_key_env = "K"', "exchanges[0].accounts[0]", "together"),
    ],
)
def test_a_wrong_file_is_named_with_its_field(
    tmp_path: Path, old: str, new: str, where: str, what: str
) -> None:
    path = tmp_path / "exchanges.toml"
    assert old in SMALL
    path.write_text(SMALL.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load_exchanges(path)
    assert where in caught.value.where and "exchanges.toml" in caught.value.where
    assert what in caught.value.what and "\n" not in str(caught.value)
    assert caught.value.code == ExitCode.CONFIG


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        load_exchanges(tmp_path / "none.toml")


def test_sizes_and_sums_that_overflow_are_refused() -> None:
    market = small_config().markets[0].model_dump()
    with pytest.raises(ValidationError, match="64-bit atoms"):
        small_config(markets=[{**market, "size_max": "500000000", "start_price": "0.01"}])
    rich = [{"name": str(at), "balances": {"CASH": "400000000"}} for at in range(3)]
    with pytest.raises(ValidationError, match="together do not fit"):
        small_config(accounts=rich)
    assert small_config(accounts=rich[:2]).accounts[1].balances["CASH"] == str(4 * ATOMS_PER_UNIT // 100)


def test_only_what_recorded_commands_depend_on_is_hashed() -> None:
    base = small_config()
    market = base.markets[0].model_dump()
    same = small_config(
        port=9,
        seed=9,
        limits={"orders_10s": 7},
        markets=[{**market, "volatility_day_frac": 0.9}, base.markets[1]],
        accounts=[{**one.model_dump(), "can_withdraw": True} for one in base.accounts],
    )
    assert same.core_hash() == base.core_hash()
    # Journals made before a setting was added must still be read: the hash may not change with the code.
    assert base.core_hash() == "da47d7738bafb256461626bb477b1430"
    for changes in ({"maker_fee_ppm": 1}, {"markets": [market]}, {"markets": [{**market, "tick": "0.1"}]}):
        assert small_config(**changes).core_hash() != base.core_hash()
