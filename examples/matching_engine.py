"""Walk through the matching engine, order by order: python examples/matching_engine.py"""

from __future__ import annotations

from pathlib import Path

from domain.order import Side, TimeInForce
from sim.exchange.config import AccountConfig, ExchangeConfig, load_exchanges
from sim.exchange.exchange import Exchange
from sim.exchange.messages import (
    CancelPlaced,
    DepthChange,
    ExchangeErrorKind,
    Execution,
    ExecutionKind,
    PlaceOrder,
    PublicTrade,
    Refused,
)

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"
ALICE, BOB = 0, 1


def exchange() -> Exchange:
    """Make an exchange of one market and two accounts."""
    model = load_exchanges(DEPLOY / "exchanges.toml")[0]
    accounts = tuple(
        AccountConfig(name=name, balances={"BTC": "10", "USDT": "1000000"}) for name in ("alice", "bob")
    )
    return Exchange(
        ExchangeConfig(name="one-x", assets=model.assets, markets=model.markets[:1], accounts=accounts)
    )


class Walk:
    """Send commands and say what they caused."""

    def __init__(self) -> None:
        self.exchange = exchange()
        self.market = self.exchange.instruments[0]
        self.now_ns = 0

    def place(self, who: int, side: Side, tif: TimeInForce, price: str, size: str) -> None:
        """Place an order, written as a person would."""
        self.now_ns += 1
        tick = self.market.tick.count(price) if tif is not TimeInForce.MARKET else 0
        order = PlaceOrder(self.now_ns, who, 0, side, tif, tick, self.market.lot.count(size))
        name = self.exchange.config.accounts[who].name
        print(f"\n{name}: {side.name} {size} BTC at {price or 'any price'} ({tif.name})")
        self._say(order)

    def cancel(self, who: int, order_id: int) -> None:
        """Cancel an order."""
        self.now_ns += 1
        print(f"\n{self.exchange.config.accounts[who].name}: cancel {order_id}")
        self._say(CancelPlaced(self.now_ns, who, 0, order_id))

    def _say(self, command: PlaceOrder | CancelPlaced) -> None:
        market = self.market
        for output in self.exchange.step(command):
            if isinstance(output, PublicTrade):
                price, size = market.tick.text(output.price_ticks), market.lot.text(output.size_lots)
                print(f"  traded {size} at {price}")
            elif isinstance(output, Execution):
                filled = market.lot.text(output.order.filled_lots)
                kind = ExecutionKind(output.kind).name.lower()
                print(f"  order {output.order.order_id}: {kind}, filled {filled} in all")
            elif isinstance(output, DepthChange):
                _, bids, asks = self.exchange.depth(0, 3)
                print(f"  book: {self._levels(bids)} | {self._levels(asks)}")
            elif isinstance(output, Refused):
                print(f"  refused: {ExchangeErrorKind(output.kind).name.lower().replace('_', ' ')}")

    def _levels(self, levels: tuple[tuple[int, int], ...]) -> str:
        market = self.market
        shown = [f"{market.lot.text(lots)}@{market.tick.text(ticks)}" for ticks, lots in levels]
        return " ".join(shown) or "empty"


def main() -> None:
    """Rest, take, sweep, be refused, cancel."""
    walk = Walk()
    walk.place(ALICE, Side.SELL, TimeInForce.GTC, "68010.00", "0.50000")
    walk.place(ALICE, Side.SELL, TimeInForce.GTC, "68020.00", "0.50000")
    walk.place(BOB, Side.BUY, TimeInForce.GTC, "68000.00", "0.20000")
    walk.place(BOB, Side.BUY, TimeInForce.IOC, "68010.00", "0.70000")
    walk.place(BOB, Side.BUY, TimeInForce.POST, "68020.00", "0.10000")
    walk.place(BOB, Side.BUY, TimeInForce.FOK, "68020.00", "0.60000")
    walk.place(BOB, Side.BUY, TimeInForce.MARKET, "", "0.10000")
    walk.cancel(ALICE, 2)
    free, locked = walk.exchange.balances(ALICE)["BTC"]
    print(f"\nalice holds {free / 10**10:.5f} BTC free and {locked / 10**10:.5f} locked")


if __name__ == "__main__":
    main()
