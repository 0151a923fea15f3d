"""A day into one tar with the hash of every file, and back after checking each of them."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import msgspec

from domain.errors import ConfigError, ExitCode, SwarmError
from market.history.catalog import parts
from market.history.layout import MANIFESTS, Part, part_of
from market.history.raw import file_hash
from market.history.staging import MAINTENANCE, Change, Staging

MANIFEST = "manifest.json"
FORMAT = "murmuration archive 1"
_MANIFEST_BYTES_MAX = 64 << 20
_COPY_BYTES = 1 << 20


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of an archive."""

    path: str
    bytes: int
    blake2b: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an archive holds."""

    format: str
    files: tuple[Entry, ...]


class Restored(msgspec.Struct, frozen=True):
    """What restoring did."""

    files: int
    bytes: int
    there_already: int


def archive(
    root: Path,
    target: Path,
    *,
    first: date,
    last: date,
    venues: Sequence[str] | None = None,
    symbols: Sequence[str] | None = None,
) -> Manifest:
    """Write the files of some days into a tar that appears when it is whole."""
    if target.exists():
        raise ConfigError("it is there already", where=str(target), mend="choose another file")
    found = list(parts(root, venues=venues, symbols=symbols, first=first, last=last))
    if not found:
        raise ConfigError(
            f"there is no history from {first} to {last}", where=str(root), mend="see `swarm data ls`"
        )
    entries = tuple(
        Entry(_relative(part), part.path(root).stat().st_size, file_hash(part.path(root))) for part in found
    )
    manifest = Manifest(FORMAT, entries)
    fresh = target.with_name(target.name + ".new")
    try:
        with fresh.open("wb") as stream:
            with tarfile.open(fileobj=stream, mode="w") as tar:
                _add_bytes(tar, MANIFEST, msgspec.json.encode(manifest))
                for entry in entries:
                    tar.add(root / entry.path, entry.path, recursive=False)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)
    _keep(root, target, manifest)
    return manifest


def restore(root: Path, source: Path) -> Restored:
    """Take an archive's files back; all are checked first, and what is here and differs is never replaced."""
    with Staging(root, MAINTENANCE) as staging:
        try:
            with tarfile.open(source, "r:") as tar:
                manifest = _manifest(tar, source)
                adds, there = _unpacked(root, tar, manifest, staging, source)
        except (tarfile.TarError, EOFError) as error:
            raise _bad(source, f"the archive is cut or damaged: {error}") from None
        if adds:
            staging.commit(Change(tuple(adds)))
    _keep(root, source, manifest)
    return Restored(len(adds), sum(entry.bytes for entry in manifest.files), there)


def _unpacked(
    root: Path, tar: tarfile.TarFile, manifest: Manifest, staging: Staging, source: Path
) -> tuple[list[tuple[str, str]], int]:
    wanted = {entry.path: entry for entry in manifest.files}
    adds: list[tuple[str, str]] = []
    there = 0
    for member in tar:
        if member.name == MANIFEST:
            continue
        entry = wanted.pop(member.name, None)
        part = part_of(root / member.name)
        if entry is None or part is None or not member.isfile() or _relative(part) != member.name:
            raise _bad(source, f"the archive holds {member.name!r}, which its manifest does not")
        staged = staging.folder / f"restored-{staging.number()}.new"
        _copy(tar, member, staged)
        if file_hash(staged) != entry.blake2b:
            raise _bad(source, f"{member.name} is not what the manifest says")
        if part.path(root).exists():
            _same(part.path(root), entry)
            there += 1
            continue
        _no_overlap(root, part, {each.path for each in manifest.files})
        adds.append((staged.name, entry.path))
    if wanted:
        raise _bad(source, f"the archive lacks {next(iter(wanted))}")
    return adds, there


def _copy(tar: tarfile.TarFile, member: tarfile.TarInfo, staged: Path) -> None:
    stream = tar.extractfile(member)
    assert stream is not None
    with staged.open("wb") as out:
        while data := stream.read(_COPY_BYTES):
            out.write(data)
        out.flush()
        os.fsync(out.fileno())


def _same(path: Path, entry: Entry) -> None:
    if file_hash(path) != entry.blake2b:
        raise _differs(path, "it is here already, with other content")


def _no_overlap(root: Path, part: Part, own: set[str]) -> None:
    series = part.series
    for each in parts(
        root, venues=(series.venue,), symbols=(series.symbol,), first=series.day, last=series.day
    ):
        touches = each.first_ns <= part.last_ns and part.first_ns <= each.last_ns
        if each.series == series and touches and _relative(each) not in own:
            raise _differs(each.path(root), f"it holds {series.kind} of the time that is to be restored")


def _differs(path: Path, what: str) -> SwarmError:
    return SwarmError(
        what,
        where=str(path),
        mend="move it away first, or restore into another --root",
        code=ExitCode.BAD_DATA,
    )


def _bad(source: Path, what: str) -> SwarmError:
    return SwarmError(
        what,
        where=str(source),
        mend="nothing was restored: fetch the archive again",
        code=ExitCode.BAD_DATA,
    )


def _manifest(tar: tarfile.TarFile, source: Path) -> Manifest:
    member = tar.next()
    stream = None if member is None or member.name != MANIFEST else tar.extractfile(member)
    if member is None or stream is None or member.size > _MANIFEST_BYTES_MAX:
        raise _bad(source, f"the archive does not begin with {MANIFEST}")
    try:
        manifest = msgspec.json.decode(stream.read(), type=Manifest)
    except msgspec.DecodeError as error:
        raise _bad(source, f"{MANIFEST} cannot be read: {error}") from None
    if manifest.format != FORMAT:
        raise _bad(source, f"the format is {manifest.format!r}, not {FORMAT!r}")
    return manifest


def _add_bytes(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def _keep(root: Path, target: Path, manifest: Manifest) -> None:
    """Keep the manifest beside the history, where `verify` finds it."""
    folder = root / MANIFESTS
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f"{target.name}.new"
    fresh.write_bytes(msgspec.json.encode(manifest))
    fresh.replace(folder / f"{target.name}.json")


def _relative(part: Part) -> str:
    return part.path(Path()).as_posix()
