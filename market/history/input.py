"""One file to import: its format seen, its columns understood, its market known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from domain.errors import ConfigError
from domain.instrument import Instrument
from market.history.chunk import Source
from market.history.csv_source import CsvSource, first_fields
from market.history.field_map import DUMPS, Dump, FieldMap, dump_columns, dump_name, read_mapping
from market.history.file_job import FileJob, Readable
from market.history.fix_input import FixInput
from market.history.json_source import JsonSource
from market.history.layout import Kind
from market.history.parquet_source import ParquetSource
from market.history.part import Columns
from market.history.raw import BadInput, Progress, inner_name
from market.history.shape import Shape, len_of
from market.history.steps import instrument_for

GENERIC = ("csv", "json", "jsonl", "parquet")
FORMATS = (*DUMPS, *GENERIC, "fix")


class Input:
    """A file that is ready to be read."""

    def __init__(
        self, form: str, fields: FieldMap, source: Source, instrument: Instrument, steps: str
    ) -> None:
        self.format, self.fields, self.source = form, fields, source
        self.instrument, self.steps = instrument, steps
        self.kind = fields.kind
        self._shape = Shape(fields, instrument)

    def rows(self) -> Iterator[tuple[Kind, Columns]]:
        """Give its rows, checked."""
        for chunk in self.source.chunks(self.fields.names):
            made = self._shape.convert(chunk)
            if len_of(made) > 0:
                yield self.kind, made
        rest = self._shape.rest()
        if rest is not None:
            yield self.kind, rest

    def notes(self) -> tuple[str, ...]:
        """Say what a reader of the data should know."""
        told = [f"times in {self._shape.unit}"]
        if self.fields.note:
            told.append(self.fields.note)
        if self.kind in (Kind.TRADES, Kind.TICKS) and "id" not in self.fields.columns:
            told.append("no ids there: rows are numbered")
        if self.kind == Kind.TRADES and not {"side", "maker"} & self.fields.columns.keys():
            told.append("the taker's side is not known")
        return tuple(told)


def input_of(root: Path, job: FileJob, progress: Progress | None = None) -> Readable:
    """Understand a file."""
    named = dump_name(job.path)
    form = job.format or (named.dump if named is not None and job.map is None else _by_suffix(job))
    symbol = job.symbol or (None if named is None else named.symbol)
    if symbol is None:
        raise ConfigError("no symbol is known", where=str(job.path), mend="give --symbol")
    if named is not None and named.symbol != symbol:
        raise BadInput(f"the file is named after {named.symbol}, not {symbol}")
    inside = inner_name(job.path)
    packed = None if inside is None else dump_name(Path(Path(inside).name))
    if packed is not None and (packed.symbol != symbol or (named is not None and packed != named)):
        raise BadInput(f"the zip's own file is {inside}, which is not what the zip is named after")
    if form == "bookDepth":
        raise BadInput("bookDepth holds bands of depth, not levels: no book can be made of it")
    if form == "fix":
        return FixInput(root, job, symbol, progress)
    if form in DUMPS:
        fields, source = _dump(DUMPS[form], job.path, progress)
    elif form in GENERIC:
        fields, source = _generic(form, job, progress)
    else:
        raise ConfigError(f"no format {form!r}", where="--format", mend=f"choose from {', '.join(FORMATS)}")
    instrument, told = instrument_for(root, job.venue, symbol, job.steps, source, fields)
    return Input(form, fields, source, instrument, told)


def _dump(dump: Dump, path: Path, progress: Progress | None) -> tuple[FieldMap, Source]:
    names, fields = dump_columns(dump, first_fields(path))
    return fields, CsvSource(
        path, names, numbers=fields.numbers, wholes=fields.wholes, newline_at_end=True, progress=progress
    )


def _generic(form: str, job: FileJob, progress: Progress | None) -> tuple[FieldMap, Source]:
    if job.map is None:
        raise ConfigError(
            f"a {form} file does not say what its columns mean",
            where=str(job.path),
            mend="say so, like --map price=px,size=qty,time=ts:ms",
        )
    fields = read_mapping(job.map, job.kind)
    if form == "parquet":
        return fields, ParquetSource(job.path, progress=progress)
    if form in ("json", "jsonl"):
        return fields, JsonSource(job.path, progress=progress)
    wholes = () if fields.unit is None else fields.wholes
    return fields, CsvSource(job.path, job.columns, numbers=fields.numbers, wholes=wholes, progress=progress)


def _by_suffix(job: FileJob) -> str:
    name = job.path.with_suffix("") if job.path.suffix.lower() == ".gz" else job.path
    suffix = name.suffix.removeprefix(".").lower()
    if suffix in (*GENERIC, "fix"):
        return suffix
    if suffix == "ndjson":
        return "jsonl"
    if suffix == "zip":
        return "csv"
    raise ConfigError(
        f"what {job.path.name} holds is not told by its name",
        where=str(job.path),
        mend=f"give --format, one of {', '.join(FORMATS)}",
    )
