"""A region's feature store: rows in Parquet files by market and day, asked through DuckDB.

Only what was known at a time is given for that time. Files appear whole or not at all; whoever appends the
same rows again changes nothing, and the latest writing of a decision counts. What is older than `keep_days`
before the newest row goes, and a market's day of many files becomes one.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from domain.errors import ExitCode, SwarmError
from learning.rows.labelled import FILE as LABELS_FILE
from learning.rows.labelled import MEND, Labelled, check_labelled, read_labelled
from learning.rows.labels import LabelConfig
from learning.rows.part import (
    COLUMNS,
    check_part,
    damaged,
    rows_hash,
    synced,
    table_of,
    unwritable,
    write_part,
)
from learning.rows.row import Rows, Table
from learning.rows.shelf import Part, Series, folder_of, groups, newest, parts

DAY_NS = 86_400 * 1_000_000_000
FOREVER_NS = (1 << 63) - 1
_TRIES = 3

Answer = TypeVar("Answer")


class StoreConfig(BaseModel):
    """How long rows are kept, and how many files a market's day may have before they become one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keep_days: Annotated[int, Field(ge=1)] = 30
    files_max: Annotated[int, Field(ge=2)] = 32
    memory_mb: Annotated[int, Field(ge=64)] = 1_024
    threads: Annotated[int, Field(ge=1)] = 2


