"""The exchange as a value: commands in, what happened out. No clock, no sockets, no draws."""

from __future__ import annotations

from domain.market_events import Levels
from domain.order import TimeInForce
from domain.units import fee_atoms
from sim.exchange import engine_kernels as k
from sim.exchange.accounts import Accounts
from sim.exchange.config import ExchangeConfig
from sim.exchange.exchange_market import Market
from sim.exchange.exchange_state import dump_state, load_state, state_hash
from sim.exchange.filters import check_order
from sim.exchange.messages import (
    AccountTrade,
    CancelAllPlaced,
    CancelPlaced,
    Command,
    DepthChange,
    ExchangeErrorKind,
    Execution,
    ExecutionKind,
    MarketChanged,
    MarketStatus,
    OrderStatusKind,
    Output,
    PlacedOrder,
    PlaceOrder,
    PublicTrade,
    Refused,
    SetMarket,
)
from sim.exchange.orders import Orders

_REFUSALS = {
    k.WOULD_TAKE: ExchangeErrorKind.WOULD_TAKE,
    k.NO_LIQUIDITY: ExchangeErrorKind.NO_LIQUIDITY,
    k.FULL: ExchangeErrorKind.TOO_MANY_ORDERS,
}
_MARKET = int(TimeInForce.MARKET)
_NEW, _PARTIAL, _FILLED, _CANCELED, _EXPIRED, _IN_MATCH = (int(status) for status in OrderStatusKind)
_IS_NEW, _IS_TRADE, _IS_CANCELED, _IS_EXPIRED, _IS_PREVENTION = (int(kind) for kind in ExecutionKind)


