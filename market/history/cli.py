"""What the commands of `swarm data` do and print, recording apart."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from domain.errors import ConfigError, ExitCode
from hw.clock import SystemClock
from market.history.catalog import by_series, parts
from market.history.layout import Kind, Series, day_of
from market.history.progress import Bars, said_bytes


def show_parts(arguments: argparse.Namespace) -> int:
    """List history by market and kind."""
    _there(arguments.root)
    gathered: dict[tuple[str, str, Kind], list[Any]] = {}
    for part in parts(arguments.root, venues=_venues(arguments)):
        key = part.series.venue, part.series.symbol, part.series.kind
        gathered.setdefault(key, []).append(part)
    lines = []
    for (venue, symbol, kind), found in gathered.items():
        days = sorted({part.series.day for part in found})
        lines.append(
            {
                "venue": venue,
                "symbol": symbol,
                "kind": kind,
                "first_day": days[0].isoformat(),
                "last_day": days[-1].isoformat(),
                "days": len(days),
                "files": len(found),
                "rows": sum(part.rows for part in found),
                "bytes": sum(part.path(arguments.root).stat().st_size for part in found),
            }
        )
    if arguments.json:
        _json(lines)
    elif lines:
        _table(list(lines[0]), [tuple(line.values()) for line in lines])
    else:
        print(f"there is no history in {arguments.root}")
    return ExitCode.OK


def query(arguments: argparse.Namespace) -> int:
    """Answer SQL."""
    import csv
    from itertools import islice

    from market.history.query import Query

    _there(arguments.root)
    with Query(arguments.root, arguments.seconds) as history:
        told, rows = history.run(arguments.sql)
        names = [name if name not in told[:at] else f"{name}_{at + 1}" for at, name in enumerate(told)]
        if arguments.json:
            _json(dict(zip(names, row, strict=True)) for row in rows)
        elif arguments.csv:
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow(names)
            writer.writerows(tuple(_plain(value) for value in row) for row in rows)
        else:
            shown = list(islice(rows, arguments.limit))
            _table(names, shown)
            if next(rows, None) is not None:
                print(f"the first {arguments.limit} rows: more with --limit, all with --csv or --json")
    return ExitCode.OK


def import_files(arguments: argparse.Namespace) -> int:
    """Import files."""
    from market.history.file_job import FileJob
    from market.history.importer import Importer
    from market.history.steps import Steps

    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", arguments.venue) is None:
        raise ConfigError(
            f"{arguments.venue!r} is no name of a venue", where="--venue", mend="use letters, digits, - _ ."
        )
    told = Steps(arguments.tick, arguments.lot, arguments.base, arguments.quote, arguments.exchange_info)
    jobs = [
        FileJob(
            path,
            arguments.venue,
            symbol=arguments.symbol,
            format=arguments.format,
            kind=None if arguments.kind is None else Kind(arguments.kind),
            map=arguments.map,
            columns=None if arguments.columns is None else tuple(arguments.columns.split(",")),
            steps=told,
        )
        for path in arguments.files
    ]
    with Bars() as bars:
        importer = Importer(arguments.root, bars.bytes_of)
        done = importer.run(jobs, dry_run=arguments.dry_run)
    if importer.leftovers:
        print(f"history: {importer.leftovers}", file=sys.stderr)
    if arguments.json:
        _json([{**msgspec.to_builtins(one), "dry_run": arguments.dry_run} for one in done])
        return ExitCode.OK
    for one in done:
        what = ", ".join(f"{count:,} {kind}" for kind, count in one.rows.items())
        verb = "known already" if one.known else "would import" if arguments.dry_run else "imported"
        print(f"{one.file}: {verb}: {what} of {one.symbol} at {one.venue}")
        print(f"  tick {one.tick}, lot {one.lot} ({one.steps}); {'; '.join(one.notes)}")
    return ExitCode.OK


def show_verified(arguments: argparse.Namespace) -> int:
    """Check history; trouble ends with BAD_DATA."""
    from market.history.verification import verify

    _there(arguments.root)
    total = len(by_series(parts(arguments.root, venues=_venues(arguments))))
    found = []
    with Bars() as bars:
        for done, one in enumerate(verify(arguments.root, venues=_venues(arguments)), 1):
            bars.steps_of("verify", done, total)
            found.append(one)
    if arguments.json:
        _json(found)
    else:
        for one in found:
            for trouble in one.trouble:
                print(f"{_named(one.series)}: {trouble}")
            if one.gaps:
                print(f"{_named(one.series)}: {one.gaps} gaps, {one.missing} missing")
        files, rows = sum(one.files for one in found), sum(one.rows for one in found)
        bad = sum(len(one.trouble) for one in found)
        print(f"{files} files, {rows:,} rows: {'all hold' if bad == 0 else f'{bad} troubles'}")
    return ExitCode.BAD_DATA if any(one.trouble for one in found) else ExitCode.OK


def compact_all(arguments: argparse.Namespace) -> int:
    """Compact past days."""
    from market.history.compaction import Compacted, compact

    _there(arguments.root)
    before = day_of(SystemClock().now_ns()) + timedelta(days=1 if arguments.today else 0)
    done: list[Compacted] = []
    with Bars() as bars:
        for one in compact(arguments.root, before=before, venues=_venues(arguments)):
            bars.steps_of(f"compacted {_named(one.series)}", len(done) + 1, None)
            done.append(one)
    if arguments.json:
        _json(done)
        return ExitCode.OK
    files = sum(one.files_before for one in done)
    old, new = sum(one.bytes_before for one in done), sum(one.bytes_after for one in done)
    print(f"{files} files became {len(done)}: {said_bytes(old)} became {said_bytes(new)}")
    return ExitCode.OK


def retain_days(arguments: argparse.Namespace) -> int:
    """Remove old days, or say which."""
    from market.history.retention import retain

    _there(arguments.root)
    first = day_of(SystemClock().now_ns()) - timedelta(days=arguments.keep_days - 1)
    told = retain(arguments.root, first_kept=first, venues=_venues(arguments), really=arguments.yes)
    days = sorted({part.series.day.isoformat() for part in told.parts})
    if arguments.json:
        plain = {"files": len(told.parts), "rows": told.rows, "bytes": told.bytes, "days": days}
        _json([{**plain, "first_kept": first.isoformat(), "done": told.done}])
        return ExitCode.OK
    verb = "removed" if told.done else "would remove"
    print(f"{verb} {len(told.parts)} files of {len(days)} days before {first}: {said_bytes(told.bytes)}")
    if told.parts and not told.done:
        print("nothing was removed: say --yes to do it")
    return ExitCode.OK


def archive_days(arguments: argparse.Namespace) -> int:
    """Write an archive."""
    from market.history.archive import archive

    _there(arguments.root)
    symbols = None if arguments.symbol is None else (arguments.symbol,)
    manifest = archive(
        arguments.root,
        arguments.target,
        first=arguments.day,
        last=arguments.last or arguments.day,
        venues=_venues(arguments),
        symbols=symbols,
    )
    size = sum(entry.bytes for entry in manifest.files)
    if arguments.json:
        _json([{"file": str(arguments.target), "files": len(manifest.files), "bytes": size}])
    else:
        print(f"{arguments.target}: {len(manifest.files)} files, {said_bytes(size)}")
    return ExitCode.OK


def restore_days(arguments: argparse.Namespace) -> int:
    """Restore an archive."""
    from market.history.archive import restore

    told = restore(arguments.root, arguments.source)
    if arguments.json:
        _json([told])
    else:
        print(f"restored {told.files} files, {told.there_already} were there already")
    return ExitCode.OK


def _there(root: Path) -> None:
    if not root.is_dir():
        raise ConfigError(
            "there is no history",
            where=str(root),
            mend="record or import some, or name its folder with --root",
        )


def _venues(arguments: argparse.Namespace) -> tuple[str, ...] | None:
    return None if arguments.venue is None else (arguments.venue,)


def _named(series: Series) -> str:
    return f"{series.venue} {series.symbol} {series.day} {series.kind}"


def _json(found: Iterable[Any]) -> None:
    encode = msgspec.json.Encoder(decimal_format="number", enc_hook=str).encode
    for one in found:
        print(encode(one).decode())


def _table(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, name in enumerate(names):
        number = any(isinstance(row[place], int | float | Decimal) for row in rows[:1])
        table.add_column(name, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(_plain(value) for value in row))
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = 10_000
    console.print(table)


def _plain(value: Any) -> str:
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return "" if value is None else str(value)
