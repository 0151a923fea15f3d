"""The rules of every market and asset, in REST's and in the WebSocket's form."""

from __future__ import annotations

from domain.units import ATOM_DECIMALS, atoms_text
from sim.exchange.dialect_market import Json
from sim.exchange.exchange_market import Market
from sim.exchange.kraken.feed import symbol_of
from sim.exchange.kraken.numbers import fee_text, price, quantity, raw
from sim.exchange.messages import MarketStatus
from sim.exchange.server_venue import Venue

_STATUS = {MarketStatus.TRADING: "online", MarketStatus.HALT: "cancel_only", MarketStatus.BREAK: "delisted"}


def status_of(running: Market) -> str:
    """Tell how a market trades."""
    return _STATUS[MarketStatus(running.status)]


def asset_pair(running: Market) -> Json:
    """Describe a market as REST's `AssetPairs` does."""
    market = running.instrument
    return {
        "altname": market.symbol,
        "wsname": symbol_of(market),
        "aclass_base": "currency",
        "base": market.base,
        "aclass_quote": "currency",
        "quote": market.quote,
        "lot": "unit",
        "cost_decimals": ATOM_DECIMALS,
        "pair_decimals": market.tick.decimals,
        "lot_decimals": market.lot.decimals,
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, raw(fee_text(market.taker_fee_ppm))]],
        "fees_maker": [[0, raw(fee_text(market.maker_fee_ppm))]],
        "fee_volume_currency": market.quote,
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": market.lot.text(market.size_lots_min),
        "costmin": atoms_text(market.notional_atoms_min),
        "tick_size": market.tick.text(running.tick_multiple),
        "status": status_of(running),
    }


def asset(name: str) -> Json:
    """Describe an asset as REST's `Assets` does."""
    return {
        "aclass": "currency",
        "altname": name,
        "decimals": ATOM_DECIMALS,
        "display_decimals": ATOM_DECIMALS,
        "status": "enabled",
    }


def pair_record(running: Market) -> Json:
    """Describe a market as the `instrument` channel does."""
    market = running.instrument
    return {
        "symbol": symbol_of(market),
        "base": market.base,
        "quote": market.quote,
        "status": status_of(running),
        "qty_precision": market.lot.decimals,
        "qty_increment": quantity(market, 1),
        "price_precision": market.tick.decimals,
        "price_increment": price(market, running.tick_multiple),
        "cost_precision": ATOM_DECIMALS,
        "cost_min": raw(atoms_text(market.notional_atoms_min)),
        "qty_min": quantity(market, market.size_lots_min),
        "marginable": False,
        "has_index": False,
    }


def asset_record(name: str) -> Json:
    """Describe an asset as the `instrument` channel does."""
    return {
        "id": name,
        "status": "enabled",
        "precision": ATOM_DECIMALS,
        "precision_display": ATOM_DECIMALS,
        "borrowable": False,
        "collateral_value": 0.0,
        "margin_rate": 0.0,
    }


def instrument_data(venue: Venue) -> Json:
    """Give everything that the `instrument` channel's snapshot tells."""
    return {
        "assets": [asset_record(name) for name in venue.config.assets],
        "pairs": [pair_record(one) for one in venue.exchange.markets],
    }
