"""One client's private side of WebSocket v2: its account's channels, and trading."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from sim.exchange.dialect_errors import DialectError
from sim.exchange.dialect_market import Json
from sim.exchange.faults.tap import Tap
from sim.exchange.kraken.accounts import Told
from sim.exchange.kraken.errors import KrakenError, invalid, spoken
from sim.exchange.kraken.ids import kraken_id
from sim.exchange.kraken.numbers import Number, amount
from sim.exchange.kraken.register import Life
from sim.exchange.kraken.reports import execution, name_fields, traded
from sim.exchange.kraken.request import Request
from sim.exchange.kraken.stamps import rfc3339
from sim.exchange.kraken.voice import KrakenVoice
from sim.exchange.kraken.wishes import read_change, read_name, read_wish
from sim.exchange.server_venue import Venue

CHANNELS = ("executions", "balances")
TRADES_SHOWN = 50
BATCH_MAX = 15
_TURNS = {"new", "filled", "canceled", "expired", "trade"}

_encode = msgspec.json.Encoder().encode

Answer = Callable[[object], None]


class PrivateSession:
    """Speak for the account whose token was shown; answers leave in the order in which work was done."""

    def __init__(
        self, venue: Venue, voice: KrakenVoice, send: Callable[[bytes], None], tap: Tap | None
    ) -> None:
        self._venue, self._voice, self._send, self._tap = venue, voice, send, tap
        self._known: dict[str, int] = {}
        self._sequences: dict[str, int] = {}
        self._beginning: dict[str, None] = {}
        self._every_turn = True
        self.account: int | None = None
        self.methods: dict[str, Callable[[Request, int], None]] = {
            "add_order": self._add,
            "amend_order": self._amend,
            "edit_order": self._edit,
            "cancel_order": self._cancel,
            "cancel_all": self._cancel_all,
            "cancel_all_orders_after": self._cancel_after,
            "batch_add": self._batch_add,
            "batch_cancel": self._batch_cancel,
        }

    def owner(self, request: Request) -> int:
        """Give the account of a request's token; one that was good on this connection stays so."""
        token = str(request.params.get("token"))
        if token not in self._known:
            self._known[token] = self._voice.tokens.account(token, self._venue.now_ns())
        account = self._known[token]
        if self._tap is not None:
            self._tap.account = self._venue.config.accounts[account].name
        return account

    def subscribe(self, request: Request, channel: str) -> None:
        """Begin to tell a channel, after everything that was queued before."""
        account = self.owner(request)
        if channel in self._sequences or channel in self._beginning:
            raise KrakenError("Already subscribed")
        if self.account not in {None, account}:
            raise KrakenError("ESession:Invalid session")
        self._beginning[channel] = None
        shown = self._shown_executions if channel == "executions" else self._shown_balances
        # The snapshot is taken in its place among the work: what comes later is told as updates.
        work = partial(shown, request.params, account)
        self._venue.submit(work, partial(self._begin, request, channel, account))

    def unsubscribe(self, request: Request, channel: str) -> None:
        """Tell a channel no more."""
        begun, beginning = channel in self._sequences, channel in self._beginning
        self._sequences.pop(channel, None)
        self._beginning.pop(channel, None)
        if not begun and not beginning:
            raise KrakenError("Subscription Not Found")
        self._done(request, {"channel": channel})

    def leave(self) -> None:
        """Tell nothing any more."""
        self._sequences.clear()
        self._beginning.clear()
        if self.account is not None:
            self._voice.accounts.unsubscribe(self.account, self)

    def told(self, event: Told) -> None:
        """Take an event of the account."""
        if event.channel not in self._sequences:
            return
        if event.channel == "executions" and not self._every_turn and event.kind not in _TURNS:
            return
        self._frame(event.channel, "update", event.record)

    def _begin(self, request: Request, channel: str, account: int, shown: object) -> None:
        """Begin, unless the client thought otherwise meanwhile."""
        if channel not in self._beginning:
            return
        del self._beginning[channel]
        self._sequences[channel] = 0
        assert isinstance(shown, list)
        result, *snapshots = shown
        self._done(request, result)
        for records in snapshots:
            self._frame(channel, "snapshot", records)
        if channel == "executions":
            self._every_turn = request.params.get("order_status", True) is True
        if self.account is None:
            self.account = account
            self._voice.accounts.subscribe(account, self)

    def _shown_executions(self, params: Mapping[str, object], account: int) -> list[object]:
        """Give the answer to a subscription, and the records of each snapshot."""
        orders, trades = params.get("snap_orders", True) is True, params.get("snap_trades") is True
        result: Json = {"channel": "executions", "snap_orders": orders, "snap_trades": trades}
        limit = self._voice.limits.trading_max
        shown: list[object] = [result if limit is None else {**result, "maxratecount": limit}]
        if trades:
            shown.append(b",".join(self._recent_trades(account)))
        if orders:
            shown.append(b",".join(self._open_orders(account)))
        return shown

    def _shown_balances(self, _: Mapping[str, object], account: int) -> list[object]:
        held = [_balance(asset, free + locked) for asset, free, locked in self._venue.balances(account)]
        records = b",".join(_encode(one) for one in held)
        return [{"channel": "balances", "snapshot": True}, records]

    def _open_orders(self, account: int) -> list[bytes]:
        instruments = self._venue.exchange.instruments
        return [
            _encode(execution(instruments[one.order.instrument], one, "new", one.order.updated_ns))
            for one in self._voice.register.lives(account)
            if one.open
        ]

    def _recent_trades(self, account: int) -> list[bytes]:
        instruments = self._venue.exchange.instruments
        known = [(trade, life) for life in self._voice.register.lives(account) for trade in life.trades]
        known.sort(key=lambda one: (one[0].now_ns, one[0].instrument, one[0].trade_id))
        return [
            _encode(traded(instruments[trade.instrument], len(instruments), life, trade))
            for trade, life in known[-TRADES_SHOWN:]
        ]

    def _frame(self, channel: str, kind: str, records: bytes) -> None:
        self._sequences[channel] += 1
        head = b'{"channel":"%b","type":"%b","data":[' % (channel.encode(), kind.encode())
        self._send(head + records + b'],"sequence":%d}' % self._sequences[channel])

    def _done(self, request: Request, result: object) -> None:
        self._send(request.done(result, self._venue.now_ns()))

    def _work(self, request: Request, work: Callable[[], object]) -> None:
        """Queue work; what it gives, or refuses, is the answer."""
        answer: Answer = partial(self._answer, request)
        if self._tap is not None:
            symbol = request.params.get("symbol")
            fields = {"symbol": symbol} if isinstance(symbol, str) else {}
            answer = self._tap.answer(request.method, fields, answer)
        self._venue.submit(work, answer)

    def _answer(self, request: Request, result: object) -> None:
        if isinstance(result, DialectError):
            self._send(request.refused(spoken(result), self._venue.now_ns()))
        else:
            self._done(request, result)

    def _add(self, request: Request, account: int) -> None:
        fields = _fields(request.params)
        market = self._voice.market(fields.get("symbol", ""))
        wish = read_wish(fields, market, request.came_ns)
        self._work(request, lambda: _placed(self._voice.desk.add(account, wish)))

    def _amend(self, request: Request, account: int) -> None:
        fields = _fields(request.params)
        change = read_change(fields, request.came_ns)
        order_id, cl_ord_id = _which(fields)

        def work() -> Json:
            life = self._voice.desk.amend(account, order_id, cl_ord_id, change)
            return {"amend_id": kraken_id("A", life.order.order_id), **_placed(life)}

        self._work(request, work)

    def _edit(self, request: Request, account: int) -> None:
        fields = _fields(request.params)
        name = read_name({"order_userref": fields["order_userref"]}) if "order_userref" in fields else None
        change = read_change(fields, request.came_ns, name)
        order_id, cl_ord_id = _which(fields)

        def work() -> Json:
            new, old = self._voice.desk.edit(account, order_id, cl_ord_id, change)
            return {"order_id": new.order_id, "original_order_id": old.order_id}

        self._work(request, work)

    def _cancel(self, request: Request, account: int) -> None:
        for key, name in _named(request):
            order_id, cl_ord_id = (name, None) if key == "order_id" else (None, name)
            work = partial(self._voice.desk.cancel, account, order_id, cl_ord_id)
            self._work(request, partial(_then, work, {key: name}))

    def _cancel_all(self, request: Request, account: int) -> None:
        self._work(request, lambda: {"count": self._voice.desk.cancel_all(account)})

    def _cancel_after(self, request: Request, account: int) -> None:
        timeout_s = request.params.get("timeout")
        if isinstance(timeout_s, bool) or not isinstance(timeout_s, int):
            raise invalid("timeout")

        def work() -> Json:
            now_ns, at_ns = self._voice.desk.cancel_after(account, timeout_s)
            trigger = "0" if at_ns is None else rfc3339(at_ns, 0)
            return {"currentTime": rfc3339(now_ns, 0), "triggerTime": trigger}

        self._work(request, work)

    def _batch_add(self, request: Request, account: int) -> None:
        orders = request.params.get("orders")
        if not isinstance(orders, list) or not 2 <= len(orders) <= BATCH_MAX:
            raise invalid("orders")
        shared = {name: value for name, value in request.params.items() if name != "orders"}
        market = self._voice.market(str(request.params.get("symbol", "")))
        wishes = [
            read_wish(_fields({**shared, **one}), market, request.came_ns)
            for one in orders
            if isinstance(one, dict)
        ]
        self._work(request, lambda: [_placed(self._voice.desk.add(account, wish)) for wish in wishes])

    def _batch_cancel(self, request: Request, account: int) -> None:
        orders = request.params.get("orders", request.params.get("order_id"))
        if not isinstance(orders, list) or not 2 <= len(orders) <= 50:
            raise invalid("orders")
        names = [str(one) for one in orders]
        self._work(request, lambda: {"count": self._voice.cancelled(account, names)})


