"""An account about itself: balances, fees, what its key may do; and empty answers for stock clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.units import PPM, atoms_text, decimal_text
from sim.exchange import dialect_market as market_words
from sim.exchange import dialect_orders as order_words
from sim.exchange.dialect_call import Call
from sim.exchange.dialect_market import Json
from sim.exchange.dialect_params import Params

if TYPE_CHECKING:
    from sim.exchange.server_venue import Venue


def _account(venue: Venue, params: Params, account: int) -> Json:
    maker_ppm, taker_ppm = venue.fees(account)
    can_withdraw = venue.config.accounts[account].can_withdraw
    some = params.choice("omitZeroBalances", ("true", "false")) == "true"
    return {
        "makerCommission": maker_ppm * 10_000 // PPM,
        "takerCommission": taker_ppm * 10_000 // PPM,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": order_words.rates(maker_ppm, taker_ppm),
        "canTrade": True,
        "canWithdraw": can_withdraw,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": venue.now_ms(),
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": atoms_text(free), "locked": atoms_text(locked)}
            for asset, free, locked in venue.balances(account)
            if not some or free != 0 or locked != 0
        ],
        "permissions": ["SPOT"],
        "uid": account,
    }


def _commission(venue: Venue, params: Params, account: int) -> Json:
    market = params.market(venue.markets)
    return {"symbol": market.symbol, **order_words.commission_rates(*venue.fees(account))}


def _order_counts(venue: Venue, params: Params, account: int) -> list[Json]:
    few, many = venue.weights.used_orders(account, venue.now_ns())
    limits = venue.config.limits
    return [
        {**market_words.rate_limit(market_words.ORDERS_10S, limits.orders_10s), "count": few},
        {**market_words.rate_limit(market_words.ORDERS_DAY, limits.orders_day), "count": many},
    ]


def _coins(venue: Venue, params: Params, account: int) -> list[Json]:
    nothing = atoms_text(0)
    return [
        {
            "coin": asset,
            "name": asset,
            "free": atoms_text(free),
            "locked": atoms_text(locked),
            **dict.fromkeys(("freeze", "withdrawing", "ipoing", "ipoable", "storage"), nothing),
            "depositAllEnable": False,
            "withdrawAllEnable": False,
            "trading": True,
            "isLegalMoney": False,
            "networkList": [],
        }
        for asset, free, locked in venue.balances(account)
    ]


def _trade_fees(venue: Venue, params: Params, account: int) -> list[Json]:
    one = params.text("symbol")
    markets = list(venue.markets.values()) if one is None else [params.market(venue.markets)]
    maker, taker = (decimal_text(ppm, 6) for ppm in venue.fees(account))
    return [
        {"symbol": market.symbol, "makerCommission": maker, "takerCommission": taker} for market in markets
    ]


def _restrictions(venue: Venue, params: Params, account: int) -> Json:
    """Say what the key may do."""
    return {
        "ipRestrict": False,
        "createTime": 0,
        "enableReading": True,
        "enableSpotAndMarginTrading": True,
        "enableWithdrawals": venue.config.accounts[account].can_withdraw,
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": False,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": False,
        "enablePortfolioMarginTrading": False,
    }


def _trading_status(venue: Venue, params: Params, account: int) -> Json:
    return {"data": {"isLocked": False, "plannedRecoverTime": 0, "triggerCondition": {}, "updateTime": 0}}


def _funding(venue: Venue, params: Params, account: int) -> list[Json]:
    return [
        {
            "asset": asset,
            "free": atoms_text(free),
            "locked": atoms_text(locked),
            "freeze": atoms_text(0),
            "withdrawing": atoms_text(0),
            "ipoable": atoms_text(0),
            "btcValuation": atoms_text(0),
        }
        for asset, free, locked in venue.balances(account)
        if free + locked > 0
    ]


def _normal(venue: Venue, params: Params, account: int) -> Json:
    return {"data": "Normal"}


def _system_status(venue: Venue, params: Params, account: int) -> Json:
    return {"status": 0, "msg": "normal"}


def _nothing(venue: Venue, params: Params, account: int) -> list[Json]:
    """Answer what stock clients ask before they list the markets: nothing can be traded on margin."""
    return []


ACCOUNT = Call(_account, weight=20, signed=True)
COMMISSION = Call(_commission, weight=20, signed=True)
ORDER_COUNTS = Call(_order_counts, weight=40, signed=True, direct=True)
COINS, TRADE_FEES = Call(_coins, weight=10, signed=True), Call(_trade_fees, signed=True)
RESTRICTIONS = Call(_restrictions, signed=True)
TRADING_STATUS, ACCOUNT_STATUS = Call(_trading_status, signed=True), Call(_normal, signed=True)
USER_ASSETS = Call(_funding, weight=5, signed=True)
SYSTEM_STATUS, NOTHING = Call(_system_status, direct=True), Call(_nothing, direct=True)
NOTHING_OWN = Call(_nothing, signed=True)
