"""Binance spot, real or simulated: the names that every venue package exports."""

from market.venues.binance.account import AccountTruth
from market.venues.binance.config import VenueConfig
from market.venues.binance.instruments import load_instruments, read_instruments
from market.venues.binance.venue import BinanceVenue as Venue
from market.venues.binance.venue import account_truth
from market.venues.binance.wire import MarketWire

__all__ = [
    "AccountTruth",
    "MarketWire",
    "Venue",
    "VenueConfig",
    "account_truth",
    "load_instruments",
    "read_instruments",
]
