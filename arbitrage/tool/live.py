"""The running swarm's books: every node writes its own into the state folder, once a second."""

from __future__ import annotations

from pathlib import Path

from arbitrage.tool.books import BYTES_MAX, Books, books_of
from arbitrage.tool.entries import BookEntry, Entry, bad, entries
from domain.errors import ExitCode, SwarmError

FOLDER = "books"
AGE_MAX_S = 10.0


def live_books(state: Path, now_ns: int) -> Books:
    """Join what the nodes wrote in the last seconds; of a market that several tell, the newest is taken."""
    folder = state / FOLDER
    fresh, ages = [], []
    for path in sorted(folder.glob("*.json")):
        try:
            written_ns, text = path.stat().st_mtime_ns, path.read_bytes()
        except OSError:  # replaced or removed meanwhile
            continue
        ages.append((now_ns - written_ns) / 1e9)
        if ages[-1] <= AGE_MAX_S:
            if len(text) > BYTES_MAX:
                raise bad("it is too large", str(path), "remove it")
            fresh.append((written_ns, str(path), text))
    if not fresh:
        told = f"the newest is {min(ages):,.0f} s old" if ages else "there are none"
        raise SwarmError(
            f"no books of a running swarm: {told}",
            where=str(folder),
            mend="start it with `swarm up`, or name a file with --books",
            code=ExitCode.NOT_RUNNING,
        )
    joined: dict[tuple[str, str], Entry] = {}
    for _, source, text in sorted(fresh):
        for one in entries(text, source):
            if isinstance(one, BookEntry):
                joined[one.venue, one.symbol] = one
    kept = [one._replace(entry=place) for place, one in enumerate(joined.values())]
    return books_of(kept, str(folder))
