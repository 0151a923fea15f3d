"""CSV files in chunks, with every line accounted for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from domain.units import ATOM_DECIMALS
from market.history.chunk import Chunk
from market.history.exact import DIGITS
from market.history.raw import BadInput, Counted, Progress, lines_blocks, opened


class CsvSource:
    """Read a CSV file. `names` gives its columns; where it is absent the first line does.

    `numbers` and `wholes` name columns that are read as exact decimals and integers at once, which is quick;
    a block in which one of them is none is read again as text, so that its line can be named.
    """

    def __init__(
        self,
        path: Path,
        names: Sequence[str] | None,
        *,
        numbers: Sequence[str] = (),
        wholes: Sequence[str] = (),
        newline_at_end: bool = False,
        progress: Progress | None = None,
    ) -> None:
        self.path, self.progress = path, progress
        self.header = names is None
        self.names = tuple(header_of(path) if names is None else names)
        self._numbers, self._wholes, self._newline_at_end = numbers, wholes, newline_at_end

    def chunks(self, names: tuple[str, ...]) -> Iterator[Chunk]:
        """Give the named columns."""
        missing = [name for name in names if name not in self.names]
        if missing:
            raise BadInput(f"there is no column {missing[0]!r}: there are {', '.join(self.names)}", 1)
        with opened(self.path, self.progress) as stream:
            rows = 0
            for line, lines, block in self._blocks(stream):
                columns = self._read(block, line, lines, names)
                chunk = Chunk(line, columns)
                rows += len(chunk)
                yield chunk
            if rows == 0:
                raise BadInput("there are no rows", 1)

    def _blocks(self, stream: Counted) -> Iterator[tuple[int, int, bytes]]:
        skip, blank = self.header, None
        for first, count, whole in lines_blocks(stream):
            line, lines, block = first, count, whole
            if skip:
                cut = block.find(b"\n") + 1
                line, lines, block, skip = 2, lines - 1, block[cut:] if cut else b"", False
            if self._newline_at_end and block and not block.endswith(b"\n"):
                raise BadInput("the last line is cut", line)
            body = block.rstrip(b"\r\n")
            if body and blank is not None:
                raise BadInput("the line is blank, and more come after it", blank)
            ends = block.count(b"\n", len(body))
            if block and ends > (1 if body else 0):
                lines = lines - ends + 1 if body else 0
                blank = line + lines if blank is None else blank
                block = block[: block.find(b"\n", len(body)) + 1] if body else b""
            if block:
                yield line, lines, block

    def _read(self, block: bytes, line: int, lines: int, names: tuple[str, ...]) -> Mapping[str, Any]:
        import pyarrow as pa

        for types in (self._exact_types(), {}):
            try:
                table = self._parse(block, names, types)
            except pa.ArrowInvalid:
                continue
            if table.num_rows == lines:
                return {name: table.column(name).combine_chunks() for name in names}
        raise self._odd_line(block, line)

    def _exact_types(self) -> dict[str, Any]:
        import pyarrow as pa

        exact = dict.fromkeys(self._numbers, pa.decimal128(DIGITS, ATOM_DECIMALS))
        return {**exact, **dict.fromkeys(self._wholes, pa.int64())}

    def _parse(self, block: bytes, names: tuple[str, ...], types: Mapping[str, Any]) -> Any:
        import pyarrow as pa
        from pyarrow import csv

        return csv.read_csv(
            pa.BufferReader(block),
            csv.ReadOptions(column_names=self.names, use_threads=True),
            csv.ParseOptions(ignore_empty_lines=False),
            csv.ConvertOptions(
                column_types={**dict.fromkeys(names, pa.string()), **types},
                include_columns=names,
                null_values=[],
                strings_can_be_null=False,
            ),
        )

    def _odd_line(self, block: bytes, line: int) -> BadInput:
        import csv

        for number, text in enumerate(block.splitlines(), line):
            try:
                fields = next(csv.reader([text.decode()], strict=True), [])
            except UnicodeDecodeError:
                return BadInput("the line is no text in UTF-8", number)
            except csv.Error as error:
                return BadInput(f"the line is no CSV: {error}", number)
            if len(fields) != len(self.names):
                return BadInput(f"the line has {len(fields)} columns, not {len(self.names)}", number)
        return BadInput("the lines cannot be read as CSV", line)


def first_fields(path: Path) -> list[str]:
    """Read the first line's fields."""
    import csv

    with opened(path) as stream:
        head = stream.read(1 << 16)
    if not head:
        raise BadInput("the file is empty", 1)
    try:
        text = head.split(b"\n", 1)[0].removesuffix(b"\r").decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput("the line is no text in UTF-8", 1) from None
    try:
        return [field.strip() for field in next(csv.reader([text], strict=True), [])]
    except csv.Error as error:
        raise BadInput(f"the line is no CSV: {error}", 1) from None


def header_of(path: Path) -> list[str]:
    """Read a header, in which every name is there once."""
    names = first_fields(path)
    twice = [name for place, name in enumerate(names) if name in names[:place] or name == ""]
    if twice:
        raise BadInput(f"the header has the column {twice[0]!r} twice or without a name", 1)
    return names
