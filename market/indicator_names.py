"""Every indicator by name: its parameters, its parts, the clocks it may run on, the state it needs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from domain.errors import ConfigError
from market import indicator_layout as layout
from market.indicator_average_kernels import WINDOW
from market.indicator_flow_kernels import PROFILE_HEAD
from market.indicator_spread_kernels import MOMENTS

Arguments = tuple[float, ...]

PRICE_CLOCKS = ("tick", "trade", "bar")
VOLUME_CLOCKS = ("trade", "bar")
LEVEL_CLOCKS = ("tick", "book")
PERIOD_MAX = 100_000
FLOAT_MAX = 1_000.0


@dataclass(frozen=True)
class Parameter:
    """Name a parameter and bound it; a whole one is an integer."""

    name: str
    default: float
    low: float
    high: float
    whole: bool = True


@dataclass(frozen=True)
class Kind:
    """Describe one kind of indicator.

    `words` gives the size of its state, `constants` what lies in it from the start, `numbers` the integers
    that its kernel gets.
    """

    opcode: int
    parameters: tuple[Parameter, ...]
    clocks: tuple[str, ...]
    words: Callable[[Arguments], int]
    parts: tuple[str, ...] = ("",)
    constants: Callable[[Arguments], dict[int, float]] = lambda _: {}
    numbers: Callable[[Arguments], tuple[int, ...]] = lambda given: tuple(int(each) for each in given)
    returns: bool = False


@dataclass(frozen=True)
class Named:
    """Hold an indicator as asked for: "macd:12,26,9@1h" and what that means."""

    name: str
    kind: Kind
    arguments: Arguments
    clock: str
    length: int

    @property
    def columns(self) -> tuple[str, ...]:
        """Give the names of its parts; the first is the indicator's own name."""
        return tuple(f"{self.name}.{part}" if at else self.name for at, part in enumerate(self.kind.parts))


def _period(default: int, low: int = 1, name: str = "period") -> Parameter:
    return Parameter(name, default, low, PERIOD_MAX)


def _window(given: Arguments) -> int:
    return WINDOW + int(given[0])


def _decay(period: float) -> float:
    return 2.0 / (period + 1.0)


def _memory(weight: float) -> int:
    """Give how many values an exponential weight remembers, which seed it."""
    return math.ceil(round(1.0 / (1.0 - weight), 9))


BANDS = ("middle", "upper", "lower")
LEVELS = Parameter("levels", 5, 1, layout.LEVELS_MAX)

KINDS: dict[str, Kind] = {
    "sma": Kind(layout.SMA, (_period(20),), PRICE_CLOCKS, _window),
    "ema": Kind(
        layout.EMA, (_period(20),), PRICE_CLOCKS, lambda _: 3, constants=lambda given: {2: _decay(given[0])}
    ),
    "wma": Kind(layout.WMA, (_period(20),), PRICE_CLOCKS, lambda given: 6 + int(given[0])),
    "rsi": Kind(layout.RSI, (_period(14, 2),), PRICE_CLOCKS, lambda _: 4),
    "macd": Kind(
        layout.MACD,
        (_period(12, 2, "fast"), _period(26, 2, "slow"), _period(9, 1, "signal")),
        PRICE_CLOCKS,
        lambda _: 7,
        ("line", "signal", "histogram"),
        lambda given: {4 + at: _decay(each) for at, each in enumerate(given)},
    ),
    "roc": Kind(layout.ROC, (_period(10),), PRICE_CLOCKS, lambda given: 2 + int(given[0])),
    "atr": Kind(layout.ATR, (_period(14),), PRICE_CLOCKS, lambda _: 3),
    "adx": Kind(layout.ADX, (_period(14, 2),), PRICE_CLOCKS, lambda _: 8, ("index", "plus", "minus")),
    "keltner": Kind(
        layout.KELTNER,
        (_period(20), _period(10, 1, "range_period"), Parameter("ranges", 2.0, 0.0, FLOAT_MAX, False)),
        PRICE_CLOCKS,
        lambda _: 7,
        BANDS,
        lambda given: {0: given[2], 3: _decay(given[0])},
    ),
    "donchian": Kind(
        layout.DONCHIAN, (_period(20),), PRICE_CLOCKS, lambda given: 5 + 4 * int(given[0]), BANDS
    ),
    "stochastic": Kind(
        layout.STOCHASTIC,
        (_period(14), _period(3, 1, "smooth"), _period(3, 1, "signal")),
        PRICE_CLOCKS,
        lambda given: 5 + 4 * int(given[0]) + 2 * WINDOW + int(given[1]) + int(given[2]),
        ("slow", "signal"),
    ),
    "bollinger": Kind(
        layout.BOLLINGER,
        (_period(20, 2), Parameter("deviations", 2.0, 0.0, FLOAT_MAX, False)),
        PRICE_CLOCKS,
        lambda given: 1 + MOMENTS + int(given[0]),
        BANDS,
        lambda given: {0: given[1]},
    ),
    "zscore": Kind(layout.ZSCORE, (_period(20, 2),), PRICE_CLOCKS, lambda given: MOMENTS + int(given[0])),
    "realised_volatility": Kind(layout.REALISED, (_period(20),), PRICE_CLOCKS, _window, returns=True),
    "ewma_volatility": Kind(
        layout.EWMA,
        (Parameter("weight", 0.94, 0.0, 0.9999, False),),
        PRICE_CLOCKS,
        lambda _: 3,
        constants=lambda given: {2: given[0]},
        numbers=lambda given: (_memory(given[0]),),
        returns=True,
    ),
    "vwap": Kind(layout.VWAP, (_period(100),), VOLUME_CLOCKS, lambda given: 2 * (WINDOW + int(given[0]))),
    "obv": Kind(layout.OBV, (), VOLUME_CLOCKS, lambda _: 4),
    "profile": Kind(
        layout.PROFILE,
        (
            Parameter("width_ticks", 10, 1, 1e12),
            Parameter("bins", 100, 2, 10_000),
            _period(1000, 1, "trades"),
        ),
        ("trade",),
        lambda given: PROFILE_HEAD + int(given[1]) + 2 * int(given[2]),
        ("peak", "low", "high"),
    ),
    "imbalance": Kind(layout.IMBALANCE, (LEVELS,), LEVEL_CLOCKS, lambda _: 0),
    "microprice": Kind(layout.MICROPRICE, (), LEVEL_CLOCKS, lambda _: 0),
    "ofi": Kind(
        layout.ORDER_FLOW,
        (LEVELS, _period(100, 1, "changes")),
        LEVEL_CLOCKS,
        lambda given: 1 + layout.LEVEL_WORDS * int(given[0]) + WINDOW + int(given[1]),
    ),
}

