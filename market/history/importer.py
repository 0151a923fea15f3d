"""Import files: everything is read and checked aside, and then moved into place at once, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np

from domain.errors import ConfigError
from domain.instrument import Instrument
from market.history.catalog import parts
from market.history.columns import TIME
from market.history.field_map import dump_name
from market.history.file_job import FileJob, Readable
from market.history.input import input_of
from market.history.layout import DAY_NS, IMPORTS, Kind, Part, Series, day_of
from market.history.part import Columns, PartWriter
from market.history.raw import BadInput, file_hash
from market.history.staging import MAINTENANCE, Change, Leftovers, Staging

# (file, what goes on, bytes done, bytes in all)
Watch = Callable[[Path, str, int, int], None]


class Imported(msgspec.Struct, frozen=True):
    """What became of one file; it is kept, so that the same file is known again."""

    file: str
    hash: str
    format: str
    venue: str
    symbol: str
    rows: dict[str, int]
    first_ns: int = 0
    last_ns: int = 0
    tick: str = ""
    lot: str = ""
    steps: str = ""
    notes: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    known: bool = False


class Importer:
    """Import some files into a history, all or none."""

    def __init__(self, root: Path, watch: Watch | None = None) -> None:
        self.root, self._watch = root, watch
        self.leftovers = Leftovers()

    def run(self, jobs: Sequence[FileJob], *, dry_run: bool = False) -> list[Imported]:
        """Import; a dry run reads and checks everything and keeps nothing."""
        with Staging(self.root, MAINTENANCE) as staging:
            self.leftovers = staging.leftovers
            done: list[Imported] = []
            adds: list[tuple[str, str]] = []
            for job in jobs:
                found, staged = self._file(job, staging, adds)
                done.append(found)
                adds += staged
            if adds and not dry_run:
                staging.commit(Change(tuple(adds)))
        return done

    def _file(
        self, job: FileJob, staging: Staging, earlier: Sequence[tuple[str, str]]
    ) -> tuple[Imported, list[tuple[str, str]]]:
        try:
            digest = file_hash(job.path)
            made = input_of(self.root, job, self._progress(job.path, "reading"))
            known = self._known(digest, made)
            if known is not None:
                return msgspec.structs.replace(known, known=True, file=job.path.name), []
            return self._staged(job, digest, made, staging, earlier)
        except BadInput as error:
            raise error.told(job.path) from None

    def _progress(self, path: Path, what: str) -> Callable[[int], None] | None:
        if self._watch is None:
            return None
        watch, size = self._watch, path.stat().st_size
        return lambda done: watch(path, what, done, size)

    def _known(self, digest: str, made: Readable) -> Imported | None:
        try:
            found = msgspec.json.decode(self._note(digest, made).read_bytes(), type=Imported)
        except (OSError, msgspec.DecodeError):
            return None
        # Who removed the data since may import them again; compaction only gave them other names.
        there = {(str(part.series.kind), str(part.series.day)) for part in self._parts(made)}
        return found if all(tuple(each.split("/")) in there for each in found.series) else None

    def _parts(self, made: Readable) -> Iterator[Part]:
        return parts(self.root, venues=(made.instrument.venue,), symbols=(made.instrument.symbol,))

    def _note(self, digest: str, made: Readable) -> Path:
        market = made.instrument
        folder = self.root / IMPORTS
        return folder / f"{digest[:32]}-{_plain(market.venue)}-{_plain(market.symbol)}-{made.format}.json"

    def _staged(
        self, job: FileJob, digest: str, made: Readable, staging: Staging, earlier: Sequence[tuple[str, str]]
    ) -> tuple[Imported, list[tuple[str, str]]]:
        with ExitStack() as stack:
            dailies: dict[Kind, Daily] = {}
            for kind, columns in made.rows():
                if kind not in dailies:
                    source = f"import {digest[:32]} {job.path.name}"
                    dailies[kind] = Daily(made.instrument, kind, source, staging)
                    stack.callback(dailies[kind].abandon)
                dailies[kind].add(columns)
            done = [each for daily in dailies.values() for each in daily.finish()]
        if not done:
            raise BadInput("there are no rows", 1)
        adds = [(path.name, _relative(part)) for path, part in done]
        for _, part in done:
            self._check_room(part, earlier)
        found = Imported(
            file=job.path.name,
            hash=digest,
            format=made.format,
            venue=made.instrument.venue,
            symbol=made.instrument.symbol,
            rows={
                str(kind): sum(part.rows for _, part in done if part.series.kind == kind) for kind in dailies
            },
            first_ns=min(part.first_ns for _, part in done),
            last_ns=max(part.last_ns for _, part in done),
            tick=made.instrument.tick.text(1),
            lot=made.instrument.lot.text(1),
            steps=made.steps,
            notes=(*made.notes(), *_strange_days(job.path, [str(part.series.day) for _, part in done])),
            parts=tuple(target for _, target in adds),
            series=tuple(f"{part.series.kind}/{part.series.day}" for _, part in done),
        )
        note = staging.folder / f"note-{staging.number()}.new"
        note.write_bytes(msgspec.json.encode(found))
        adds.append((note.name, self._note(digest, made).relative_to(self.root).as_posix()))
        return found, adds

    def _check_room(self, part: Part, earlier: Sequence[tuple[str, str]]) -> None:
        series = part.series
        there = [
            each
            for each in parts(
                self.root,
                venues=(series.venue,),
                symbols=(series.symbol,),
                first=series.day,
                last=series.day,
            )
            if each.series.kind == series.kind
            and each.first_ns <= part.last_ns
            and part.first_ns <= each.last_ns
        ]
        twice = _relative(part) in {target for _, target in earlier}
        if series.kind != Kind.BARS and (there or twice):
            name = there[0].name if there else part.name
            raise ConfigError(
                f"{series.symbol} has {series.kind} of that time on {series.day} already, in {name}",
                where=str(series.folder(self.root)),
                mend="import into another --root, or remove those first",
            )
        if twice or any(each.name == part.name for each in there):
            raise ConfigError(
                f"{part.name} is there already", where=str(series.folder(self.root)), mend="remove it first"
            )


class Daily:
    """Write rows in order of time into one part a day."""

    def __init__(self, instrument: Instrument, kind: Kind, source: str, staging: Staging) -> None:
        self._instrument, self._kind, self._source, self._staging = instrument, kind, source, staging
        self._writer: PartWriter | None = None
        self._done: list[tuple[Path, Part]] = []

    def add(self, columns: Columns) -> None:
        """Add rows."""
        for day, piece in _by_day(columns, self._kind):
            if self._writer is not None and self._writer.series.day != day_of(day * DAY_NS):
                self._end()
            if self._writer is None:
                market = self._instrument
                series = Series(market.venue, market.symbol, day_of(day * DAY_NS), self._kind)
                number = self._staging.number()
                self._writer = PartWriter(self._staging.folder, series, market, self._source, number)
            self._writer.write(piece)

    def finish(self) -> list[tuple[Path, Part]]:
        """Give the staged files and what they are."""
        self._end()
        return self._done

    def abandon(self) -> None:
        """Close what is open."""
        if self._writer is not None:
            self._writer.abandon()

    def _end(self) -> None:
        if self._writer is not None:
            self._done.append((self._writer.staged, self._writer.finish()))
            self._writer = None


def _by_day(columns: Columns, kind: Kind) -> Iterator[tuple[int, Columns]]:
    if len(columns) == 0:
        return
    days = columns.numbers[TIME[kind]] // DAY_NS
    edges = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), len(days)]
    for first, end in pairwise(edges):
        yield int(days[first]), columns if len(edges) == 2 else columns.cut(first, end)


def _relative(part: Part) -> str:
    return part.path(Path()).as_posix()


def _plain(text: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in text)


def _strange_days(path: Path, days: Sequence[str]) -> tuple[str, ...]:
    """Note where a dump's rows are not of the day or the month that it is named after."""
    named = dump_name(path)
    strange = [] if named is None else [day for day in days if not day.startswith(named.period)]
    return (f"named after {named.period}, with rows of {strange[0]}",) if strange and named else ()
