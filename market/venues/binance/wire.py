"""Market-data bytes to domain events. Nothing here waits, connects or reads a clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from domain.dtypes import DELTA_ROW, TICK_ROW, TRADE_ROW
from domain.instrument import Instrument
from domain.market_events import BookDelta, BookSnapshot, Levels, MarketRows, Tick, Trade
from domain.order import Side
from market.venues.binance.frames import FrameScanner
from market.venues.steps import MS_NS, BadFrame, Count, Millis, StepReader

# A bad frame weighs as much as this many good ones; at the limit the connection is not believed any more.
BAD_WEIGHT, BAD_WEIGHT_MAX = 16, 128

Pair = tuple[str, str]


class _Combined(msgspec.Struct, gc=False):
    stream: str
    data: msgspec.Raw


class _Depth(msgspec.Struct, gc=False):
    E: Millis
    U: Count
    u: Count
    b: list[Pair]
    a: list[Pair]


class _Best(msgspec.Struct, gc=False):
    u: Count
    b: str
    B: str
    a: str
    A: str
    E: Millis = 0


class _Print(msgspec.Struct, gc=False):
    t: Count
    p: str
    q: str
    T: Millis
    m: bool


class _Listed(msgspec.Struct, gc=False):
    id: Count
    price: str
    qty: str
    time: Millis
    isBuyerMaker: bool


class _Snapshot(msgspec.Struct, gc=False):
    lastUpdateId: Count
    bids: list[Pair]
    asks: list[Pair]


class _Refusal(msgspec.Struct, gc=False):
    msg: str


class Answer(msgspec.Struct, gc=False):
    """What the venue says to a message of ours on a market stream."""

    id: int | None = None
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: _Refusal | None = None
    code: int | None = None
    msg: str = ""

    @property
    def refusal(self) -> str | None:
        """Give why it was refused, `None` where it was not."""
        if self.error is not None:
            return self.error.msg or "no reason given"
        return None if self.code is None else self.msg or "no reason given"


_ANSWER = msgspec.json.Decoder(Answer)
_COMBINED = msgspec.json.Decoder(_Combined)
_DEPTH = msgspec.json.Decoder(_Depth)
_BEST = msgspec.json.Decoder(_Best)
_PRINT = msgspec.json.Decoder(_Print)
_SNAPSHOT = msgspec.json.Decoder(_Snapshot)
_LISTED = msgspec.json.Decoder(list[_Listed])

MarketData = Tick | Trade | BookDelta
_Reader = Callable[[msgspec.Raw, int], MarketData]


class MarketReader:
    """Turn one market's frames into events."""

    __slots__ = ("index", "price", "size")

    def __init__(self, instrument: Instrument) -> None:
        self.index = instrument.index
        self.price, self.size = StepReader(instrument.tick), StepReader(instrument.lot)

    def levels(self, pairs: Iterable[Pair]) -> Levels:
        """Convert the venue's pairs of strings."""
        price, size = self.price, self.size
        return tuple([(price[ticks], size[lots]) for ticks, lots in pairs])

    def depth(self, data: msgspec.Raw, local_ts_ns: int) -> BookDelta:
        """Read a depthUpdate."""
        frame = _DEPTH.decode(data)
        if frame.u < frame.U:
            raise BadFrame("a diff that ends before it begins")
        bids, asks = self.levels(frame.b), self.levels(frame.a)
        return BookDelta(self.index, frame.E * MS_NS, local_ts_ns, frame.U, frame.u, bids, asks)

    def best(self, data: msgspec.Raw, local_ts_ns: int) -> Tick:
        """Read a bookTicker; spot gives it no time, so 0 stands for "not told"."""
        frame, price, size = _BEST.decode(data), self.price, self.size
        return Tick(
            self.index,
            frame.E * MS_NS,
            local_ts_ns,
            price[frame.b],
            size[frame.B],
            price[frame.a],
            size[frame.A],
            frame.u,
        )

    def print(self, data: msgspec.Raw, local_ts_ns: int) -> Trade:
        """Read a trade; `m` says that the buyer was the maker."""
        frame = _PRINT.decode(data)
        aggressor = Side.SELL if frame.m else Side.BUY
        price, size = self.price[frame.p], self.size[frame.q]
        return Trade(self.index, frame.T * MS_NS, local_ts_ns, frame.t, price, size, int(aggressor))

    def recent(self, payload: bytes, local_ts_ns: int) -> list[Trade]:
        """Read the REST list of recent trades, oldest first."""
        return [
            Trade(
                self.index,
                one.time * MS_NS,
                local_ts_ns,
                one.id,
                self.price[one.price],
                self.size[one.qty],
                int(Side.SELL if one.isBuyerMaker else Side.BUY),
            )
            for one in sorted(_LISTED.decode(payload), key=lambda listed: listed.id)
        ]

    def snapshot(self, payload: bytes, local_ts_ns: int) -> BookSnapshot:
        """Read a REST depth snapshot."""
        frame = _SNAPSHOT.decode(payload)
        bids, asks = self.levels(frame.bids), self.levels(frame.asks)
        return BookSnapshot(self.index, 0, local_ts_ns, frame.lastUpdateId, bids, asks)


