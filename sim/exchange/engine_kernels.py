"""Match orders by price, then by time, in one packed int64 array.

The array holds a header, order slots, level slots, a hash of order ids, two sorted sides and an event
area; `layout` says where. Addresses are indices into the array, and 0 (a header word) is nil. A side keeps
`side × price` ascending, so that the best level is always last and both sides share one code.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hw.kernel import kernel

State = NDArray[np.int64]

# Header words. Those of a side come in pairs: bids first, asks second.
CAPACITY, LIVE, FREE_ORDER, FREE_LEVEL, HASH, MASK, KEYS, SLOTS, COUNTS, EVENTS, EVENT_END, USED = (
    1,
    2,
    3,
    4,
    5,
    6,
    8,
    10,
    12,
    14,
    15,
    16,
)
HEADER = 32

# Words of an order slot (one cache line).
ID, ACCOUNT, KEY, LEFT, NEXT, PREVIOUS, LEVEL, SIDE = 0, 1, 2, 3, 4, 5, 6, 7
ORDER_WORDS = 8

# Words of a level slot; NEXT links free ones.
TOTAL, HEAD, TAIL = 0, 1, 2
LEVEL_WORDS = 8

# Words of an event row: (kind, a, b, c, d, e).
ROW = 6
TRADE, MAKER_EXPIRED, LEVEL_SIZE = 1, 2, 3
RESTED, FILLED, EXPIRED, PREVENTED, CANCELLED = 10, 11, 12, 13, 14
WOULD_TAKE, NO_LIQUIDITY, UNKNOWN_ORDER, DUPLICATE_ID, FULL = 20, 21, 22, 23, 24

GTC, IOC, FOK, POST, MARKET = 0, 1, 2, 3, 4
PREVENT_NONE, PREVENT_TAKER, PREVENT_MAKER, PREVENT_BOTH = 0, 1, 2, 3

# Words of an op in a batch.
OP, OP_ID, OP_ACCOUNT, OP_SIDE, OP_TIF, OP_PRICE, OP_SIZE, OP_SELF_TRADE = 0, 1, 2, 3, 4, 5, 6, 7
OP_WORDS = 8
PLACE_OP, CANCEL_OP = 0, 1

UNLIMITED = (1 << 63) - 1


@kernel("void(int64[::1], int64, int64)")
def layout(state: State, capacity: int, mask: int) -> None:
    """Lay an empty book of `capacity` orders into a zeroed array."""
    orders = HEADER
    levels = orders + capacity * ORDER_WORDS
    state[HASH] = levels + capacity * LEVEL_WORDS
    state[KEYS] = state[HASH] + mask + 1
    state[KEYS + 1] = state[KEYS] + capacity
    state[SLOTS] = state[KEYS + 1] + capacity
    state[SLOTS + 1] = state[SLOTS] + capacity
    state[EVENTS] = state[SLOTS + 1] + capacity
    state[EVENT_END] = len(state)
    state[CAPACITY] = capacity
    state[MASK] = mask
    state[FREE_ORDER] = orders
    state[FREE_LEVEL] = levels
    for i in range(capacity - 1):
        state[orders + i * ORDER_WORDS + NEXT] = orders + (i + 1) * ORDER_WORDS
        state[levels + i * LEVEL_WORDS + NEXT] = levels + (i + 1) * LEVEL_WORDS


@kernel
def home_of(order_id: int, mask: int) -> int:
    """Give an id's first place in the hash; sequential ids spread evenly (Fibonacci hashing)."""
    return (((order_id & 0x7FFFFFFF) * 2654435761) >> 16) & mask


@kernel
def find_order(state: State, order_id: int) -> int:
    """Give an order's place in the hash, or -1."""
    mask, table = state[MASK], state[HASH]
    i = home_of(order_id, mask)
    while state[table + i] != 0:
        if state[state[table + i] + ID] == order_id:
            return i
        i = (i + 1) & mask
    return -1


