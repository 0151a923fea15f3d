"""Parquet files of anybody's, in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from market.history.chunk import Chunk
from market.history.raw import BadInput, Progress

_CHUNK_ROWS = 1 << 16


class ParquetSource:
    """Read columns; a row's number stands for its line. Floats are taken as their shortest decimal text."""

    def __init__(self, path: Path, *, progress: Progress | None = None) -> None:
        self.path, self.progress = path, progress

    def chunks(self, names: tuple[str, ...]) -> Iterator[Chunk]:
        """Give the named columns."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(self.path) as file:
                there = file.schema_arrow.names
                missing = [name for name in names if name not in there]
                if missing:
                    raise BadInput(f"there is no column {missing[0]!r}: there are {', '.join(there)}", 1)
                if file.metadata.num_rows == 0:
                    raise BadInput("there are no rows", 1)
                line, size = 1, self.path.stat().st_size
                for batch in file.iter_batches(_CHUNK_ROWS, columns=list(names)):
                    yield self._chunk(batch, line, names)
                    line += batch.num_rows
                    if self.progress is not None:
                        self.progress(size * line // file.metadata.num_rows)
        except (pa.ArrowException, OSError) as error:
            raise BadInput(
                f"the Parquet file is cut or damaged: {str(error).splitlines()[0][:100]}"
            ) from None

    def _chunk(self, batch: object, line: int, names: tuple[str, ...]) -> Chunk:
        import pyarrow as pa

        assert isinstance(batch, pa.RecordBatch)
        columns = {}
        for name in names:
            column = batch.column(name)
            if pa.types.is_dictionary(column.type):
                column = column.dictionary_decode()
            if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
                column = column.cast(pa.string())
            if column.null_count:
                raise BadInput(f"{name} is absent", line + int(column.is_null().index(True).as_py()))
            columns[name] = column
        return Chunk(line, columns)
