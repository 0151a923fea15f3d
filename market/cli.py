"""`swarm data`: record, import, list, query and keep the market's history."""

from __future__ import annotations

import argparse
import os
from datetime import date
from pathlib import Path

SECONDS_MAX = 366 * 86_400


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `swarm data`."""
    data = commands.add_parser(
        "data",
        help="record, import and query market data",
        description="Market data in Parquet files, one folder per venue, symbol and UTC day.",
    )
    verbs = data.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _record(verbs)
    _import(verbs)
    _verb(verbs, "ls", "list what there is", "show_parts")
    _query(verbs)
    _verb(verbs, "verify", "check every file, its order, sequences and hashes", "show_verified")
    compact = _verb(verbs, "compact", "join the small files of past days", "compact_all")
    compact.add_argument("--today", action="store_true", help="also of today, when nobody records")
    retain = _verb(verbs, "retain", "remove old days; without --yes only say which", "retain_days")
    retain.add_argument("--keep-days", type=_count, required=True, metavar="N", help="today and N - 1 before")
    retain.add_argument("--yes", action="store_true", help="remove them")
    _archive(verbs)


def _verb(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str, run: str
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=summary)
    default = Path(os.environ.get("SWARM_STATE", ".swarm"))
    verb.add_argument("--state", type=Path, default=default, metavar="DIR", help=f"default {default}")
    verb.add_argument("--root", type=Path, metavar="DIR", help="the history's folder (default STATE/history)")
    verb.add_argument("--json", action="store_true", help="one JSON object a line")
    if name not in ("record", "query", "restore"):
        verb.add_argument("--venue", help="of this venue only" if name != "import" else "the venue's name")
    verb.set_defaults(run=lambda arguments: _run(run, arguments))
    return verb


def _run(name: str, arguments: argparse.Namespace) -> int:
    import importlib

    if arguments.root is None:
        arguments.root = arguments.state / "history"
    module = "record_cli" if name == "record" else "cli"
    found: int = getattr(importlib.import_module(f"market.history.{module}"), name)(arguments)
    return found


def _record(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = _verb(verbs, "record", "record venues' market data until Ctrl-C", "record")
    which = verb.add_mutually_exclusive_group(required=True)
    which.add_argument("--region", help="the venues of a region of deploy/regions")
    which.add_argument("--config", type=Path, help="the venues of a region file of your own")
    verb.add_argument(
        "--venue",
        metavar="NAME[=HOST:PORT]",
        action="append",
        default=[],
        help="only this one of them (repeatable); a simulated one may be reached elsewhere",
    )
    verb.add_argument("--symbol", action="append", default=[], help="only this one (repeatable)")
    verb.add_argument("--seconds", type=_seconds, help="how long (default: until Ctrl-C)")
    verb.add_argument("--file-seconds", type=_seconds, default=30.0, help="a new file every (default 30)")
    verb.add_argument(
        "--snapshot-seconds", type=_seconds, default=600.0, help="ask for whole books every (default 600)"
    )
    verb.add_argument("--live", metavar="WORD", help="the second step to a real venue's account")


def _import(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = _verb(verbs, "import", "import files: all of them, or none", "import_files")
    verb.set_defaults(venue="binance")
    verb.add_argument("files", nargs="+", type=Path, metavar="FILE")
    verb.add_argument("--symbol", help="default: from the file's name")
    verb.add_argument(
        "--format",
        help="trades, aggTrades, klines, bookTicker, depth, csv, json, jsonl, parquet or fix "
        "(default: from the file's name)",
    )
    verb.add_argument("--kind", choices=("ticks", "trades", "books", "bars"), help="of csv, json and parquet")
    verb.add_argument("--map", help="of csv, json and parquet, like price=px,size=qty,time=ts:ms")
    verb.add_argument("--columns", help="names of a csv file's columns, where it has no header")
    verb.add_argument("--tick", help="smallest step of the price (default: inferred, and said)")
    verb.add_argument("--lot", help="smallest step of the size (default: inferred, and said)")
    verb.add_argument("--base")
    verb.add_argument("--quote")
    verb.add_argument("--exchange-info", type=Path, metavar="FILE", help="take the steps from there")
    verb.add_argument("--dry-run", action="store_true", help="read and check everything, keep nothing")


def _query(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = _verb(verbs, "query", "answer SQL over ticks, trades, books and bars", "query")
    verb.add_argument("sql", metavar="SQL")
    verb.add_argument("--csv", action="store_true", help="print CSV")
    verb.add_argument("--limit", type=_count, default=100, metavar="N", help="rows of a table (default 100)")
    verb.add_argument(
        "--seconds", type=_seconds, default=600.0, metavar="S", help="wait so long (default 600)"
    )


def _archive(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = _verb(verbs, "archive", "write days into a tar with the hash of every file", "archive_days")
    verb.add_argument("--day", type=_day, required=True, metavar="YYYY-MM-DD")
    verb.add_argument("--last", type=_day, metavar="YYYY-MM-DD", help="up to this day (default: that one)")
    verb.add_argument("--symbol", help="of this symbol only")
    verb.add_argument("target", type=Path, metavar="FILE")
    verb = _verb(verbs, "restore", "take an archive's files back, after checking them", "restore_days")
    verb.add_argument("source", type=Path, metavar="FILE")


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= SECONDS_MAX:  # neither is not-a-number
        raise argparse.ArgumentTypeError(f"must be a number of seconds above 0, not {text[:40]!r}")
    return value


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1_000_000_000:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1, not {text[:40]!r}")
    return int(text)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a day like 2026-01-31, not {text[:40]!r}") from None