@kernel
def forget_order(state: State, i: int) -> None:
    """Take place `i` out of the hash, closing the gap so that no tombstones pile up."""
    mask, table = state[MASK], state[HASH]
    j = i
    while True:
        j = (j + 1) & mask
        order = state[table + j]
        if order == 0:
            break
        if ((j - home_of(state[order + ID], mask)) & mask) >= ((j - i) & mask):
            state[table + i] = order
            i = j
    state[table + i] = 0


@kernel
def find_key(state: State, which: int, key: int) -> int:
    """Give the first position on a side whose key is not below `key`."""
    low, high = 0, state[COUNTS + which]
    keys = state[KEYS + which]
    while low < high:
        middle = (low + high) >> 1
        if state[keys + middle] < key:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def level_of(state: State, which: int, key: int) -> int:
    """Give the level of a key, made if there is none."""
    keys, slots, count = state[KEYS + which], state[SLOTS + which], state[COUNTS + which]
    position = find_key(state, which, key)
    if position < count and state[keys + position] == key:
        found: int = state[slots + position]
        return found
    for i in range(count, position, -1):
        state[keys + i] = state[keys + i - 1]
        state[slots + i] = state[slots + i - 1]
    level: int = state[FREE_LEVEL]
    state[FREE_LEVEL] = state[level + NEXT]
    state[level + TOTAL] = 0
    state[level + HEAD] = 0
    state[level + TAIL] = 0
    state[keys + position] = key
    state[slots + position] = level
    state[COUNTS + which] = count + 1
    return level


@kernel
def rest(state: State, order_id: int, account: int, side: int, price: int, left: int) -> int:
    """Append an order to its level; give the level's new size."""
    which = (1 - side) >> 1
    key = side * price
    level = level_of(state, which, key)
    order = state[FREE_ORDER]
    state[FREE_ORDER] = state[order + NEXT]
    tail = state[level + TAIL]
    state[order + ID] = order_id
    state[order + ACCOUNT] = account
    state[order + KEY] = key
    state[order + LEFT] = left
    state[order + NEXT] = 0
    state[order + PREVIOUS] = tail
    state[order + LEVEL] = level
    state[order + SIDE] = side
    if tail == 0:
        state[level + HEAD] = order
    else:
        state[tail + NEXT] = order
    state[level + TAIL] = order
    state[level + TOTAL] += left
    mask, table = state[MASK], state[HASH]
    i = home_of(order_id, mask)
    while state[table + i] != 0:
        i = (i + 1) & mask
    state[table + i] = order
    state[LIVE] += 1
    total: int = state[level + TOTAL]
    return total


@kernel
def drop_level(state: State, which: int, key: int) -> None:
    """Take an empty level off its side."""
    keys, slots = state[KEYS + which], state[SLOTS + which]
    count = state[COUNTS + which] - 1
    position = count
    if state[keys + count] != key:
        position = find_key(state, which, key)
    level = state[slots + position]
    for i in range(position, count):
        state[keys + i] = state[keys + i + 1]
        state[slots + i] = state[slots + i + 1]
    state[COUNTS + which] = count
    state[level + NEXT] = state[FREE_LEVEL]
    state[FREE_LEVEL] = level


@kernel
def unlink(state: State, place_in_hash: int) -> int:
    """Take an order out of the book; give its level's new size."""
    order = state[state[HASH] + place_in_hash]
    level = state[order + LEVEL]
    after, before = state[order + NEXT], state[order + PREVIOUS]
    if before == 0:
        state[level + HEAD] = after
    else:
        state[before + NEXT] = after
    if after == 0:
        state[level + TAIL] = before
    else:
        state[after + PREVIOUS] = before
    state[level + TOTAL] -= state[order + LEFT]
    total: int = state[level + TOTAL]
    forget_order(state, place_in_hash)
    state[order + NEXT] = state[FREE_ORDER]
    state[FREE_ORDER] = order
    state[LIVE] -= 1
    if state[level + HEAD] == 0:
        drop_level(state, (1 - state[order + SIDE]) >> 1, state[order + KEY])
    return total


