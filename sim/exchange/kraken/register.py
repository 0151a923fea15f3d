"""Orders as their owners know them: one that was amended is still the same."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from domain.order import TimeInForce
from sim.exchange.exchange import Exchange
from sim.exchange.kraken.ids import Name, kraken_id, kraken_number, read_core_text
from sim.exchange.messages import AccountTrade, Execution, ExecutionKind, OrderStatusKind, PlacedOrder

USER, REPLACED, EXPIRED = "User requested", "Order replaced", "Order expired"
TIMED_OUT, CLOSED, PREVENTED = "Cancel all orders after", "Market closed", "Self trade prevention"
_LEFT_OVER = {
    TimeInForce.IOC: "Immediate or cancel",
    TimeInForce.FOK: "Fill or kill",
    TimeInForce.MARKET: "Insufficient liquidity",
}


class Life(msgspec.Struct):
    """One order from its placing to its end; `before_*` is what it filled before it was amended."""

    root: int
    name: Name
    order: PlacedOrder
    placed_ns: int
    before_lots: int = 0
    before_notional_atoms: int = 0
    fees: dict[str, int] = {}
    trades: list[AccountTrade] = []
    reason: str = ""
    order_ids: list[int] = []

    @property
    def order_id(self) -> str:
        """Name it as Kraken does."""
        return kraken_id("O", self.root)

    @property
    def open(self) -> bool:
        """Tell whether it may still trade."""
        return self.order.status < OrderStatusKind.FILLED

    @property
    def filled_lots(self) -> int:
        """Give what it has filled since it was placed."""
        return self.before_lots + self.order.filled_lots

    @property
    def size_lots(self) -> int:
        """Give its whole size; one that was measured in quote is as large as what it filled."""
        return self.before_lots + max(self.order.size_lots, self.order.filled_lots)

    @property
    def notional_atoms(self) -> int:
        """Give what its fills were worth."""
        return self.before_notional_atoms + self.order.filled_notional_atoms


class Register:
    """Know the orders of all accounts that somebody can log in to; ended ones up to `ended_max`."""

    def __init__(self, exchange: Exchange, accounts: Sequence[int], ended_max: int) -> None:
        self._ended_max = ended_max
        self._lives: dict[int, Life] = {}
        self._by_order: dict[int, Life] = {}
        self._by_name: dict[tuple[int, str], int] = {}
        self._ended: OrderedDict[int, None] = OrderedDict()
        self.accounts = dict.fromkeys(accounts)
        for account in accounts:
            self._recover(exchange, account)

    def lives(self, account: int) -> list[Life]:
        """List an account's known orders, oldest first."""
        return [one for one in self._lives.values() if one.order.account == account]

    def find(self, account: int, order_id: str | None, cl_ord_id: str | None) -> Life | None:
        """Find an order by Kraken's id or by the client's, of which the newest counts."""
        if order_id is not None:
            root = kraken_number("O", order_id)
        else:
            root = self._by_name.get((account, cl_ord_id or ""))
        life = self._lives.get(-1 if root is None else root)
        return life if life is not None and life.order.account == account else None

    def by_root(self, root: int) -> Life | None:
        """Find an order by the id under which it was placed."""
        return self._lives.get(root)

    def by_trade(self, trade: AccountTrade) -> Life | None:
        """Find the order that a trade belongs to."""
        return self._by_order.get(trade.order_id)

    def learn(self, report: Execution, reason: str) -> Life:
        """Follow what a report says about its order."""
        order = report.order
        if report.kind == ExecutionKind.NEW:
            return self._placed(order)
        life = self._by_order[order.order_id]
        life.order = order
        if report.kind == ExecutionKind.TRADE:
            self._traded(
                life,
                AccountTrade(
                    report.trade_id,
                    order.order_id,
                    order.client_text,
                    order.instrument,
                    order.side,
                    report.last_price_ticks,
                    report.last_lots,
                    report.fee_atoms,
                    report.fee_asset,
                    report.maker,
                    report.now_ns,
                ),
            )
        if not life.open:
            life.reason = _why(report, reason)
            self._end(life)
        return life

    def _placed(self, order: PlacedOrder) -> Life:
        name, root = read_core_text(order.client_text, order.order_id)
        life = self._lives.get(root)
        if life is None:
            life = Life(root, name, order, order.placed_ns, fees={}, trades=[], order_ids=[order.order_id])
            self._lives[root] = life
            if name.cl_ord_id is not None:
                self._by_name[order.account, name.cl_ord_id] = root
        else:
            life.before_lots += life.order.filled_lots
            life.before_notional_atoms += life.order.filled_notional_atoms
            life.order, life.reason = order, ""
            life.order_ids.append(order.order_id)
            self._ended.pop(root, None)
        self._by_order[order.order_id] = life
        return life

    def _traded(self, life: Life, trade: AccountTrade) -> None:
        life.fees[trade.fee_asset] = life.fees.get(trade.fee_asset, 0) + trade.fee_atoms
        life.trades.append(trade)

    def _end(self, life: Life) -> None:
        self._ended[life.root] = None
        if len(self._ended) > self._ended_max:
            oldest, _ = self._ended.popitem(last=False)
            gone = self._lives.pop(oldest)
            for order_id in gone.order_ids:
                del self._by_order[order_id]
            key = (gone.order.account, gone.name.cl_ord_id or "")
            if self._by_name.get(key) == oldest:
                del self._by_name[key]

    def _recover(self, exchange: Exchange, account: int) -> None:
        everything = exchange.next_order_id
        known: list[PlacedOrder] = []
        for market in exchange.instruments:
            known += exchange.all_orders(account, market.index, None, everything)
        for order in sorted(known, key=lambda one: one.order_id):
            life = self._placed(order)
            if not life.open:
                why = (
                    USER
                    if order.status == OrderStatusKind.CANCELED
                    else _LEFT_OVER.get(_tif(order), PREVENTED)
                )
                life.reason = "" if order.status == OrderStatusKind.FILLED else why
                self._end(life)
        for market in exchange.instruments:
            for trade in exchange.trades(account, market.index, None, exchange.config.account_trades_kept):
                if trade.order_id in self._by_order:
                    self._traded(self._by_order[trade.order_id], trade)


def _tif(order: PlacedOrder) -> TimeInForce:
    return TimeInForce(order.tif)


def _why(report: Execution, reason: str) -> str:
    if report.kind == ExecutionKind.TRADE:
        return ""
    if report.kind == ExecutionKind.CANCELED:
        return reason
    if report.kind == ExecutionKind.TRADE_PREVENTION:
        return PREVENTED
    return _LEFT_OVER.get(_tif(report.order), EXPIRED)