class Exchange:
    """Take commands one at a time; a command that changed nothing answers one `Refused`.

    Outputs come in order: NEW, per trade both sides' executions and the public trade, the order's end if it
    ended without filling, and last one `DepthChange` with the new sizes of the levels touched.
    """

    __slots__ = ("accounts", "config", "instruments", "markets", "next_order_id", "orders")

    def __init__(self, config: ExchangeConfig) -> None:
        self.config = config
        self.instruments = config.instruments()
        self.accounts = Accounts(config)
        self.orders = Orders(config)
        self.markets = [Market(config, instrument) for instrument in self.instruments]
        self.next_order_id = 1

    def step(self, command: Command) -> list[Output]:
        """Take one command and tell everything that it caused."""
        if not 0 <= command.instrument < len(self.markets):
            return [_refused(command, ExchangeErrorKind.UNKNOWN_INSTRUMENT)]
        if isinstance(command, SetMarket):
            return self._set_market(command)
        assert 0 <= command.account < len(self.config.accounts)
        if isinstance(command, PlaceOrder):
            return self._place(command)
        if isinstance(command, CancelPlaced):
            return self._cancel(command)
        return self._cancel_all(command)

    def snapshot(self) -> bytes:
        """Give the whole state as bytes."""
        return dump_state(self)

    @classmethod
    def restore(cls, config: ExchangeConfig, state: bytes) -> Exchange:
        """Make the exchange that a snapshot was taken of."""
        exchange = cls(config)
        load_state(exchange, state)
        return exchange

    def state_hash(self) -> str:
        """Hash the whole state: equal for equal commands."""
        return state_hash(self)

    def depth(self, instrument: int, levels_max: int) -> tuple[int, Levels, Levels]:
        """Give (update id, bids, asks), best levels first."""
        market = self.markets[instrument]
        bids, asks = market.engine.depth(levels_max)
        return market.update_id, bids, asks

    def best(self, instrument: int) -> tuple[int, int]:
        """Give the best bid and ask in ticks, 0 where there is none."""
        engine = self.markets[instrument].engine
        return engine.bid_ticks, engine.ask_ticks

    def balances(self, account: int) -> dict[str, tuple[int, int]]:
        """Give every asset's (free, locked) atoms."""
        free, locked = self.accounts.free[account], self.accounts.locked[account]
        return {asset: (free[at], locked[at]) for at, asset in enumerate(self.config.assets)}

    def open_orders(self, account: int, instrument: int | None = None) -> list[PlacedOrder]:
        """List open orders on one market or all, ascending by id within a market."""
        wanted = range(len(self.markets)) if instrument is None else (instrument,)
        slots = (self.orders.slot(account, each) for each in wanted)
        return [order for slot in slots for order in self.orders.open[slot].values()]

    def order(
        self, account: int, instrument: int, order_id: int = 0, client_text: str = ""
    ) -> PlacedOrder | None:
        """Find an order by id or, where that is 0, the newest by client text."""
        return self.orders.find(account, instrument, order_id, client_text)

    def all_orders(
        self, account: int, instrument: int, from_id: int | None = None, limit: int = 500
    ) -> list[PlacedOrder]:
        """List known orders, ascending by id: from an id on, or the latest."""
        return self.orders.all_of(account, instrument, from_id, limit)

    def trades(
        self, account: int, instrument: int, from_id: int | None = None, limit: int = 500
    ) -> list[AccountTrade]:
        """List an account's trades, ascending by id: from an id on, or the latest."""
        return self.orders.trades_of(account, instrument, from_id, limit)

    def public_trades(self, instrument: int, limit: int = 500) -> list[PublicTrade]:
        """List the latest public trades, ascending by id."""
        return list(self.orders.public_trades[instrument])[-limit:]

    def _place(self, command: PlaceOrder) -> list[Output]:
        market = self.markets[command.instrument]
        refusal = check_order(command, market, self.accounts, self.orders)
        if refusal is not None:
            return [_refused(command, refusal)]
        account, side, price = command.account, command.side, command.price_ticks
        budget = k.UNLIMITED
        if command.tif == _MARKET and side > 0 and not self.accounts.unlimited[account]:
            budget = self.accounts.free[account][market.quote] // market.tick_lot_atoms
        order_id = self.next_order_id
        rows = market.engine.place(
            order_id, account, side, command.tif, price, command.size_lots, command.self_trade, budget
        )
        if rows[0] in _REFUSALS:
            return [_refused(command, _REFUSALS[rows[0]])]
        self.next_order_id = order_id + 1
        order = _placed(command, order_id)
        outputs: list[Output] = [Execution(_IS_NEW, command.now_ns, order)]
        levels: list[tuple[int, int, int]] = []
        if len(rows) > k.ROW:
            order = self._match(command.now_ns, market, order, rows, outputs, levels)
        status, left = rows[0], rows[2]
        if status == k.RESTED:
            asset, amount = market.locks(side, price, left)
            self.accounts.lock(account, asset, amount)
            self.orders.put(order)
            levels.append((side, price, rows[5]))
        elif status == k.FILLED:
            self.orders.end(order)
        else:
            prevented = status == k.PREVENTED
            order = _changed(order, _IN_MATCH if prevented else _EXPIRED, 0, 0, command.now_ns)
            self.orders.end(order)
            outputs.append(Execution(_IS_PREVENTION if prevented else _IS_EXPIRED, command.now_ns, order))
        if levels:
            outputs.append(_depth_change(command.now_ns, market, levels))
        return outputs

    def _match(
        self,
        now_ns: int,
        market: Market,
        taker: PlacedOrder,
        rows: list[int],
        outputs: list[Output],
        levels: list[tuple[int, int, int]],
    ) -> PlacedOrder:
        for at in range(k.ROW, len(rows), k.ROW):
            kind, first, price, lots, left, account = rows[at : at + k.ROW]
            if kind == k.LEVEL_SIZE:
                levels.append((first, price, lots))
                continue
            maker = self.orders.open[self.orders.slot(account, taker.instrument)][first]
            if kind == k.TRADE:
                taker = self._trade(now_ns, market, taker, maker, price, lots, left, outputs)
                continue
            self.accounts.unlock(account, *market.locks(maker.side, price, lots))
            ended = _changed(maker, _IN_MATCH, 0, 0, now_ns)
            self.orders.end(ended)
            outputs.append(Execution(_IS_PREVENTION, now_ns, ended))
        return taker

    def _trade(
        self,
        now_ns: int,
        market: Market,
        taker: PlacedOrder,
        maker: PlacedOrder,
        price: int,
        lots: int,
        left: int,
        outputs: list[Output],
    ) -> PlacedOrder:
        market.trade_id += 1
        market.last_ticks = price
        notional, size_atoms = price * lots * market.tick_lot_atoms, lots * market.lot_atoms
        taker_fee, maker_fee = self._settle(market, taker, maker, notional, size_atoms)
        done = taker.filled_lots + lots == taker.size_lots
        taker = _changed(taker, _FILLED if done else _PARTIAL, lots, notional, now_ns)
        maker = _changed(maker, _PARTIAL if left > 0 else _FILLED, lots, notional, now_ns)
        if left > 0:
            self.orders.put(maker)
        else:
            self.orders.end(maker)
        for order, fee, is_maker in ((taker, taker_fee, False), (maker, maker_fee, True)):
            asset = market.instrument.base if order.side > 0 else market.instrument.quote
            outputs.append(
                Execution(_IS_TRADE, now_ns, order, market.trade_id, price, lots, fee, asset, is_maker)
            )
            self.orders.trades[self.orders.slot(order.account, order.instrument)].append(
                AccountTrade(
                    market.trade_id,
                    order.order_id,
                    order.client_text,
                    order.instrument,
                    order.side,
                    price,
                    lots,
                    fee,
                    asset,
                    is_maker,
                    now_ns,
                )
            )
        public = PublicTrade(now_ns, taker.instrument, market.trade_id, price, lots, taker.side < 0)
        self.orders.public_trades[taker.instrument].append(public)
        outputs.append(public)
        return taker

    def _settle(
        self, market: Market, taker: PlacedOrder, maker: PlacedOrder, notional: int, size_atoms: int
    ) -> tuple[int, int]:
        """Move both assets; each side pays its fee from what it receives: base bought, quote earned."""
        accounts = self.accounts
        gives, given, gets, got = market.quote, notional, market.base, size_atoms
        if taker.side < 0:
            gives, given, gets, got = gets, got, gives, given
        taker_fee = fee_atoms(got, accounts.taker_ppm[taker.account])
        maker_fee = fee_atoms(given, accounts.maker_ppm[maker.account])
        accounts.free[taker.account][gives] -= given
        accounts.free[taker.account][gets] += got - taker_fee
        accounts.locked[maker.account][gets] -= got
        accounts.free[maker.account][gives] += given - maker_fee
        accounts.fees[gets] += taker_fee
        accounts.fees[gives] += maker_fee
        return taker_fee, maker_fee

    def _cancel(self, command: CancelPlaced) -> list[Output]:
        wanted = self.orders.find(command.account, command.instrument, command.order_id, command.client_text)
        if wanted is None or wanted.status >= _FILLED:
            return [_refused(command, ExchangeErrorKind.UNKNOWN_ORDER)]
        levels: list[tuple[int, int, int]] = []
        outputs: list[Output] = [self._withdraw(command.now_ns, wanted, command.client_text, levels)]
        outputs.append(_depth_change(command.now_ns, self.markets[command.instrument], levels))
        return outputs

    def _cancel_all(self, command: CancelAllPlaced) -> list[Output]:
        wanted = self.open_orders(command.account, command.instrument)
        if not wanted:
            return [_refused(command, ExchangeErrorKind.NOTHING_OPEN)]
        levels: list[tuple[int, int, int]] = []
        outputs: list[Output] = [self._withdraw(command.now_ns, each, "", levels) for each in wanted]
        outputs.append(_depth_change(command.now_ns, self.markets[command.instrument], levels))
        return outputs

    def _set_market(self, command: SetMarket) -> list[Output]:
        assert command.tick_multiple >= 1 and command.status in tuple(MarketStatus)
        market = self.markets[command.instrument]
        if (market.status, market.tick_multiple) == (command.status, command.tick_multiple):
            return [_refused(command, ExchangeErrorKind.NO_CHANGE)]
        market.status, market.tick_multiple = command.status, command.tick_multiple
        outputs: list[Output] = [
            MarketChanged(command.now_ns, command.instrument, command.status, command.tick_multiple)
        ]
        levels: list[tuple[int, int, int]] = []
        if command.status == MarketStatus.BREAK:
            for account in range(len(self.config.accounts)):
                for each in self.open_orders(account, command.instrument):
                    outputs.append(self._withdraw(command.now_ns, each, "", levels))
        if levels:
            outputs.append(_depth_change(command.now_ns, market, levels))
        return outputs

    def _withdraw(
        self, now_ns: int, order: PlacedOrder, cancel_text: str, levels: list[tuple[int, int, int]]
    ) -> Execution:
        market = self.markets[order.instrument]
        _, _, left, price, side, size = market.engine.cancel(order.order_id)
        self.accounts.unlock(order.account, *market.locks(side, price, left))
        ended = _changed(order, _CANCELED, 0, 0, now_ns)
        self.orders.end(ended)
        levels.append((side, price, size))
        return Execution(_IS_CANCELED, now_ns, ended, cancel_client_text=cancel_text)


