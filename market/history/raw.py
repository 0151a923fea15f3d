"""Files to import as streams of bytes: plain, gzipped, or the one file inside a zip."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from domain.errors import ExitCode, SwarmError

Progress = Callable[[int], None]
_GZIP = b"\x1f\x8b"
_CHUNK_BYTES = 1 << 22


class BadInput(Exception):
    """Say what is wrong with a file and in which line, counted from 1, where that is known."""

    def __init__(self, what: str, line: int | None = None) -> None:
        super().__init__(what)
        self.what, self.line = what, line

    def told(self, path: Path) -> SwarmError:
        """Give the one line that a person sees."""
        where = str(path) if self.line is None else f"{path}:{self.line}"
        return SwarmError(
            self.what,
            where=where,
            mend="nothing was imported: mend the file or fetch it again",
            code=ExitCode.BAD_DATA,
        )


def file_hash(path: Path) -> str:
    """Hash a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=32)).hexdigest()


class Counted:
    """A stream that tells how far the file under it was read."""

    def __init__(self, stream: IO[bytes], under: IO[bytes], progress: Progress | None) -> None:
        self._stream, self._under, self._progress = stream, under, progress

    def read(self, size: int = -1) -> bytes:
        """Read on."""
        try:
            data = self._stream.read(size)
        except (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError) as error:
            raise BadInput(f"the zip is cut or damaged: {error}") from None
        if self._progress is not None:
            self._progress(self._under.tell())
        return data


@contextmanager
def opened(path: Path, progress: Progress | None = None) -> Iterator[Counted]:
    """Open a file to import."""
    with path.open("rb") as under:
        magic = under.read(2)
        if magic != b"PK":
            under.seek(0)
            stream: IO[bytes] = under
            if magic == _GZIP:
                stream = cast(IO[bytes], gzip.GzipFile(fileobj=under))
            yield Counted(stream, under, progress)
            return
        under.seek(0)
        try:
            archive = zipfile.ZipFile(under)
        except zipfile.BadZipFile as error:
            raise BadInput(f"the zip is cut or damaged: {error}") from None
        with archive:
            names = [one for one in archive.namelist() if not one.endswith("/")]
            if len(names) != 1:
                raise BadInput(f"the zip holds {len(names)} files, not one")
            try:
                inner = archive.open(names[0])
            except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
                raise BadInput(f"the zip cannot be read: {error}") from None
            with inner:
                yield Counted(inner, under, progress)


def inner_name(path: Path) -> str | None:
    """Give the name of the one file inside a zip, `None` for a plain file or a zip that cannot be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [one for one in archive.namelist() if not one.endswith("/")]
    except (zipfile.BadZipFile, OSError):
        return None
    return names[0] if len(names) == 1 else None


def lines_blocks(stream: Counted, first_line: int = 1) -> Iterator[tuple[int, int, bytes]]:
    """Give blocks of whole lines: their first line's number, how many there are, and their bytes.

    The last line may lack its newline.
    """
    rest = b""
    while data := stream.read(_CHUNK_BYTES):
        cut = data.rfind(b"\n") + 1
        if cut == 0:
            rest += data
            if len(rest) > 16 * _CHUNK_BYTES:
                raise BadInput("a line without end", first_line)
            continue
        block = rest + data[:cut]
        lines = block.count(b"\n")
        yield first_line, lines, block
        first_line += lines
        rest = data[cut:]
    if rest:
        yield first_line, 1, rest
