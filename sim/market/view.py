"""What the crowd sees of an exchange core, and where it finds its accounts and last prices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from domain.draws import stream_seed
from domain.errors import ConfigError
from sim.exchange.config import ExchangeConfig
from sim.exchange.exchange import Exchange
from sim.exchange.messages import PlacedOrder
from sim.market.config import REFERENCE, FlowConfig
from sim.market.flow import MarketFlow
from sim.market.prices import PriceProcess

MAKER, NOISE, MOMENTUM = "flow-maker", "flow-noise", "flow-momentum"


class ExchangeView:
    """Show an exchange to its crowd."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._seen: dict[tuple[int, int], int] = {}

    def best(self, instrument: int) -> tuple[int, int]:
        """Give best bid and ask in ticks, 0 where there is none."""
        return self._exchange.best(instrument)

    def open_of(self, account: int, instrument: int) -> Sequence[PlacedOrder]:
        """Give an account's open orders on a market."""
        return self._exchange.open_orders(account, instrument)

    def bought_lots(self, account: int, instrument: int) -> int:
        """Give what an account bought less what it sold on a market since the last time it was asked."""
        trades = self._exchange.orders.trades[self._exchange.orders.slot(account, instrument)]
        seen, bought = self._seen.get((account, instrument), 0), 0
        for trade in reversed(trades):
            if trade.trade_id <= seen:
                break
            bought += trade.side * trade.size_lots
        if trades:
            self._seen[account, instrument] = trades[-1].trade_id
        return bought


def crowd(config: FlowConfig, exchange: ExchangeConfig, prices: PriceProcess, seed: int) -> MarketFlow:
    """Make the crowd of an exchange; it trades from the accounts that are named for it."""
    return MarketFlow(
        config,
        exchange.instruments(),
        prices,
        maker_account=_account(exchange, MAKER),
        noise_account=_account(exchange, NOISE),
        momentum_account=_account(exchange, MOMENTUM),
        seed=stream_seed(seed, exchange.name, exchange.seed),
    )


def anchor(prices: PriceProcess, exchanges: Iterable[Exchange]) -> None:
    """Begin where recovered books stand; an exchange without books says nothing."""
    mids: dict[str, list[float]] = {}
    for exchange in exchanges:
        for market in exchange.instruments:
            bid, ask = exchange.best(market.index)
            if market.quote == REFERENCE and bid > 0 and ask > 0:
                mids.setdefault(market.base, []).append(market.tick.value((bid + ask) / 2))
    for asset, found in mids.items():
        prices.anchor(asset, sum(found) / len(found))


def _account(exchange: ExchangeConfig, name: str) -> int:
    names = [account.name for account in exchange.accounts]
    if name not in names:
        raise ConfigError(
            f"there is no account {name} for the market's own flow",
            where=f"exchange {exchange.name}",
            mend=f'add {{ name = "{name}", unlimited = true, open_orders_max = 10000 }} to its accounts',
        )
    return names.index(name)
