"""The exchange as a value: commands in, what happened out. No clock, no sockets, no draws."""

from __future__ import annotations

from domain.market_events import Levels
from domain.order import TimeInForce
from domain.units import fee_atoms
from sim.exchange import engine_kernels as k
from sim.exchange.accounts import Accounts
from sim.exchange.config import ExchangeConfig
from sim.exchange.exchange_market import Market
from sim.exchange.exchange_outcomes import changed, depth_change, placed, refused
from sim.exchange.exchange_state import dump_state, load_state, state_hash
from sim.exchange.exchange_stops import first_due, sized_by_quote
from sim.exchange.filters import check_order
from sim.exchange.messages import (
    WAITING,
    AccountTrade,
    CancelAllPlaced,
    CancelPlaced,
    Command,
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
            return [refused(command, ExchangeErrorKind.UNKNOWN_INSTRUMENT)]
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
            return [refused(command, refusal)]
        if command.stop_ticks != 0:
            return self._wait(command, market)
        order_id = self.next_order_id
        size, budget = command.size_lots, k.UNLIMITED
        if command.tif == _MARKET:
            size, budget = self._reach(command, market)
        rows = market.engine.place(
            order_id,
            command.account,
            command.side,
            command.tif,
            command.price_ticks,
            size,
            command.self_trade,
            budget,
        )
        if rows[0] in _REFUSALS:
            return [refused(command, _REFUSALS[rows[0]])]
        self.next_order_id = order_id + 1
        order = placed(command, order_id)
        if command.quote_atoms != 0:
            order = sized_by_quote(order, market, rows, budget)
        outputs: list[Output] = [Execution(_IS_NEW, command.now_ns, order)]
        levels: list[tuple[int, int, int]] = []
        self._enter(command.now_ns, market, order, rows, outputs, levels)
        if market.waiting and len(rows) > k.ROW:
            self._trigger(command.now_ns, market, outputs, levels)
        if levels:
            outputs.append(depth_change(command.now_ns, market, levels))
        return outputs

    def _reach(self, order: PlaceOrder | PlacedOrder, market: Market) -> tuple[int, int]:
        """Give how many lots an order may take, and for how much at most."""
        if order.tif != _MARKET:
            return order.size_lots, k.UNLIMITED
        unlimited, free = self.accounts.unlimited[order.account], self.accounts.free[order.account]
        if order.quote_atoms != 0:
            budget, size = order.quote_atoms // market.tick_lot_atoms, market.size_lots_max
            if order.side < 0 and not unlimited:
                size = min(size, free[market.base] // market.lot_atoms)
            return size, budget
        if order.side > 0 and not unlimited:
            return order.size_lots, free[market.quote] // market.tick_lot_atoms
        return order.size_lots, k.UNLIMITED

    def _enter(
        self,
        now_ns: int,
        market: Market,
        order: PlacedOrder,
        rows: list[int],
        outputs: list[Output],
        levels: list[tuple[int, int, int]],
    ) -> None:
        """Follow what the engine did with an order: its trades, then its rest or its end."""
        if len(rows) > k.ROW:
            order = self._match(now_ns, market, order, rows, outputs, levels)
        status, left = rows[0], rows[2]
        if status == k.RESTED:
            asset, amount = market.locks(order.side, order.price_ticks, left)
            self.accounts.lock(order.account, asset, amount)
            self.orders.put(order)
            levels.append((order.side, order.price_ticks, rows[5]))
        elif order.status == _FILLED:
            self.orders.end(order)
        else:
            prevented = status == k.PREVENTED
            order = changed(order, _IN_MATCH if prevented else _EXPIRED, 0, 0, now_ns)
            self.orders.end(order)
            outputs.append(Execution(_IS_PREVENTION if prevented else _IS_EXPIRED, now_ns, order))

    def _wait(self, command: PlaceOrder, market: Market) -> list[Output]:
        """Keep a stop order, and what it may need, until its price comes."""
        order = placed(command, self.next_order_id)
        order.working_ns = WAITING
        self.next_order_id += 1
        self.accounts.lock(order.account, *self._held(order, market))
        self.orders.put(order)
        market.waiting[order.order_id] = order
        return [Execution(_IS_NEW, command.now_ns, order)]

    def _held(self, order: PlacedOrder, market: Market) -> tuple[int, int]:
        """Give (asset, atoms) locked for a waiting order; one at market is valued at its stop price."""
        price = order.price_ticks if order.tif != _MARKET else abs(order.stop_ticks)
        return market.locks(order.side, price, order.size_lots)

    def _trigger(
        self, now_ns: int, market: Market, outputs: list[Output], levels: list[tuple[int, int, int]]
    ) -> None:
        """Enter the waiting orders whose price has come, the oldest first; their trades may call more."""
        while (waiting := first_due(market)) is not None:
            del market.waiting[waiting.order_id]
            self.accounts.unlock(waiting.account, *self._held(waiting, market))
            order = changed(waiting, _NEW, 0, 0, now_ns)
            order.working_ns, order.entered = now_ns, self.next_order_id
            self.next_order_id += 1
            self.orders.put(order)
            outputs.append(Execution(_IS_NEW, now_ns, order))
            size, budget = self._reach(order, market)
            rows = market.engine.place(
                order.order_id,
                order.account,
                order.side,
                order.tif,
                order.price_ticks,
                size,
                order.self_trade,
                budget,
            )
            self._enter(now_ns, market, order, rows, outputs, levels)

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
            ended = changed(maker, _IN_MATCH, 0, 0, now_ns)
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
        taker = changed(taker, _FILLED if done else _PARTIAL, lots, notional, now_ns)
        maker = changed(maker, _PARTIAL if left > 0 else _FILLED, lots, notional, now_ns)
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
            return [refused(command, ExchangeErrorKind.UNKNOWN_ORDER)]
        levels: list[tuple[int, int, int]] = []
        outputs: list[Output] = [self._withdraw(command.now_ns, wanted, command.client_text, levels)]
        if levels:
            outputs.append(depth_change(command.now_ns, self.markets[command.instrument], levels))
        return outputs

    def _cancel_all(self, command: CancelAllPlaced) -> list[Output]:
        wanted = self.open_orders(command.account, command.instrument)
        if not wanted:
            return [refused(command, ExchangeErrorKind.NOTHING_OPEN)]
        levels: list[tuple[int, int, int]] = []
        outputs: list[Output] = [self._withdraw(command.now_ns, each, "", levels) for each in wanted]
        if levels:
            outputs.append(depth_change(command.now_ns, self.markets[command.instrument], levels))
        return outputs

    def _set_market(self, command: SetMarket) -> list[Output]:
        assert command.tick_multiple >= 1 and command.status in tuple(MarketStatus)
        market = self.markets[command.instrument]
        if (market.status, market.tick_multiple) == (command.status, command.tick_multiple):
            return [refused(command, ExchangeErrorKind.NO_CHANGE)]
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
            outputs.append(depth_change(command.now_ns, market, levels))
        return outputs

    def _withdraw(
        self, now_ns: int, order: PlacedOrder, cancel_text: str, levels: list[tuple[int, int, int]]
    ) -> Execution:
        market = self.markets[order.instrument]
        if market.waiting.pop(order.order_id, None) is not None:
            self.accounts.unlock(order.account, *self._held(order, market))
        else:
            _, _, left, price, side, size = market.engine.cancel(order.order_id)
            self.accounts.unlock(order.account, *market.locks(side, price, left))
            levels.append((side, price, size))
        ended = changed(order, _CANCELED, 0, 0, now_ns)
        self.orders.end(ended)
        return Execution(_IS_CANCELED, now_ns, ended, cancel_client_text=cancel_text)