class Store:
    """Keep and give one region's rows.

    Any number of processes may read while one after the other writes.
    """

    def __init__(
        self, folder: Path, config: StoreConfig | None = None, labels: LabelConfig | None = None
    ) -> None:
        self.folder, self.config = Path(folder), config if config is not None else StoreConfig()
        # How rows to come are labelled; who does not say so labels as the store's are, or by the defaults.
        self.labels = labels
        self._checked: set[tuple[str, int, int]] = set()

    def append(self, rows: Rows) -> int:
        """Add rows, and give how many files that made; what was added before is not added again."""
        if len(rows) == 0:
            return 0
        assert np.isfinite(rows.table["features"]).all(), "features are finite"
        with self._writing() as staging:
            before = list(parts(self.folder))
            self._agree(staging, bool(before))
            number, made = max((part.number for part in before), default=0), set[str]()
            days = rows.table["at_ns"] // DAY_NS
            for place, (venue, symbol) in enumerate(rows.markets):
                for day in np.unique(days[rows.market == place]).tolist():
                    number += 1
                    chosen = rows.table[(rows.market == place) & (days == day)]
                    series = (venue, symbol, day)
                    there = [part for part in before if part.series == series]
                    made.add(self._write(staging, series, number, chosen, there))
            self._retain(int(days.max()))
            self._tidy(staging)
        return len(made - {part.path for part in before})

    def labelled(self) -> Labelled | None:
        """Tell how the rows that are there are labelled; nothing where there never was one."""
        return read_labelled(self.folder)

    def _agree(self, staging: Path, has_rows: bool) -> None:
        """Say how rows are labelled when the first come; refuse those that are labelled otherwise later."""
        known = self.labelled()
        given = Labelled() if self.labels is None else Labelled(labels=self.labels)
        if known is not None:
            check_labelled(self.folder, known, known if self.labels is None else given)
            return
        if has_rows:
            what = "it does not say how its rows are labelled"
            raise SwarmError(what, where=str(self.folder), mend=MEND, code=ExitCode.BAD_DATA)
        draft = staging / f"{LABELS_FILE}.new"
        draft.write_text(given.model_dump_json())
        draft.replace(self.folder / LABELS_FILE)
        synced(self.folder)

    def rows(
        self,
        since_ns: int = 0,
        until_ns: int = FOREVER_NS,
        symbols: Sequence[str] | None = None,
        as_of_ns: int | None = None,
    ) -> Rows:
        """Give labelled rows decided in since <= at < until, in the order of their times.

        With `as_of_ns` only those whose label was known then. A symbol may be told with its venue, as in
        `tokyo-x:BTCUSDT`.
        """
        known_ns = FOREVER_NS if as_of_ns is None else as_of_ns
        where = f"at_ns >= {since_ns:d} AND at_ns < {until_ns:d} AND label >= 0 AND label_ns <= {known_ns:d}"
        first, last = since_ns // DAY_NS, max(since_ns, until_ns - 1) // DAY_NS
        return self._read(
            lambda part: first <= part.series[2] <= last and part.named(symbols),
            lambda found: self._rows(found, where),
        )

    def newest(self, count: int) -> Rows:
        """Give so many of the newest labelled rows at most, and read no more for it than it takes."""
        found = Rows.empty()
        # A decision may be there twice, as it was written and as it was written again.
        where = f"label >= 0 ORDER BY at_ns DESC LIMIT {2 * count:d}"
        for day in sorted({part.series[2] for part in parts(self.folder)}, reverse=True):
            if len(found) >= count:
                break
            found = Rows.joined([self._of_day(day, where), found])
        return found.pick(slice(max(0, len(found) - count), None))

    def _of_day(self, day: int, where: str) -> Rows:
        return self._read(lambda part: part.series[2] == day, lambda found: self._rows(found, where))

    def count(self) -> int:
        """Count the rows, labelled or not, each decision once."""
        return self._read(lambda _: True, self._count)

    def compact(self) -> int:
        """Make one file of every market's day that has several; give how many files went."""
        with self._writing() as staging:
            several = [each for each in groups(self.folder).items() if len(each[1]) > 1]
            return sum(self._join(staging, series, found) for series, found in several)

    def _write(self, staging: Path, series: Series, number: int, table: Table, there: Sequence[Part]) -> str:
        """Write a file, unless one of those that are there has the same rows, and give it."""
        rows = rows_hash(table)
        same = next((part.path for part in there if part.rows == rows), "")
        if same != "":
            return same
        folder = folder_of(self.folder, *series)
        labelled = read_labelled(self.folder) or Labelled()
        return str(write_part(staging / f"{number}.new", folder, f"{number:010d}-{rows}", table, labelled))

    def _tidy(self, staging: Path) -> None:
        """Join the newest files of a market's day that has too many; what cannot be read stays."""
        for series, found in groups(self.folder).items():
            if len(found) > self.config.files_max:
                with suppress(SwarmError):
                    self._join(staging, series, newest(found))

    def _join(self, staging: Path, series: Series, found: Sequence[Part]) -> int:
        """Make one file of some, which no other was written between, and give how many went."""
        table = self._rows(found, "true").table
        # One of them may have held all the rows: then it stays.
        kept = self._write(staging, series, found[-1].number + 1, table, found)
        self._remove([part for part in found if part.path != kept])
        return len(found) - 1

    def _retain(self, newest_day: int) -> None:
        self._remove(
            [part for part in parts(self.folder) if part.series[2] <= newest_day - self.config.keep_days]
        )

    def _remove(self, found: Sequence[Part]) -> None:
        for part in found:
            Path(part.path).unlink(missing_ok=True)
        for folder in dict.fromkeys(Path(part.path).parent for part in found):
            synced(folder)
            if not any(folder.iterdir()):
                folder.rmdir()

    @contextmanager
    def _writing(self) -> Iterator[Path]:
        """Write alone; what a process left unfinished goes first."""
        staging, handle = self.folder / ".staging", -1
        try:
            staging.mkdir(parents=True, exist_ok=True)
            handle = os.open(staging / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(handle, fcntl.LOCK_EX)
            for left in staging.glob("*.new"):
                left.unlink()
            yield staging
        except OSError as error:
            raise unwritable(self.folder, error) from None
        finally:
            if handle >= 0:
                os.close(handle)

    def _read(self, wanted: Callable[[Part], bool], ask: Callable[[list[Part]], Answer]) -> Answer:
        """Ask the files that are wanted; where a compaction takes some away meanwhile, there are others."""
        for _ in range(_TRIES):
            with suppress(FileNotFoundError):
                return ask([part for part in parts(self.folder) if wanted(part)])
        raise SwarmError(
            "its files went while they were read",
            where=str(self.folder),
            mend="see what else writes there, and ask again",
            code=ExitCode.STATE_IN_USE,
            retryable=True,
        )

    def _rows(self, found: Sequence[Part], where: str) -> Rows:
        """Give each decision once, as it was written last."""
        if not found:
            return Rows.empty()
        columns = self._query(found, f"SELECT file_index, {', '.join(COLUMNS)} FROM {{files}} WHERE {where}")
        markets = tuple(dict.fromkeys(part.series[:2] for part in found))
        places = np.array([markets.index(part.series[:2]) for part in found], np.int16)
        file, table = columns["file_index"].astype(np.int64), table_of(columns)
        order = np.lexsort((-file, table["shard"], table["at_ns"]))
        table, file = table[order], file[order]
        again = (table["at_ns"][1:] == table["at_ns"][:-1]) & (table["shard"][1:] == table["shard"][:-1])
        first = np.concatenate([[True], ~again])[: len(table)]
        return Rows(table[first], markets, places[file[first]])

    def _count(self, found: Sequence[Part]) -> int:
        if not found:
            return 0
        decisions = "(SELECT DISTINCT shard, at_ns FROM {files})"
        return int(self._query(found, f"SELECT count(*) AS n FROM {decisions}")["n"][0])

    def _query(self, found: Sequence[Part], sql: str) -> dict[str, NDArray[Any]]:
        """Ask files, which `file_index` numbers in the order in which they are given."""
        import duckdb

        known = self.labelled()
        for part in found:
            self._check(Path(part.path), known)
        files = ", ".join(f"'{_quoted(part.path)}'" for part in found)
        with duckdb.connect(":memory:") as connection:
            connection.execute(f"SET threads = {self.config.threads}")
            connection.execute(f"SET memory_limit = '{self.config.memory_mb}MB'")
            try:
                asked = sql.format(files=f"read_parquet([{files}], hive_partitioning = false)")
                columns: dict[str, NDArray[Any]] = connection.execute(asked).fetchnumpy()
            except duckdb.Error as error:
                raise self._told(found, error) from None
        empty = next((name for name, column in columns.items() if np.ma.is_masked(column)), None)
        if empty is not None:
            raise damaged(Path(found[0].path).parent, f"a row has nothing in column {empty}")
        return columns

    def _check(self, path: Path, known: Labelled | None) -> None:
        found = path.stat()
        key = (f"{path} {known}", found.st_size, found.st_mtime_ns)
        if key not in self._checked:
            check_part(path, known)
            if len(self._checked) > 100_000:
                self._checked.clear()
            self._checked.add(key)

    def _told(self, found: Sequence[Part], error: Exception) -> Exception:
        """Say what DuckDB met: a file that went meanwhile, or one that it cannot take."""
        for part in found:
            if not Path(part.path).exists():
                return FileNotFoundError(part.path)
        text = " ".join(str(error).split())[:200]
        return damaged(next((Path(p.path) for p in found if p.path in text), self.folder), text)


def _quoted(text: str) -> str:
    return text.replace("'", "''")
