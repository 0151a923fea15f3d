"""An exchange object of ccxt as we want it, and the gate that suits its pace."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from domain.errors import ConfigError
from domain.protocols import Clock
from market.venues.ccxt.calls import UNITS, Gate
from market.venues.config import VenueConfig
from market.venues.keys import passphrase
from market.venues.quota import Quotas, Rule

# These sign a time, which may come out of order; others want a number that only rises.
_ANY_ORDER = ("binance", "bitget", "bybit", "gate", "htx", "kucoin", "mexc", "okx")
# How much of the pace that ccxt states may be used at once.
BURST_S = 15.0
# A simulated exchange has limits of its own, and no neighbours.
SIMULATED_TIMES = 10


def exchange_of(config: VenueConfig, keys: bool) -> Any:
    """Make the object; a simulated exchange gets every address of it."""
    import ccxt.pro

    if config.exchange is None or config.exchange not in ccxt.pro.exchanges:
        raise ConfigError(
            f"ccxt knows no exchange named {config.exchange}",
            where=config.name,
            mend=f"set exchange to one of its {len(ccxt.pro.exchanges)} names, such as binance or kraken",
        )
    settings: dict[str, Any] = {
        "enableRateLimit": False,
        "timeout": round(config.rest_timeout_s * 1000),
        "options": {
            "defaultType": "spot",
            "recvWindow": config.recv_window_ms,
            "fetchMarkets": {"types": ["spot"]},
            "warnOnFetchOpenOrdersWithoutSymbol": False,
        },
    }
    if keys:
        settings["apiKey"], settings["secret"] = config.credentials()
        if (third := passphrase(config)) != "":
            settings["password"] = third
    exchange = getattr(ccxt.pro, config.exchange)(settings)
    # Some exchanges' own choice would notice a dead socket after six minutes.
    misses = 1 + config.ping_reply_s / config.ping_idle_s
    exchange.streaming |= {"keepAlive": config.ping_idle_s * 1_000, "maxPingPongMisses": misses}
    exchange.has["fetchCurrencies"] = False  # of no use here, and of other rights than trading
    if config.simulated:
        exchange.urls["api"] = _moved(exchange.urls["api"], config)
    return exchange


def _moved(urls: Any, config: VenueConfig) -> Any:
    """Point every address at the simulated venue; what is left out could reach a real one."""
    if isinstance(urls, dict):
        return {name: _moved(each, config) for name, each in urls.items()}
    if not isinstance(urls, str):
        return urls
    own = urlsplit(config.stream_url if urls.startswith("ws") else config.rest_url)
    return urlsplit(urls)._replace(scheme=own.scheme, netloc=own.netloc).geturl()


def gate_of(config: VenueConfig, exchange: Any, quotas: Quotas, clock: Clock) -> Gate:
    """Take the pace that ccxt states for the exchange: one unit of cost each `rateLimit` milliseconds."""
    per_s = 1_000 / float(exchange.rateLimit or 100) * (SIMULATED_TIMES if config.simulated else 1)
    limit = max(10 * UNITS, round(per_s * BURST_S * UNITS))
    rule = Rule("REQUESTS", limit, decay_per_s=per_s * UNITS)
    quota = quotas.of(urlsplit(config.rest_url).netloc, config.account, (rule,))
    # Nothing that is asked may cost more than its share of the limit, or it would wait for ever.
    return Gate(quota, clock, limit // 2, serial=not exchange.id.startswith(_ANY_ORDER))