@kernel
def write_row(state: State, row: int, kind: int, a: int, b: int, c: int, d: int, e: int) -> int:
    """Write an event; give the address of the next."""
    state[row] = kind
    state[row + 1] = a
    state[row + 2] = b
    state[row + 3] = c
    state[row + 4] = d
    state[row + 5] = e
    return row + ROW


@kernel
def can_fill(state: State, account: int, side: int, price: int, size: int, self_trade: int) -> bool:
    """Tell whether a fill-or-kill order finds its whole size, own orders not counted."""
    other = (1 + side) >> 1
    position = state[COUNTS + other] - 1
    left = size
    while left > 0 and position >= 0:
        if side * (-side * state[state[KEYS + other] + position]) > side * price:
            return False
        level = state[state[SLOTS + other] + position]
        if self_trade == PREVENT_NONE:
            left -= state[level + TOTAL]
        else:
            order = state[level + HEAD]
            while order != 0 and left > 0:
                if state[order + ACCOUNT] != account:
                    left -= state[order + LEFT]
                elif self_trade != PREVENT_MAKER:
                    return False
                order = state[order + NEXT]
        position -= 1
    return left <= 0


@kernel
def place_at(
    state: State,
    start: int,
    order_id: int,
    account: int,
    side: int,
    tif: int,
    price: int,
    size: int,
    self_trade: int,
    budget: int,
) -> int:
    """Match an order and rest what may rest; give the end of its rows, the outcome first."""
    other = (1 + side) >> 1
    count = state[COUNTS + other]
    keys, slots = state[KEYS + other], state[SLOTS + other]
    # A key of the other side is -side × price, so `side × price of the level` is minus the key.
    crosses = count > 0 and (tif == MARKET or -state[keys + count - 1] <= side * price)
    may_rest = tif == GTC or tif == POST  # noqa: PLR1714 - a set or tuple costs more in a kernel
    refusal = 0
    if find_order(state, order_id) >= 0:
        refusal = DUPLICATE_ID
    elif tif == POST and crosses:
        refusal = WOULD_TAKE
    elif tif == MARKET and count == 0:
        refusal = NO_LIQUIDITY
    elif may_rest and state[FREE_ORDER] == 0:
        refusal = FULL
    elif tif == FOK and not can_fill(state, account, side, price, size, self_trade):
        refusal = EXPIRED
    if refusal != 0:
        return write_row(state, start, refusal, order_id, size, 0, 0, -1)
    row = start + ROW
    left, notional = size, 0
    stopped, prevented = False, False
    while crosses and left > 0 and not stopped:
        level = state[slots + count - 1]
        level_price = -side * state[keys + count - 1]
        touched = False
        while left > 0 and not stopped:
            order = state[level + HEAD]
            if order == 0:
                break
            maker = state[order + ID]
            if self_trade != PREVENT_NONE and state[order + ACCOUNT] == account:
                if self_trade != PREVENT_MAKER:
                    stopped = True
                    prevented = True
                if self_trade == PREVENT_TAKER:
                    break
                kind = MAKER_EXPIRED
                lots = state[order + LEFT]
            else:
                kind = TRADE
                lots = min(left, state[order + LEFT])
                if budget != UNLIMITED:
                    lots = min(lots, (budget - notional) // level_price)
                    if lots <= 0:
                        stopped = True
                        break
                left -= lots
                notional += lots * level_price
            touched = True
            state[order + LEFT] -= lots
            state[level + TOTAL] -= lots
            row = write_row(
                state, row, kind, maker, level_price, lots, state[order + LEFT], state[order + ACCOUNT]
            )
            if state[order + LEFT] == 0:
                unlink(state, find_order(state, maker))
        if touched:
            row = write_row(state, row, LEVEL_SIZE, -side, level_price, state[level + TOTAL], 0, 0)
        count = state[COUNTS + other]
        crosses = count > 0 and (tif == MARKET or -state[keys + count - 1] <= side * price)
    status, own_level = FILLED, -1
    if left > 0:
        if prevented:
            status = PREVENTED
        elif may_rest:
            status = RESTED
            own_level = rest(state, order_id, account, side, price, left)
        else:
            status = EXPIRED
    write_row(state, start, status, order_id, left, size - left, notional, own_level)
    return row


@kernel
def cancel_at(state: State, start: int, order_id: int) -> int:
    """Cancel an order; the row tells id, what was left, price, side and the level's new size."""
    found = find_order(state, order_id)
    if found < 0:
        return write_row(state, start, UNKNOWN_ORDER, order_id, 0, 0, 0, -1)
    order = state[state[HASH] + found]
    side, left = state[order + SIDE], state[order + LEFT]
    price = side * state[order + KEY]
    total = unlink(state, found)
    return write_row(state, start, CANCELLED, order_id, left, price, side, total)


@kernel("int64(int64[::1], int64, int64, int64, int64, int64, int64, int64, int64)")
def place(
    state: State,
    order_id: int,
    account: int,
    side: int,
    tif: int,
    price: int,
    size: int,
    self_trade: int,
    budget: int,
) -> int:
    """Place one order; give the end of its event rows."""
    return place_at(state, state[EVENTS], order_id, account, side, tif, price, size, self_trade, budget)


@kernel("int64(int64[::1], int64)")
def cancel(state: State, order_id: int) -> int:
    """Cancel one order; give the end of its event rows."""
    return cancel_at(state, state[EVENTS], order_id)


@kernel  # compiled when first called: a venue takes one command at a time
def run_ops(state: State, ops: NDArray[np.int64], first: int) -> int:
    """Do ops from `first` until all are done, the event area or the book is full; give the first not done."""
    row = state[EVENTS]
    done = first
    while done < len(ops):
        # One op makes at most a row per live order, one per level, and its own.
        if row + (2 * state[LIVE] + 2) * ROW > state[EVENT_END]:
            break
        if ops[done, OP] == CANCEL_OP:
            row = cancel_at(state, row, ops[done, OP_ID])
        else:
            if state[FREE_ORDER] == 0:
                break
            row = place_at(
                state,
                row,
                ops[done, OP_ID],
                ops[done, OP_ACCOUNT],
                ops[done, OP_SIDE],
                ops[done, OP_TIF],
                ops[done, OP_PRICE],
                ops[done, OP_SIZE],
                ops[done, OP_SELF_TRADE],
                UNLIMITED,
            )
        done += 1
    state[USED] = row - state[EVENTS]
    return done


@kernel("void(int64[::1], int64[::1])")
def regrow(old: State, new: State) -> None:
    """Put every order of `old` into the empty, larger `new`, keeping price and time."""
    for which in range(2):
        for position in range(old[COUNTS + which]):
            order = old[old[old[SLOTS + which] + position] + HEAD]
            while order != 0:
                side = old[order + SIDE]
                price = side * old[order + KEY]
                rest(new, old[order + ID], old[order + ACCOUNT], side, price, old[order + LEFT])
                order = old[order + NEXT]


@kernel("int64(int64[::1], int64, int64[:, ::1])")
def depth_of(state: State, which: int, out: NDArray[np.int64]) -> int:
    """Write (price, size) of up to `len(out)` best levels; give how many."""
    side = 1 - 2 * which
    count = state[COUNTS + which]
    shown = int(min(count, len(out)))
    for i in range(shown):
        position = count - 1 - i
        out[i, 0] = side * state[state[KEYS + which] + position]
        out[i, 1] = state[state[SLOTS + which] + position]
        out[i, 1] = state[out[i, 1] + TOTAL]
    return shown
