"""FIX 4.4 market data: full (W) and incremental refreshes (X) as books by price level, and trades."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from domain.instrument import Instrument
from domain.market_events import BookDelta, BookSnapshot, Levels, Trade
from market.fix_frame import Fields, FixFrames

MSG_TYPE, SEQ_NUM, POSS_DUP, NEW_SEQ_NO, SENDING_TIME, TRANSACT_TIME = 35, 34, 43, 36, 52, 60
SYMBOL, ENTRIES, ACTION, ENTRY_TYPE, ENTRY_ID, PRICE, SIZE = 55, 268, 279, 269, 278, 270, 271
ENTRY_DATE, ENTRY_TIME, RPT_SEQ, TRADE_ID, SIDE, AGGRESSOR_SIDE = 272, 273, 83, 1003, 54, 2446
_BID, _OFFER, _TRADE = "0", "1", "2"
_NEW, _CHANGE, _DELETE = "0", "1", "2"
_RESET = "4"
LOGON = "A"

FixEvent = BookSnapshot | BookDelta | Trade


class FixFeedCounts(msgspec.Struct):
    """What became of the messages."""

    snapshots: int = 0
    deltas: int = 0
    trades: int = 0
    ignored: int = 0
    repeated: int = 0
    unknown_symbol: int = 0
    bad_messages: int = 0
    gaps: int = 0
    missing_messages: int = 0
    went_back: int = 0
    crossed_books: int = 0


class _Bad(Exception):
    pass


class _Entry(msgspec.Struct):
    symbol: str
    values: dict[int, str]


class FixFeed:
    """Turn bytes into events of known markets. Nothing raises; what cannot be used is counted.

    A book's sequence is RptSeq (83) where the venue sends it, else our own count of the market's messages.
    A gap in MsgSeqNum, or a message that cannot be used, breaks the continuity of every book that it may
    have meant: whoever follows them goes stale until the next full refresh.
    """

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self.frames, self.counts = FixFrames(), FixFeedCounts()
        self._instruments = {one.symbol: one for one in instruments}
        self._sequences = dict.fromkeys(self._instruments, 0)
        self._trade_ids = dict.fromkeys(self._instruments, 0)
        self._expected: int | None = None

    def feed(self, data: bytes, local_ts_ns: int | None = None) -> list[FixEvent]:
        """Take bytes as they come; without a local time the sender's stands for it."""
        return self._events(self.frames.feed(data), local_ts_ns)

    def finish(self, local_ts_ns: int | None = None) -> list[FixEvent]:
        """Say that nothing follows."""
        return self._events(self.frames.finish(), local_ts_ns)

    def _events(self, messages: Iterable[Fields], local_ts_ns: int | None) -> list[FixEvent]:
        found: list[FixEvent] = []
        for fields in messages:
            try:
                found += self._message(fields, local_ts_ns)
            except (_Bad, ValueError):
                self.counts.bad_messages += 1
                self._broken(next((value for tag, value in fields if tag == SYMBOL), None))
        return found

    def _message(self, fields: Fields, local_ts_ns: int | None) -> list[FixEvent]:
        head: dict[int, str] = {}
        for tag, value in fields:
            if tag == ENTRIES:
                break
            head.setdefault(tag, value)
        if not fields or fields[0][0] != MSG_TYPE:
            raise _Bad
        if not self._in_order(head):
            self.counts.repeated += 1
            return []
        kind = head[MSG_TYPE]
        if kind not in ("W", "X"):
            self.counts.ignored += 1
            return []
        sent_ns = time_ns(head.get(TRANSACT_TIME) or head.get(SENDING_TIME, ""))
        if kind == "W":
            return self._snapshot(fields, head, sent_ns, local_ts_ns)
        return self._incremental(fields, head, sent_ns, local_ts_ns)

    def _in_order(self, head: dict[int, str]) -> bool:
        number = _whole(head.get(SEQ_NUM, ""))
        expected, repeated = self._expected, head.get(POSS_DUP) == "Y"
        if expected is not None and number < expected and repeated:
            return False
        if expected is not None and number != expected:
            self.counts.gaps += 1
            self.counts.missing_messages += max(0, number - expected)
            self.counts.went_back += number < expected and head[MSG_TYPE] != LOGON
            self._broken(None)
        self._expected = _whole(head[NEW_SEQ_NO]) if _resets(head) else number + 1
        return True

    def _broken(self, symbol: str | None) -> None:
        for each in self._sequences:
            if symbol not in self._sequences or symbol == each:
                self._sequences[each] += 1

    def _snapshot(
        self, fields: Fields, head: dict[int, str], sent_ns: int, local_ts_ns: int | None
    ) -> list[FixEvent]:
        symbol = head.get(SYMBOL, "")
        instrument = self._instruments.get(symbol)
        if instrument is None:
            self.counts.unknown_symbol += 1
            return []
        entries = _entries(fields, ENTRY_TYPE, symbol)
        local_ns = sent_ns if local_ts_ns is None else local_ts_ns
        events: list[FixEvent] = list(self._trades(instrument, entries, sent_ns, local_ns))
        bids, asks = _levels(instrument, entries, whole=True)
        told = head.get(RPT_SEQ)
        sequence = self._sequences[symbol] + 1 if told is None else _whole(told)
        self._sequences[symbol] = sequence
        self.counts.crossed_books += bool(bids and asks and bids[0][0] >= asks[0][0])
        self.counts.snapshots += 1
        self.counts.trades += len(events)
        return [*events, BookSnapshot(instrument.index, sent_ns, local_ns, sequence, bids, asks)]

    def _incremental(
        self, fields: Fields, head: dict[int, str], sent_ns: int, local_ts_ns: int | None
    ) -> list[FixEvent]:
        by_symbol: dict[str, list[_Entry]] = {}
        for entry in _entries(fields, ACTION, head.get(SYMBOL, "")):
            by_symbol.setdefault(entry.symbol, []).append(entry)
        local_ns = sent_ns if local_ts_ns is None else local_ts_ns
        made: list[tuple[str, int, list[FixEvent]]] = []
        for symbol, entries in by_symbol.items():
            instrument = self._instruments.get(symbol)
            if instrument is None:
                self.counts.unknown_symbol += 1
                continue
            made.append(self._changes(instrument, entries, sent_ns, local_ns))
        # Only now, when all of the message is known to be good.
        for symbol, last, events in made:
            self._sequences[symbol] = last
            self.counts.trades += sum(type(event) is Trade for event in events)
            self.counts.deltas += sum(type(event) is BookDelta for event in events)
        return [event for _, _, events in made for event in events]

    def _changes(
        self, instrument: Instrument, entries: list[_Entry], sent_ns: int, local_ns: int
    ) -> tuple[str, int, list[FixEvent]]:
        events: list[FixEvent] = list(self._trades(instrument, entries, sent_ns, local_ns))
        bids, asks = _levels(instrument, entries, whole=False)
        told = [_whole(entry.values[RPT_SEQ]) for entry in entries if RPT_SEQ in entry.values]
        last = self._sequences[instrument.symbol]
        first, last = (min(told), max(told)) if told else (last + 1, last + 1)
        # Trades take numbers too: a change without levels keeps the count whole.
        events.append(BookDelta(instrument.index, sent_ns, local_ns, first, last, bids, asks))
        return instrument.symbol, last, events

    def _trades(
        self, instrument: Instrument, entries: list[_Entry], sent_ns: int, local_ns: int
    ) -> list[Trade]:
        found = []
        for entry in entries:
            values = entry.values
            if values.get(ENTRY_TYPE) != _TRADE or values.get(ACTION) == _DELETE:
                continue
            price, size = (
                _number(instrument.tick.count(_need(values, PRICE))),
                _number(instrument.lot.count(_need(values, SIZE))),
            )
            if price <= 0 or size <= 0:
                raise _Bad
            side = values.get(AGGRESSOR_SIDE) or values.get(SIDE)
            aggressor = {"1": 1, "2": -1}.get(side or "", 0)
            at_ns = _entry_ns(values, sent_ns)
            found.append(
                Trade(
                    instrument.index,
                    at_ns,
                    local_ns,
                    self._trade_id(instrument, values),
                    price,
                    size,
                    aggressor,
                )
            )
        return found

    def _trade_id(self, instrument: Instrument, values: dict[int, str]) -> int:
        told = values.get(TRADE_ID) or values.get(ENTRY_ID) or ""
        if told.isascii() and told.isdigit() and len(told) <= 18:
            return int(told)
        self._trade_ids[instrument.symbol] += 1
        return self._trade_ids[instrument.symbol]