def _then(work: Callable[[], object], result: Json) -> Json:
    work()
    return result


def _placed(life: Life | None) -> Json:
    """Answer with the order's ids; one that was only validated has none."""
    return {} if life is None else {"order_id": life.order_id, **name_fields(life.name)}


def _balance(asset: str, atoms: int) -> Json:
    wallet = {"type": "spot", "id": "main", "balance": amount(atoms)}
    return {"asset": asset, "asset_class": "currency", "balance": amount(atoms), "wallets": [wallet]}


def _which(fields: Mapping[str, str]) -> tuple[str | None, str | None]:
    order_id, cl_ord_id = fields.get("order_id"), fields.get("cl_ord_id")
    if (order_id is None) == (cl_ord_id is None):
        raise invalid("order_id")
    return order_id, cl_ord_id


def _named(request: Request) -> list[tuple[str, str]]:
    found = []
    for key in ("order_id", "cl_ord_id"):
        names = request.params.get(key, [])
        if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
            raise invalid(key)
        found += [(key, str(one)) for one in names]
    if not found:
        raise invalid("order_id")
    return found


# Numbers must be numbers and texts texts, as Kraken has it.
_NUMBERS = ("order_qty", "limit_price", "cash_order_qty", "order_userref", "timeout")


def _fields(params: Mapping[str, object]) -> dict[str, str]:
    """Give a request's fields as texts."""
    fields = {}
    for name, value in params.items():
        numeric = isinstance(value, Number | int) and not isinstance(value, bool)
        if value is None:
            continue
        if numeric != (name in _NUMBERS):
            raise KrakenError(f"Malformed request: {name}")
        fields[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return fields
