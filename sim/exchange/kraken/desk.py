"""What an account may do with its orders. Every method is work: it runs in the one order of the venue."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import structs

from domain.instrument import Instrument
from domain.order import Side, TimeInForce
from sim.exchange.filters import check_order
from sim.exchange.kraken.errors import KrakenError, invalid, refusal
from sim.exchange.kraken.ids import Name, core_text
from sim.exchange.kraken.limits import S_NS, RateLimits, Step
from sim.exchange.kraken.numbers import text_steps
from sim.exchange.kraken.register import EXPIRED, REPLACED, TIMED_OUT, USER, Life, Register
from sim.exchange.messages import (
    CancelPlaced,
    Command,
    ExchangeErrorKind,
    PlaceOrder,
    Refused,
    SelfTradePrevention,
)
from sim.exchange.server_venue import Venue

TIMEOUT_S_MAX = 86_400
# What an order that gives way to itself cannot run into.
_OWN = (None, ExchangeErrorKind.BALANCE, ExchangeErrorKind.TOO_MANY_ORDERS)


@dataclass(frozen=True)
class Wish:
    """A new order as its owner wants it."""

    market: Instrument
    side: Side
    tif: TimeInForce
    price_ticks: int
    size_lots: int
    name: Name
    quote_atoms: int = 0
    self_trade: SelfTradePrevention = SelfTradePrevention.EXPIRE_TAKER
    validate: bool = False
    deadline_ns: int | None = None
    expire_ns: int | None = None


@dataclass(frozen=True)
class Change:
    """What is to be different about an order; texts, since its market is only known with the order."""

    size: str | None
    price: str | None
    post_only: bool = False
    name: Name | None = None
    deadline_ns: int | None = None


class Desk:
    """Place, change and cancel. `amending` and `reason` tell the voice what the command at hand is for."""

    def __init__(self, venue: Venue, register: Register, limits: RateLimits) -> None:
        self._venue, self._register, self.limits = venue, register, limits
        self.amending: int | None = None
        self.reason = USER
        self._timeouts: dict[int, int] = {}
        self._expiries: dict[int, int] = {}

    def add(self, account: int, wish: Wish) -> Life | None:
        """Place an order; `None` when it was only to be validated."""
        now_ns = self._venue.now_ns()
        self._in_time(wish.deadline_ns, now_ns)
        if not self.limits.trade(account, wish.market.index, Step.ADD, 0, now_ns):
            raise KrakenError("EOrder:Rate limit exceeded")
        self._unused(account, wish.name)
        root = self._venue.exchange.next_order_id
        command = self._command(account, wish, core_text(wish.name, root), now_ns)
        if wish.validate:
            self._validate(command)
            return None
        self._apply(command, USER)
        life = self._found(root)
        if wish.expire_ns is not None and life.open:
            self._expiries[root] = wish.expire_ns
        return life

    def cancel(self, account: int, order_id: str | None, cl_ord_id: str | None, reason: str = USER) -> Life:
        """Cancel an order."""
        life = self._open(account, order_id, cl_ord_id)
        now_ns = self._venue.now_ns()
        age_ns = now_ns - life.order.placed_ns
        self.limits.trade(account, life.order.instrument, Step.CANCEL, age_ns, now_ns)
        self._withdraw(life, reason)
        return life

    def cancel_all(self, account: int, reason: str = USER) -> int:
        """Cancel an account's orders on every market; tell how many."""
        lives = [one for one in self._register.lives(account) if one.open]
        for life in lives:
            self.cancel(account, life.order_id, None, reason)
        return len(lives)

    def cancel_after(self, account: int, timeout_s: int) -> tuple[int, int | None]:
        """Cancel all of an account's orders unless this is asked again in time; 0 calls it off."""
        if not 0 <= timeout_s <= TIMEOUT_S_MAX:
            raise invalid("timeout")
        now_ns = self._venue.now_ns()
        self._timeouts.pop(account, None)
        if timeout_s == 0:
            return now_ns, None
        self._timeouts[account] = now_ns + timeout_s * S_NS
        return now_ns, self._timeouts[account]

    def due(self, now_ns: int) -> bool:
        """Tell whether somebody's time has run out."""
        return any(
            at_ns <= now_ns for waiting in (self._timeouts, self._expiries) for at_ns in waiting.values()
        )

    def expire(self) -> None:
        """Cancel what ran out of time."""
        now_ns = self._venue.now_ns()
        for root in [root for root, at_ns in self._expiries.items() if at_ns <= now_ns]:
            del self._expiries[root]
            life = self._register.by_root(root)
            if life is not None and life.open:
                self._withdraw(life, EXPIRED)
        for account in [account for account, at_ns in self._timeouts.items() if at_ns <= now_ns]:
            del self._timeouts[account]
            self.cancel_all(account, TIMED_OUT)

    def amend(self, account: int, order_id: str | None, cl_ord_id: str | None, change: Change) -> Life:
        """Change an order that stays what it is; it goes to the end of its level's queue."""
        life, now_ns = self._changing(account, order_id, cl_ord_id, change, Step.AMEND)
        old = life.order
        market = self._venue.exchange.instruments[old.instrument]
        size, price = self._new_terms(life, market, change)
        left = size - life.filled_lots
        if left <= 0:
            raise invalid("order_qty")
        crossing = self._crosses(market, Side(old.side), price)
        if crossing and change.post_only:
            raise refusal(ExchangeErrorKind.WOULD_TAKE)
        tif = int(TimeInForce.GTC) if crossing else old.tif
        text = core_text(life.name, life.root)
        command = PlaceOrder(
            now_ns, account, old.instrument, old.side, tif, price, left, text, old.self_trade
        )
        self._affordable(life, command)
        self.amending = life.root
        try:
            self._withdraw(life, USER)
            self._apply(command, USER)
        finally:
            self.amending = None
        return life

    def edit(
        self, account: int, order_id: str | None, cl_ord_id: str | None, change: Change
    ) -> tuple[Life, Life]:
        """Replace an order by a new one with a new id; give both."""
        life, now_ns = self._changing(account, order_id, cl_ord_id, change, Step.EDIT)
        old = life.order
        market = self._venue.exchange.instruments[old.instrument]
        size, price = self._new_terms(life, market, change)
        name = change.name if change.name is not None else Name(userref=life.name.userref)
        self._unused(account, name)
        root = self._venue.exchange.next_order_id
        tif = int(TimeInForce.POST) if change.post_only else int(TimeInForce.GTC)
        text = core_text(name, root)
        command = PlaceOrder(
            now_ns, account, old.instrument, old.side, tif, price, size, text, old.self_trade
        )
        if change.post_only and self._crosses(market, Side(old.side), price):
            raise refusal(ExchangeErrorKind.WOULD_TAKE)
        self._affordable(life, command)
        self._withdraw(life, REPLACED)
        self._apply(command, USER)
        return self._found(root), life

    def _changing(
        self, account: int, order_id: str | None, cl_ord_id: str | None, change: Change, step: Step
    ) -> tuple[Life, int]:
        now_ns = self._venue.now_ns()
        self._in_time(change.deadline_ns, now_ns)
        life = self._open(account, order_id, cl_ord_id)
        age_ns = now_ns - life.order.placed_ns
        if not self.limits.trade(account, life.order.instrument, step, age_ns, now_ns):
            raise KrakenError("EOrder:Rate limit exceeded")
        return life, now_ns

    def _new_terms(self, life: Life, market: Instrument, change: Change) -> tuple[int, int]:
        size, price = life.size_lots, life.order.price_ticks
        if change.size is not None:
            size = _steps(text_steps(change.size, market.lot), "volume")
        if change.price is not None:
            price = _steps(text_steps(change.price, market.tick), "price")
        return size, price

    def _command(self, account: int, wish: Wish, text: str, now_ns: int) -> PlaceOrder:
        return PlaceOrder(
            now_ns,
            account,
            wish.market.index,
            int(wish.side),
            int(wish.tif),
            wish.price_ticks,
            wish.size_lots,
            text,
            int(wish.self_trade),
            wish.quote_atoms,
        )

    def _validate(self, command: PlaceOrder) -> None:
        exchange = self._venue.exchange
        market = exchange.markets[command.instrument]
        kind = check_order(command, market, exchange.accounts, exchange.orders)
        posting = command.tif == TimeInForce.POST
        if (
            kind is None
            and posting
            and self._crosses(market.instrument, Side(command.side), command.price_ticks)
        ):
            kind = ExchangeErrorKind.WOULD_TAKE
        if kind is not None:
            raise refusal(kind)

    def _affordable(self, life: Life, command: PlaceOrder) -> None:
        """Refuse before anything is given up for it."""
        exchange, old = self._venue.exchange, life.order
        market = exchange.markets[command.instrument]
        kind = check_order(
            structs.replace(command, client_text=""), market, exchange.accounts, exchange.orders
        )
        if kind not in _OWN:
            assert kind is not None
            raise refusal(kind)
        asset, need = market.locks(command.side, command.price_ticks, command.size_lots)
        _, held = market.locks(old.side, old.price_ticks, old.size_lots - old.filled_lots)
        if not exchange.accounts.affords(command.account, asset, need - held):
            raise refusal(ExchangeErrorKind.BALANCE)

    def _crosses(self, market: Instrument, side: Side, price_ticks: int) -> bool:
        bid, ask = self._venue.exchange.best(market.index)
        return 0 < ask <= price_ticks if side == Side.BUY else bid >= price_ticks

    def _withdraw(self, life: Life, reason: str) -> None:
        order = life.order
        command = CancelPlaced(self._venue.now_ns(), order.account, order.instrument, order.order_id)
        self._apply(command, reason)

    def _apply(self, command: Command, reason: str) -> None:
        self.reason = reason
        first = self._venue.apply(command)[0]
        if isinstance(first, Refused):
            raise refusal(first.kind)

    def _unused(self, account: int, name: Name) -> None:
        life = None if name.cl_ord_id is None else self._register.find(account, None, name.cl_ord_id)
        if life is not None and life.open:
            raise refusal(ExchangeErrorKind.DUPLICATE_CLIENT_ID)

    def _open(self, account: int, order_id: str | None, cl_ord_id: str | None) -> Life:
        life = self._register.find(account, order_id, cl_ord_id)
        if life is None or not life.open:
            raise refusal(ExchangeErrorKind.UNKNOWN_ORDER)
        return life

    def _found(self, root: int) -> Life:
        life = self._register.by_root(root)
        assert life is not None
        return life

    def _in_time(self, deadline_ns: int | None, now_ns: int) -> None:
        if deadline_ns is not None and now_ns >= deadline_ns:
            raise KrakenError("EService:Deadline elapsed")


def _steps(count: int | None, name: str) -> int:
    if count is None:
        raise invalid(name)
    return count