class MarketWire:
    """Decode a venue's combined stream. A frame that cannot be read is counted and gives nothing.

    Frames in the form that the venue writes become rows; `read` decides about every other one.
    """

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self.readers: dict[int, MarketReader] = {}
        self._routes: dict[str, _Reader] = {}
        self.on_answer: Callable[[Answer], None] = lambda answer: None
        self.frames, self.bad_frames, self.last_bad = 0, 0, ""
        self._weight = self._bad_at = 0
        self._last = b""
        known = {}
        for instrument in instruments:
            reader = self.readers[instrument.index] = MarketReader(instrument)
            name = instrument.symbol.lower()
            for suffix, kind, way in (
                ("depth@100ms", DELTA_ROW, reader.depth),
                ("bookTicker", TICK_ROW, reader.best),
                ("trade", TRADE_ROW, reader.print),
            ):
                self._routes[f"{name}@{suffix}"] = way
                known[f"{name}@{suffix}"] = (kind, instrument)
        self.scanner = scanner = FrameScanner(known)
        self._scan, self._state, self._views = scanner.scan, scanner.state, scanner.views

    @property
    def streams(self) -> tuple[str, ...]:
        """Name the streams to subscribe to."""
        return tuple(self._routes)

    @property
    def hopeless(self) -> bool:
        """Tell whether so many frames were bad that none is to be believed."""
        return self._weight >= BAD_WEIGHT_MAX

    def opened(self) -> None:
        """Begin a new connection, which is believed until it is not."""
        self._weight = 0

    def decode(self, payload: bytes, local_ts_ns: int) -> MarketRows | MarketData | None:
        """Give the frame's event, `None` for an answer or a bad frame; rows hold until the next call."""
        self.frames += 1
        self._last = payload
        count = self._scan(payload, local_ts_ns, self._state)
        return MarketRows(local_ts_ns, self._views[count]) if count != 0 else self.read(payload, local_ts_ns)

    def reread(self) -> None:
        """Scan the last frame once more, which changes nothing: for the caches, when nobody waits."""
        self._scan(self._last, 0, self._state)

    def read(self, payload: bytes, local_ts_ns: int) -> MarketData | None:
        """Read a frame in any form that JSON allows; `None` for a bad one and for an answer."""
        try:
            frame = _COMBINED.decode(payload)
            return self._routes[frame.stream](frame.data, local_ts_ns)
        except (KeyError, ValueError, RecursionError) as error:
            answer = _answer(payload)
            if answer is not None:
                self.on_answer(answer)
                return None
            # The good frames since the last bad one are counted here, where the fast way does not come.
            good = self.frames - self._bad_at - 1
            self._weight = max(0, self._weight - good) + BAD_WEIGHT
            self._bad_at = self.frames
            self._bad(error)
            return None

    def snapshot(self, instrument: int, payload: bytes, local_ts_ns: int) -> BookSnapshot | None:
        """Give a REST answer's book, `None` when it cannot be read."""
        try:
            return self.readers[instrument].snapshot(payload, local_ts_ns)
        except (ValueError, RecursionError) as error:
            self._bad(error)
            return None

    def recent(self, instrument: int, payload: bytes, local_ts_ns: int) -> list[Trade]:
        """Give a REST answer's trades, none when it cannot be read."""
        try:
            return self.readers[instrument].recent(payload, local_ts_ns)
        except (ValueError, RecursionError) as error:
            self._bad(error)
            return []

    def _bad(self, error: Exception) -> None:
        self.bad_frames += 1
        self.last_bad = f"{type(error).__name__}: {error}"[:200]


def _answer(payload: bytes) -> Answer | None:
    try:
        answer = _ANSWER.decode(payload)
    except (ValueError, RecursionError):
        return None
    said = answer.result is not msgspec.UNSET or answer.refusal is not None
    return answer if said else None