def _entries(fields: Fields, first_tag: int, symbol: str) -> list[_Entry]:
    """Read the repeating group; an entry begins with `first_tag`, and a symbol holds until another comes."""
    place = next((at for at, (tag, _) in enumerate(fields) if tag == ENTRIES), None)
    if place is None:
        raise _Bad
    entries: list[_Entry] = []
    for tag, value in fields[place + 1 :]:
        if tag == first_tag:
            entries.append(_Entry(symbol, {}))
        elif not entries:
            raise _Bad
        if tag == SYMBOL:
            symbol = entries[-1].symbol = value
        if tag in entries[-1].values:
            raise _Bad
        entries[-1].values[tag] = value
    if len(entries) != _whole(fields[place][1]):
        raise _Bad
    return entries


def _levels(instrument: Instrument, entries: list[_Entry], whole: bool) -> tuple[Levels, Levels]:
    sides: dict[str, dict[int, int]] = {_BID: {}, _OFFER: {}}
    for entry in entries:
        side = sides.get(_need(entry.values, ENTRY_TYPE))
        if side is None:
            continue
        action = _NEW if whole else _need(entry.values, ACTION)
        if action not in (_NEW, _CHANGE, _DELETE):
            raise _Bad
        price = _number(instrument.tick.count(_need(entry.values, PRICE)))
        size = 0 if action == _DELETE else _number(instrument.lot.count(_need(entry.values, SIZE)))
        if price <= 0 or size < 0 or (whole and (price in side or size == 0)):
            raise _Bad
        side[price] = size
    bids = tuple(sorted(sides[_BID].items(), reverse=True))
    return bids, tuple(sorted(sides[_OFFER].items()))


def _need(values: dict[int, str], tag: int) -> str:
    try:
        return values[tag]
    except KeyError:
        raise _Bad from None


def _number(count: int) -> int:
    if abs(count) >= 1 << 63:
        raise _Bad
    return count


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise _Bad
    return int(text)


def _resets(head: dict[int, str]) -> bool:
    return head[MSG_TYPE] == _RESET and NEW_SEQ_NO in head


def _entry_ns(values: dict[int, str], sent_ns: int) -> int:
    if ENTRY_DATE in values and ENTRY_TIME in values:
        return time_ns(f"{values[ENTRY_DATE]}-{values[ENTRY_TIME]}")
    return sent_ns


def time_ns(text: str) -> int:
    """Read a UTC timestamp with up to nanoseconds.

    >>> time_ns("20250101-00:00:00.000000007")
    1735689600000000007
    """
    whole, _, fraction = text.partition(".")
    if len(fraction) > 9 or (fraction and not (fraction.isascii() and fraction.isdigit())):
        raise _Bad
    seconds = datetime.strptime(whole, "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC).timestamp()
    if seconds < 0 or seconds > 4_102_444_800:
        raise _Bad
    return int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0"))
