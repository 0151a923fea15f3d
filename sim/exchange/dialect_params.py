"""Parameters of a request, read with the dialect's own complaints."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping

from domain.instrument import Instrument
from domain.units import ATOM_DECIMALS, Step, atoms
from sim.exchange.config import NOTIONAL_ATOMS_MAX
from sim.exchange.dialect_errors import (
    CLIENT_ID_RANGE,
    NUMBER_RANGE,
    DialectError,
    illegal,
    invalid_symbol,
    missing,
)

STEPS_MAX = 1 << 53
DAY_MS = 86_400_000

SYMBOLS_RANGE = r'^\["[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}"){0,99999999}\]$'
_NUMBER = re.compile(NUMBER_RANGE)
_INTEGER_RANGE = "^[0-9]{1,20}$"
_INTEGER = re.compile(_INTEGER_RANGE)
_CLIENT_ID = re.compile(CLIENT_ID_RANGE)


class Params:
    """What the client sent, as strings; reading a bad one raises the refusal."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def text(self, name: str) -> str | None:
        """Give a parameter, `None` where absent; an empty one is refused."""
        value = self._values.get(name)
        if value is not None and value == "":
            raise DialectError(-1105, f"Parameter '{name}' was empty.")
        return value

    def need(self, name: str) -> str:
        """Give a parameter that must be there."""
        value = self._values.get(name)
        if value is None or value == "":
            raise missing(name)
        return value

    def integer(self, name: str) -> int | None:
        """Give a whole number, `None` where absent."""
        value = self.text(name)
        if value is None:
            return None
        if _INTEGER.fullmatch(value) is None:
            raise illegal(name, _INTEGER_RANGE)
        return int(value)

    def limit(self, default: int, most: int) -> int:
        """Give `limit`, cut to what is allowed."""
        value = self.integer("limit")
        if value is None:
            return default
        if value == 0:
            raise missing("limit")
        return min(value, most)

    def steps(self, name: str, step: Step, filter_name: str) -> int:
        """Give a decimal as a whole number of steps above zero."""
        value = self.need(name)
        if _NUMBER.fullmatch(value) is None:
            raise illegal(name, NUMBER_RANGE)
        if len(value.partition(".")[2]) > ATOM_DECIMALS:
            raise DialectError(-1111, f"Parameter '{name}' has too much precision.")
        try:
            count = step.count(value)
        except ValueError:
            count = 0
        if not 0 < count <= STEPS_MAX:
            raise DialectError(-1013, f"Filter failure: {filter_name}")
        return count

    def quote_atoms(self, name: str) -> int:
        """Give an amount of quote in atoms above zero."""
        value = self.need(name)
        if _NUMBER.fullmatch(value) is None:
            raise illegal(name, NUMBER_RANGE)
        found = atoms(value, "down")
        if not 0 < found <= NOTIONAL_ATOMS_MAX:
            raise DialectError(-1013, "Filter failure: NOTIONAL")
        return found

    def raw(self, name: str) -> str | None:
        """Give a parameter as it was sent."""
        return self._values.get(name)

    def has(self, name: str) -> bool:
        """Tell whether a parameter was sent."""
        return name in self._values

    def times(self) -> tuple[int | None, int | None]:
        """Give `startTime` and `endTime` in milliseconds."""
        since_ms, until_ms = self.integer("startTime"), self.integer("endTime")
        if since_ms is not None and until_ms is not None and since_ms > until_ms:
            raise DialectError(-1023, "Start time is greater than end time.")
        return since_ms, until_ms

    def times_of_a_day(self) -> tuple[int | None, int | None]:
        """Give `startTime` and `endTime` where they may lie a day apart at most."""
        since_ms, until_ms = self.times()
        if since_ms is not None and until_ms is not None and until_ms - since_ms > DAY_MS:
            raise DialectError(-1127, "More than 24 hours between startTime and endTime.")
        return since_ms, until_ms

    def choice(self, name: str, among: Collection[str]) -> str | None:
        """Give one of several words, `None` where absent."""
        value = self.text(name)
        if value is not None and value not in among:
            raise DialectError(-1130, f"Data sent for parameter '{name}' is not valid.")
        return value

    def client_id(self, name: str) -> str:
        """Give a client order id, "" where absent."""
        value = self.text(name)
        if value is None:
            return ""
        if _CLIENT_ID.fullmatch(value) is None:
            raise illegal(name, CLIENT_ID_RANGE)
        return value

    def market(self, markets: Mapping[str, Instrument]) -> Instrument:
        """Give the market of `symbol`."""
        market = markets.get(self.need("symbol"))
        if market is None:
            raise invalid_symbol()
        return market

    def some_markets(self, markets: Mapping[str, Instrument]) -> list[Instrument] | None:
        """Give the markets of `symbols`, a JSON list; `None` where absent."""
        value = self.text("symbols")
        if value is None:
            return None
        self.refuse("symbol")
        try:
            names = json.loads(value)
        except (ValueError, RecursionError):
            names = None
        if not isinstance(names, list) or not names:
            raise illegal("symbols", SYMBOLS_RANGE)
        if not all(isinstance(name, str) and name in markets for name in names):
            raise invalid_symbol()
        if len(set(names)) != len(names):
            raise DialectError(-1151, "Symbol is present multiple times in the list.")
        return [markets[name] for name in names]

    def refuse(self, name: str) -> None:
        """Refuse a parameter that has no place here."""
        if name in self._values:
            raise DialectError(-1106, f"Parameter '{name}' sent when not required.")
