"""Group commit: one journal beside plain `executemany`, both synced, with the same records and batches."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path

from benchmarks.result import Result
from bus.journal import Journal
from hw.clock import perf_ns

CASE = "journal"
BAR: dict[str, tuple[str, float]] = {"events_per_s": (">=", 200_000.0), "ratio": (">=", 0.5)}

_BATCH_EVENTS = 1000
_RECORD_BYTES = 100


def run(quick: bool) -> Result:
    """Commit records of 100 bytes in batches of 1,000, and verify them on opening again."""
    batches = [
        [
            (batch * _BATCH_EVENTS + each).to_bytes(8, "little") * (_RECORD_BYTES // 8)
            for each in range(_BATCH_EVENTS)
        ]
        for batch in range(100 if quick else 1000)
    ]
    events = len(batches) * _BATCH_EVENTS
    with tempfile.TemporaryDirectory() as folder:
        ours_s, open_s = _journal_s(Path(folder) / "journal", batches)
        peer_s = _executemany_s(Path(folder) / "plain.db", batches)
    metrics = {"events_per_s": events / ours_s, "open_verify_s": open_s, "events": float(events)}
    ratio = peer_s / ours_s
    return Result(
        case=CASE,
        metrics=metrics,
        bar="events_per_s >= 200000, ratio >= 0.5",
        met=metrics["events_per_s"] >= BAR["events_per_s"][1] and ratio >= BAR["ratio"][1],
        peer="sqlite3 executemany, WAL, synchronous=FULL",
        peer_metrics={"events_per_s": events / peer_s},
        ratio=ratio,
    )


def _journal_s(directory: Path, batches: list[list[bytes]]) -> tuple[float, float]:
    journal = Journal.open(directory, "bench")
    started_ns = perf_ns()
    for batch in batches:
        for record in batch:
            journal.append(record)
        journal.commit()
    written_ns = perf_ns()
    journal.close()
    opened_ns = perf_ns()
    with Journal.open(directory, "bench") as again:
        verified_ns = perf_ns()
        assert again.report.events == len(batches) * _BATCH_EVENTS
    return (written_ns - started_ns) / 1e9, (verified_ns - opened_ns) / 1e9


def _executemany_s(path: Path, batches: list[list[bytes]]) -> float:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("pragma journal_mode=wal")
    connection.execute("pragma synchronous=full")
    connection.execute("create table records(sequence integer primary key, record blob not null)")
    started_ns, sequence = perf_ns(), 1
    for batch in batches:
        connection.execute("begin immediate")
        connection.executemany("insert into records values (?, ?)", enumerate(batch, sequence))
        connection.execute("commit")
        sequence += len(batch)
    ended_ns = perf_ns()
    connection.close()
    return (ended_ns - started_ns) / 1e9
