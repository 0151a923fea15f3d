"""One Parquet file of rows: its columns, how it is written whole, and how it is checked when read."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.errors import ExitCode, SwarmError
from learning.rows.features import FEATURES, SCHEMA
from learning.rows.labelled import FILE as LABELS_FILE
from learning.rows.labelled import MEND, Labelled
from learning.rows.row import CLASS_COUNT, FEATURE_COUNT, ROW, Table
from learning.rows.shelf import SUFFIX

FORMAT, VERSION = "murmuration rows", 1
FEATURE_COLUMNS = tuple(f"f_{name}" for name in FEATURES)
CLASS_COLUMNS = ("p_down", "p_flat", "p_up")
PLAIN = tuple(name for name in ROW.names or () if name not in ("features", "probabilities", "model"))
COLUMNS = ("model", *PLAIN, *FEATURE_COLUMNS, *CLASS_COLUMNS)


def write_part(staged: Path, folder: Path, name: str, table: Table, labelled: Labelled) -> Path:
    """Write rows into a file that has its name, which ends with its own hash, only when whole and durable."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = [_texts(table["model"])]
    arrays += [_array(table[name]) for name in PLAIN]
    arrays += [_array(table["features"][:, place]) for place in range(FEATURE_COUNT)]
    arrays += [_array(table["probabilities"][:, place]) for place in range(CLASS_COUNT)]
    told = {"format": FORMAT, "version": str(VERSION), "features": SCHEMA}
    told["labelled"] = labelled.model_dump_json()
    whole = pa.Table.from_arrays(arrays, names=list(COLUMNS)).replace_schema_metadata(told)
    with staged.open("wb") as stream:
        pq.write_table(whole, stream, compression="zstd", compression_level=1)
        stream.flush()
        os.fsync(stream.fileno())
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / f"{name}-{_file_hash(staged)}{SUFFIX}"
    staged.replace(final)
    synced(folder)
    return final


def check_part(path: Path, labelled: Labelled | None) -> None:
    """Refuse, by name, a file that is damaged, lacks a column, is of a later version or of other labels."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise damaged(path, _line(error)) from None
    told = {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}
    if told.get("format") != FORMAT:
        raise damaged(path, "it is no file of rows")
    if told.get("version") != str(VERSION):
        raise _unknown(path, f"it has version {told.get('version')}, this build knows {VERSION}")
    if told.get("features") != SCHEMA:
        raise _unknown(path, f"its features are {told.get('features')}, this build's are {SCHEMA}")
    own = told.get("labelled", "")
    if labelled is None or own != labelled.model_dump_json():
        what = f"{path.name} has rows labelled otherwise than {LABELS_FILE} says: {own or 'not told'}"
        raise SwarmError(what, where=str(path.parent), mend=MEND, code=ExitCode.BAD_DATA)
    missing = [name for name in COLUMNS if name not in schema.names]
    if missing:
        raise damaged(path, f"it has no column {missing[0]}")
    if _file_hash(path) != path.stem.rpartition("-")[2]:
        raise damaged(path, "its content is not what was written")


def table_of(columns: dict[str, NDArray[Any]]) -> Table:
    """Put columns as they were read into rows."""
    table = np.empty(len(columns["at_ns"]), ROW)
    for name in ("model", *PLAIN):
        table[name] = columns[name]
    for place, name in enumerate(FEATURE_COLUMNS):
        table["features"][:, place] = columns[name]
    for place, name in enumerate(CLASS_COLUMNS):
        table["probabilities"][:, place] = columns[name]
    return table


def damaged(path: Path, what: str) -> SwarmError:
    """Say what is wrong with a file of rows."""
    return SwarmError(
        f"{path.name} cannot be read: {what}",
        where=str(path.parent),
        mend="move it away; the model in use goes on, and the journal can give its rows again",
        code=ExitCode.BAD_DATA,
    )


def unwritable(folder: Path, error: OSError) -> SwarmError:
    """Say why rows cannot be written; what was written before stands."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return SwarmError(
        f"rows cannot be written: {error.strerror or error}",
        where=str(folder),
        mend="free space on this disk" if full else "make it a readable and writable folder",
        code=ExitCode.DISK_FULL if full else ExitCode.CONFIG,
        retryable=full,
    )


def synced(folder: Path) -> None:
    """Make what was renamed in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def rows_hash(table: Table) -> str:
    """Hash rows, so that the same rows are not written again."""
    return hashlib.blake2b(table.tobytes(), digest_size=8).hexdigest()


def _file_hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=8)).hexdigest()


def _unknown(path: Path, what: str) -> SwarmError:
    return SwarmError(
        f"{path.name} was written by another version: {what}",
        where=str(path.parent),
        mend="run the build that wrote it, or move it away",
        code=ExitCode.BAD_DATA,
    )


def _array(numbers: NDArray[Any]) -> Any:
    """See numbers as an Arrow array; `pyarrow.array` of numpy would import pandas."""
    import pyarrow as pa

    own = np.ascontiguousarray(numbers)
    kind = pa.from_numpy_dtype(own.dtype)
    return pa.Array.from_buffers(kind, len(own), [None, pa.py_buffer(own)])


def _texts(names: NDArray[np.bytes_]) -> Any:
    import pyarrow as pa

    offsets = np.zeros(len(names) + 1, np.int32)
    np.cumsum(np.char.str_len(names), out=offsets[1:])
    joined = pa.py_buffer(b"".join(names.tolist()))
    return pa.StringArray.from_buffers(len(names), pa.py_buffer(offsets), joined)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
