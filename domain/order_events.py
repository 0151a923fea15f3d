"""What a venue tells about our orders. `client_id` is the packed int of `domain.ids`."""

from __future__ import annotations

import msgspec


class OrderAcked(msgspec.Struct, frozen=True, array_like=True, tag=20, gc=False):
    """The venue holds the order."""

    client_id: int
    local_ts_ns: int
    venue_order_id: int


class OrderRefusedByVenue(msgspec.Struct, frozen=True, array_like=True, tag=21):
    """The venue said no; the order never stood."""

    client_id: int
    local_ts_ns: int
    code: int
    text: str


class Fill(msgspec.Struct, frozen=True, array_like=True, tag=22):
    """Part of an order traded. Identity is (venue, account, instrument, trade_id).

    The fee is in atoms of `fee_asset`, positive when paid.
    """

    client_id: int
    local_ts_ns: int
    instrument: int
    trade_id: int
    venue_order_id: int
    side: int
    price_ticks: int
    size_lots: int
    fee_atoms: int
    fee_asset: str
    maker: bool
    exchange_ts_ns: int


class OrderClosed(msgspec.Struct, frozen=True, array_like=True, tag=23):
    """The order is over without (more) fills: `state` is CANCELLED or EXPIRED.

    `filled_lots` is the venue's own total: fewer known fills than that means some are still to come.
    """

    client_id: int
    local_ts_ns: int
    state: int
    filled_lots: int


class CancelRefused(msgspec.Struct, frozen=True, array_like=True, tag=24):
    """The cancel was refused (already over, or not known): the order's fate must be asked for."""

    client_id: int
    local_ts_ns: int
    code: int


class FateUnknown(msgspec.Struct, frozen=True, array_like=True, tag=25):
    """A submit or cancel got no clear answer (time-out, lost link, limited, 5xx)."""

    client_id: int
    local_ts_ns: int
    reason: str


class OrderStatus(msgspec.Struct, frozen=True, array_like=True, tag=26):
    """The venue's answer to a query: `state` is OPEN, PARTIALLY_FILLED or an end."""

    client_id: int
    local_ts_ns: int
    venue_order_id: int
    state: int
    filled_lots: int


class OrderNotFound(msgspec.Struct, frozen=True, array_like=True, tag=27):
    """The venue does not know the id, asked after the submit's window closed."""

    client_id: int
    local_ts_ns: int


class OpenOrder(msgspec.Struct, frozen=True, array_like=True):
    """One of the account's open orders, as the venue lists it; `client_id` 0 is not ours."""

    client_id: int
    client_text: str
    venue_order_id: int
    instrument: int
    side: int
    tif: int
    price_ticks: int
    size_lots: int
    filled_lots: int


class AccountSnapshot(msgspec.Struct, frozen=True, array_like=True, tag=28):
    """The venue's own truth about the account: balances, open orders and fills since a trade id.

    `balances` maps asset to (free_atoms, locked_atoms). `fills` holds, per instrument in ascending
    trade id, every trade of the account after the one asked from.
    """

    venue: str
    local_ts_ns: int
    balances: dict[str, tuple[int, int]]
    open_orders: tuple[OpenOrder, ...]
    fills: tuple[Fill, ...]


class OrderLinkLost(msgspec.Struct, frozen=True, array_like=True, tag=29):
    """The order connection broke: whatever was in flight has an unknown fate."""

    venue: str
    local_ts_ns: int
    reason: str


class OrderLinkUp(msgspec.Struct, frozen=True, array_like=True, tag=30):
    """An order connection stands and its user stream is subscribed."""

    venue: str
    local_ts_ns: int


OrderEvent = (
    OrderAcked
    | OrderRefusedByVenue
    | Fill
    | OrderClosed
    | CancelRefused
    | FateUnknown
    | OrderStatus
    | OrderNotFound
    | AccountSnapshot
    | OrderLinkLost
    | OrderLinkUp
)