_FORM = re.compile(r"([a-z_]+)(?::([^@]*))?(?:@([a-z0-9]+))?")
_HEAD = re.compile(r"[a-z_]+")
_LENGTH = re.compile(r"([1-9][0-9]{0,3})(m|h)")


def parse(name: str, where: str = "indicators") -> Named:
    """Read an indicator's name, or say in one line what is wrong with it.

    >>> parse("macd:5,10@15m").arguments, parse("macd:5,10@15m").columns[1]
    ((5.0, 10.0, 9.0), 'macd:5,10@15m.signal')
    >>> parse("ema").clock, parse("ofi:5").clock, parse("vwap").clock
    ('tick', 'book', 'trade')
    """
    form = _FORM.fullmatch(name)
    head = _HEAD.match(name)
    if form is None and head is not None and head[0] in KINDS:
        parameters = ", ".join(each.name for each in KINDS[head[0]].parameters) or "none"
        what = f"has {name[head.end() :]!r} after {head[0]}, which is no list of parameters and no clock"
        raise _wrong(name, what, where, f"write ema:20@1m; the parameters of {head[0]} are {parameters}")
    kind = KINDS.get(form[1]) if form else None
    if form is None or kind is None:
        raise _wrong(name, "is not an indicator", where, f"one of {', '.join(KINDS)}, as in ema:20@1m")
    arguments = _arguments(name, kind, form[2], where)
    if kind.opcode == layout.MACD and arguments[0] >= arguments[1]:
        raise _wrong(name, "has a fast period that is not below its slow one", where, "macd:12,26,9")
    clock, length = _clock(name, kind, arguments, form[3], where)
    return Named(name, kind, arguments, clock, length)


def _arguments(name: str, kind: Kind, text: str | None, where: str) -> Arguments:
    given = [] if text is None else text.split(",")
    wanted = ", ".join(f"{each.name} {each.low:g}..{each.high:g}" for each in kind.parameters) or "none"
    mend = f"its parameters are {wanted}"
    if len(given) > len(kind.parameters):
        raise _wrong(name, "has too many parameters", where, mend)
    arguments = [each.default for each in kind.parameters]
    for at, (each, parameter) in enumerate(zip(given, kind.parameters, strict=False)):
        try:
            number = float(int(each)) if parameter.whole else float(each)
        except ValueError:
            raise _wrong(name, f"has {each!r} for {parameter.name}", where, mend) from None
        if not parameter.low <= number <= parameter.high:
            raise _wrong(name, f"has {each} for {parameter.name}, out of range", where, mend)
        arguments[at] = number
    return tuple(arguments)


def _clock(name: str, kind: Kind, arguments: Arguments, text: str | None, where: str) -> tuple[str, int]:
    clocks = kind.clocks
    if kind.opcode in (layout.IMBALANCE, layout.ORDER_FLOW) and arguments[0] > 1:
        clocks = ("book",)  # a tick tells one level only
    mend = "@tick, @trade, @book, @<n>m (n divides 1440) or @<n>h (n divides 24); this one may run on "
    mend += ", ".join("@<n>m, @<n>h" if each == "bar" else f"@{each}" for each in clocks)
    if text is None:
        return clocks[0], 1
    if text in clocks and text != "bar":
        return text, 1
    form = _LENGTH.fullmatch(text)
    if form is None or "bar" not in clocks:
        raise _wrong(name, f"cannot run on @{text}", where, mend)
    length, unit = int(form[1]), form[2]
    if (1440 if unit == "m" else 24) % length:
        raise _wrong(name, f"has bars of {text}, which do not fill a day", where, mend)
    # Sixty minutes are an hour, however they were asked for.
    if unit == "m" and length % 60 == 0:
        return "hour", length // 60
    return ("minute" if unit == "m" else "hour"), length


def _wrong(name: str, what: str, where: str, mend: str) -> ConfigError:
    return ConfigError(f"indicator {name!r} {what}", where=where, mend=mend)
