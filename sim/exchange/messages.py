"""What the exchange core takes and gives. Integers only; accounts and instruments by index."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from domain.market_events import Levels

WAITING = -1


class SelfTradePrevention(IntEnum):
    """What happens when an account would trade with itself."""

    NONE = 0
    EXPIRE_TAKER = 1
    EXPIRE_MAKER = 2
    EXPIRE_BOTH = 3


class PlaceOrder(msgspec.Struct, frozen=True, array_like=True, tag=1, gc=False):
    """Ask for a new order. `price_ticks` is 0 for MARKET; `client_text` "" lets the exchange choose.

    A MARKET order may say what it spends or earns, `quote_atoms`, instead of `size_lots`. An order with
    `stop_ticks` waits until the last price is at least that or, where it is below zero, at most minus that.
    """

    now_ns: int
    account: int
    instrument: int
    side: int
    tif: int
    price_ticks: int
    size_lots: int
    client_text: str = ""
    self_trade: int = int(SelfTradePrevention.EXPIRE_MAKER)
    quote_atoms: int = 0
    stop_ticks: int = 0


class CancelPlaced(msgspec.Struct, frozen=True, array_like=True, tag=2, gc=False):
    """Ask to cancel, by order id or, where that is 0, by client text."""

    now_ns: int
    account: int
    instrument: int
    order_id: int = 0
    client_text: str = ""


class CancelAllPlaced(msgspec.Struct, frozen=True, array_like=True, tag=3, gc=False):
    """Ask to cancel all orders of an account on one instrument."""

    now_ns: int
    account: int
    instrument: int


class MarketStatus(IntEnum):
    """Whether a market trades. A halted one keeps its orders, a broken off one has cancelled them all."""

    TRADING = 0
    HALT = 1
    BREAK = 2


class SetMarket(msgspec.Struct, frozen=True, array_like=True, tag=4, gc=False):
    """Change a market while it runs: its status, and its price step as a multiple of the configured tick."""

    now_ns: int
    instrument: int
    status: int
    tick_multiple: int


Command = PlaceOrder | CancelPlaced | CancelAllPlaced | SetMarket


class ExchangeErrorKind(IntEnum):
    """Why a command was refused; the dialect maps these to its own codes and texts."""

    UNKNOWN_INSTRUMENT = 1
    PRICE_FILTER = 2
    LOT_SIZE = 3
    NOTIONAL = 4
    BALANCE = 5
    DUPLICATE_CLIENT_ID = 6
    WOULD_TAKE = 7
    UNKNOWN_ORDER = 8
    BAD_CLIENT_ID = 9
    TOO_MANY_ORDERS = 10
    NO_LIQUIDITY = 11
    NOTHING_OPEN = 12
    MARKET_CLOSED = 13
    NO_CHANGE = 14
    WOULD_TRIGGER = 15
    TOO_MANY_STOPS = 16


class Refused(msgspec.Struct, frozen=True, array_like=True, tag=10, gc=False):
    """The command changed nothing."""

    account: int
    kind: int
    client_text: str
    instrument: int


class ExecutionKind(IntEnum):
    """Why a report was made."""

    NEW = 0
    TRADE = 1
    CANCELED = 2
    EXPIRED = 3
    TRADE_PREVENTION = 4


class OrderStatusKind(IntEnum):
    """State of an order at the exchange."""

    NEW = 0
    PARTIALLY_FILLED = 1
    FILLED = 2
    CANCELED = 3
    EXPIRED = 4
    EXPIRED_IN_MATCH = 5


class PlacedOrder(msgspec.Struct, array_like=True, gc=False):
    """An order as the exchange keeps it; kept after its end so that it can be asked for.

    `working_ns` tells since when it can trade: 0 is since it was placed, `WAITING` that its stop price has
    not come.
    `entered` is its place in time on its level, where that is not the order's own id.
    """

    order_id: int
    account: int
    instrument: int
    client_text: str
    side: int
    tif: int
    price_ticks: int
    size_lots: int
    filled_lots: int
    filled_notional_atoms: int
    status: int
    placed_ns: int
    updated_ns: int
    self_trade: int
    quote_atoms: int = 0
    stop_ticks: int = 0
    working_ns: int = 0
    entered: int = 0


class Execution(msgspec.Struct, frozen=True, array_like=True, tag=11, gc=False):
    """Tell an account about one of its orders. Trade fields are 0 unless `kind` is TRADE."""

    kind: int
    now_ns: int
    order: PlacedOrder
    trade_id: int = 0
    last_price_ticks: int = 0
    last_lots: int = 0
    fee_atoms: int = 0
    fee_asset: str = ""
    maker: bool = False
    cancel_client_text: str = ""


class PublicTrade(msgspec.Struct, frozen=True, array_like=True, tag=12, gc=False):
    """Tell everybody about a trade."""

    now_ns: int
    instrument: int
    trade_id: int
    price_ticks: int
    size_lots: int
    buyer_is_maker: bool


class DepthChange(msgspec.Struct, frozen=True, array_like=True, tag=13, gc=False):
    """Tell everybody which levels now have which size; update ids are contiguous per instrument.

    One command that changed any level makes one `DepthChange` with one new update id.
    """

    now_ns: int
    instrument: int
    update_id: int
    bids: Levels
    asks: Levels


class AccountTrade(msgspec.Struct, frozen=True, array_like=True, tag=14, gc=False):
    """One side of a trade, as `myTrades` lists it."""

    trade_id: int
    order_id: int
    client_text: str
    instrument: int
    side: int
    price_ticks: int
    size_lots: int
    fee_atoms: int
    fee_asset: str
    maker: bool
    now_ns: int


class MarketChanged(msgspec.Struct, frozen=True, array_like=True, tag=15, gc=False):
    """Tell everybody that a market has another status or price step."""

    now_ns: int
    instrument: int
    status: int
    tick_multiple: int


Output = Refused | Execution | PublicTrade | DepthChange | MarketChanged
