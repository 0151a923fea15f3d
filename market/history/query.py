"""SQL over history: views of ticks, trades, books and bars in DuckDB, for reading and nothing else."""

from __future__ import annotations

import glob
import os
import queue
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from domain.errors import ExitCode, SwarmError
from market.history.columns import COLUMNS, LEVELS, QUOTES, STEPS, TIME
from market.history.layout import SUFFIX, Kind

_KEYS = ("venue", "symbol", "day")
_FETCH_ROWS = 10_000
MEMORY_MB_MAX = 2_048
SECONDS_MAX = 600.0
INTERRUPTED_S = 5.0
# Ticks and lots as decimals: exact, and beside the integers.
_PRICES = {
    Kind.TICKS: {"bid": "bid_ticks", "ask": "ask_ticks"},
    Kind.TRADES: {"price": "price_ticks"},
    Kind.BOOKS: {},
    Kind.BARS: {name: f"{name}_ticks" for name in ("open", "high", "low", "close")},
}
_SIZES = {
    Kind.TICKS: {"bid_size": "bid_lots", "ask_size": "ask_lots"},
    Kind.TRADES: {"size": "size_lots"},
    Kind.BOOKS: {},
    Kind.BARS: {"volume": "volume_lots", "taker_buy_volume": "taker_buy_lots"},
}


class Query:
    """Answer SQL. Where `day`, `venue` and `symbol` are given, only their files are read.

    Nothing can be written, and nothing but the history can be read: one statement, and that a SELECT. It may
    take `MEMORY_MB_MAX` and, until its rows begin and between them, `seconds_max`; then it is refused.
    """

    def __init__(self, root: Path, seconds_max: float = SECONDS_MAX) -> None:
        import duckdb

        self.root, self._seconds_max = root.resolve(), seconds_max
        self._alias: tempfile.TemporaryDirectory[str] | None = None
        if glob.escape(str(self.root)) != str(self.root):
            # A folder whose name is a pattern itself is reached by another name.
            self._alias = tempfile.TemporaryDirectory(prefix="swarm-history-")
            self.root = Path(self._alias.name) / "history"
            self.root.symlink_to(root.resolve())
        self._connection = duckdb.connect(":memory:")
        try:
            for kind in Kind:
                self._connection.execute(self._view(kind))
        except duckdb.Error as error:
            self.close()
            raise _damaged(error) from None
        folder = str(self.root).replace("'", "''")
        self._connection.execute(f"SET allowed_directories = ['{folder}']")
        self._connection.execute(f"SET memory_limit = '{MEMORY_MB_MAX}MB'")
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")

    def run(self, sql: str) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
        """Give the names of the columns, and the rows as they come."""
        import duckdb

        try:
            statements = duckdb.extract_statements(sql)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise _refused("history is only read: give one SELECT")
            cursor = self._unless_interrupted(lambda: self._connection.execute(statements[0]))
            names = [column[0] for column in cursor.description]
            return names, self._rows(cursor)
        except duckdb.Error as error:
            raise _told(error) from None

    def _rows(self, cursor: Any) -> Iterator[tuple[Any, ...]]:
        import duckdb

        try:
            while rows := self._unless_interrupted(lambda: cursor.fetchmany(_FETCH_ROWS)):
                yield from rows
        except duckdb.Error as error:
            raise _told(error) from None

    def _unless_interrupted(self, work: Callable[[], Any]) -> Any:
        """Work in a thread, because DuckDB hears no Ctrl-C."""
        done: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()

        def carry_out() -> None:
            try:
                done.put((True, work()))
            except BaseException as error:
                done.put((False, error))

        threading.Thread(target=carry_out, name="query", daemon=True).start()
        try:
            worked, found = done.get(timeout=self._seconds_max)
        except queue.Empty:
            self._connection.interrupt()
            if not _ended(done):
                sys.stderr.write("swarm: a question that does not end\n")
                os._exit(ExitCode.USAGE)
            raise _refused(
                f"no answer within {self._seconds_max:g} s: ask for less, or give --seconds"
            ) from None
        except KeyboardInterrupt:
            # Its thread cannot be ended, nor the process in good order meanwhile; there is nothing to keep.
            sys.stderr.write("swarm: interrupted\n")
            os._exit(ExitCode.INTERRUPTED)
        if not worked:
            raise found
        return found

    def close(self) -> None:
        """Let go."""
        self._connection.close()
        if self._alias is not None:
            self._alias.cleanup()

    def __enter__(self) -> Query:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _view(self, kind: Kind) -> str:
        told = [f"make_timestamp_ns({TIME[kind]}) AS time"]
        told += [f"{column}::DECIMAL(20, 0) * tick AS {name}" for name, column in _PRICES[kind].items()]
        told += [f"{column}::DECIMAL(20, 0) * lot AS {name}" for name, column in _SIZES[kind].items()]
        columns = ", ".join((*_KEYS, *told, f"* EXCLUDE ({', '.join(_KEYS)})"))
        return f"CREATE VIEW {kind} AS SELECT {columns} FROM {self._files(kind)}"

    def _files(self, kind: Kind) -> str:
        folders = (f"{key}=*" for key in _KEYS)
        pattern = Path(self.root, *folders, f"{kind}-*{SUFFIX}")
        if next(self.root.glob(f"*/*/*/{kind}-*{SUFFIX}"), None) is None:
            return _nothing(kind)
        text = str(pattern).replace("'", "''")
        types = "{'venue': VARCHAR, 'symbol': VARCHAR, 'day': DATE}"
        return f"read_parquet('{text}', hive_partitioning = true, hive_types = {types})"


def _nothing(kind: Kind) -> str:
    typed = ["NULL::VARCHAR AS venue", "NULL::VARCHAR AS symbol", "NULL::DATE AS day"]
    typed += [f"NULL::BIGINT AS {name}" for name in COLUMNS[kind]]
    typed += [f"NULL::BIGINT[] AS {LEVELS}"] if kind == Kind.BOOKS else []
    typed += [f"NULL::DECIMAL(38, 10) AS {name}" for name in QUOTES] if kind == Kind.BARS else []
    typed += [f"NULL::DECIMAL(18, 10) AS {name}" for name in STEPS]
    return f"(SELECT {', '.join(typed)} WHERE false)"


def _ended(done: queue.SimpleQueue[tuple[bool, Any]]) -> bool:
    try:
        done.get(timeout=INTERRUPTED_S)
    except queue.Empty:
        return False
    return True


def _refused(what: str) -> SwarmError:
    return SwarmError(
        what,
        where="swarm data query",
        mend="the tables are ticks, trades, books and bars: `DESCRIBE ticks` tells columns",
        code=ExitCode.USAGE,
    )


def _told(error: Exception) -> SwarmError:
    import duckdb

    if "pytz" in str(error):
        return _refused("a time with a zone cannot be shown: cast it to TIMESTAMP")
    if isinstance(error, duckdb.OutOfMemoryException):
        return _refused(f"the answer needs more than {MEMORY_MB_MAX} MB: ask for less at once")
    if isinstance(error, duckdb.IOException | duckdb.InvalidInputException):
        return _damaged(error)
    return _refused(_line(error))


def _damaged(error: Exception) -> SwarmError:
    return SwarmError(
        _line(error),
        where="history",
        mend="see `swarm data verify` for what is damaged",
        code=ExitCode.BAD_DATA,
    )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