def _placed(command: PlaceOrder, order_id: int) -> PlacedOrder:
    return PlacedOrder(
        order_id,
        command.account,
        command.instrument,
        command.client_text or f"x-{order_id}",
        command.side,
        command.tif,
        command.price_ticks,
        command.size_lots,
        0,
        0,
        _NEW,
        command.now_ns,
        command.now_ns,
        command.self_trade,
    )


def _changed(order: PlacedOrder, status: int, lots: int, notional_atoms: int, now_ns: int) -> PlacedOrder:
    return PlacedOrder(
        order.order_id,
        order.account,
        order.instrument,
        order.client_text,
        order.side,
        order.tif,
        order.price_ticks,
        order.size_lots,
        order.filled_lots + lots,
        order.filled_notional_atoms + notional_atoms,
        status,
        order.placed_ns,
        now_ns,
        order.self_trade,
    )


def _depth_change(now_ns: int, market: Market, levels: list[tuple[int, int, int]]) -> DepthChange:
    market.update_id += 1
    if len(levels) == 1:
        side, price, size = levels[0]
        level = ((price, size),)
        if side > 0:
            return DepthChange(now_ns, market.instrument.index, market.update_id, level, ())
        return DepthChange(now_ns, market.instrument.index, market.update_id, (), level)
    latest = {(side, price): size for side, price, size in levels}
    bids = tuple((price, size) for (side, price), size in latest.items() if side > 0)
    asks = tuple((price, size) for (side, price), size in latest.items() if side < 0)
    return DepthChange(now_ns, market.instrument.index, market.update_id, bids, asks)


def _refused(command: Command, kind: ExchangeErrorKind) -> Refused:
    text = command.client_text if isinstance(command, PlaceOrder | CancelPlaced) else ""
    account = -1 if isinstance(command, SetMarket) else command.account
    return Refused(account, int(kind), text, command.instrument)
