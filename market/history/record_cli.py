"""`swarm data record`: a venue's market data into history, with a line that tells how it goes."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tomllib
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import msgspec
from pydantic import ValidationError

from domain.errors import ConfigError, ExitCode, SwarmError
from domain.events import Event
from domain.instrument import Instrument
from domain.market_events import FeedLost, FeedUp
from hw.clock import SystemClock, monotonic_ns
from market.history.progress import said_bytes
from market.history.recorder import Recorder, RecorderConfig, RecorderStats
from market.venues.config import VenueConfig
from market.venues.venue import Venue, load_instruments, venue_of

_REGIONS = Path(__file__).resolve().parents[2] / "deploy" / "regions"
_KEYS = "venues.env"
_SHOW_S = 0.5


class Chosen(msgspec.Struct, frozen=True):
    """One venue to record, and which of its markets."""

    config: VenueConfig
    symbols: tuple[str, ...]


def record(arguments: argparse.Namespace) -> int:
    """Record until the time is over or somebody ends it."""
    import uvloop

    chosen = chosen_venues(_region_file(arguments), arguments.venue, arguments.symbol)
    take_keys(arguments.state / "keys" / _KEYS, chosen)
    told = uvloop.run(Recording(arguments, chosen).run())
    if arguments.json:
        print(msgspec.json.encode(told).decode())
    else:
        what = ", ".join(f"{count:,} {kind}" for kind, count in told.records.items())
        print(
            f"recorded {what}: {told.files} files, {said_bytes(told.bytes)}, {told.dropped_rows} rows dropped"
        )
    if told.alarm is not None:
        full = "the disk is full" in told.alarm
        raise SwarmError(
            told.alarm,
            where=str(arguments.root),
            mend="what is in whole files is safe",
            code=ExitCode.DISK_FULL if full else ExitCode.CONFIG,
        )
    return ExitCode.OK


class Recording:
    """Venues that deliver into one recorder until the time is over or a signal comes."""

    def __init__(self, arguments: argparse.Namespace, chosen: list[Chosen]) -> None:
        self.arguments, self.chosen = arguments, chosen
        self.clock = SystemClock()
        self.venues: list[Venue] = []
        self.stopping = asyncio.Event()
        self._due_ns = 0

    async def run(self) -> RecorderStats:
        """Record, and tell what was."""
        instruments: list[Instrument] = []
        word = self.arguments.live
        for one in self.chosen:
            instruments += await load_instruments(
                one.config, one.symbols, self.clock, first_index=len(instruments), live_word=word
            )
        config = RecorderConfig(file_s=min(self.arguments.file_seconds, 3600.0))
        recorder = Recorder(self.arguments.root, instruments, self.clock, config, self._alarmed)
        self.recorder = recorder
        recorder.start()
        try:
            for leftovers in recorder.leftovers:
                print(f"history: {leftovers}", file=sys.stderr, flush=True)
            async with AsyncExitStack() as stack:
                for one in self.chosen:
                    own = [each for each in instruments if each.venue == one.config.name]
                    venue = venue_of(one.config, own, self.clock, self._taker(recorder), live_word=word)
                    self.venues.append(venue)
                    await stack.enter_async_context(venue)
                self._on_signals()
                await self._until_over(recorder)
        finally:
            await asyncio.get_running_loop().run_in_executor(None, recorder.close)
        return recorder.stats()

    def _taker(self, recorder: Recorder) -> Callable[[Event], None]:
        def take(event: Event) -> None:
            recorder.deliver(event)
            if isinstance(event, FeedUp):
                self._due_ns = 0  # a new connection is a new book
            elif isinstance(event, FeedLost):
                print(f"history: {event.venue}: {event.reason}", file=sys.stderr, flush=True)

        return take

    def _alarmed(self, alarm: str) -> None:
        # From the recorder's thread: the loop sees it at its next look.
        print(f"history: {alarm}", file=sys.stderr, flush=True)

    def _on_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, self.stopping.set)

    async def _until_over(self, recorder: Recorder) -> None:
        seconds, begun_ns = self.arguments.seconds, monotonic_ns()
        line = Line()
        while not self.stopping.is_set() and recorder.alarm is None:
            passed_s = (monotonic_ns() - begun_ns) / 1e9
            if seconds is not None and passed_s >= seconds:
                break
            self._ask_for_books()
            line.show(recorder.stats(), passed_s)
            left_s = _SHOW_S if seconds is None else min(_SHOW_S, seconds - passed_s)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), left_s)
        line.end()

    def _ask_for_books(self) -> None:
        now_ns = monotonic_ns()
        if now_ns < self._due_ns:
            return
        self._due_ns = now_ns + int(self.arguments.snapshot_seconds * 1e9)
        for venue in self.venues:
            for instrument in venue.instruments:
                venue.fetch_book(instrument.index)


class Line:
    """One line on a terminal, written over and over."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._before, self._before_s = 0, 0.0

    def show(self, stats: RecorderStats, passed_s: float) -> None:
        """Tell how it goes."""
        if not self._shown:
            return
        records = sum(stats.records.values())
        rate = (records - self._before) / max(passed_s - self._before_s, 1e-3)
        self._before, self._before_s = records, passed_s
        text = (
            f"{passed_s:6.0f} s  {rate:9,.0f} ticks/s  {records:12,} rows  {stats.files} files  "
            f"{said_bytes(stats.bytes)}  {stats.waiting_rows:,} waiting  {stats.dropped_rows:,} dropped"
        )
        sys.stderr.write(f"\r\x1b[2K{text}")
        sys.stderr.flush()

    def end(self) -> None:
        """Leave the line."""
        if self._shown:
            sys.stderr.write("\n")


def _region_file(arguments: argparse.Namespace) -> Path:
    if arguments.config is not None:
        return Path(arguments.config)
    path: Path = _REGIONS / arguments.region / "region.toml"
    if not path.is_file():
        known = ", ".join(sorted(each.parent.name for each in _REGIONS.glob("*/region.toml")))
        raise ConfigError(
            f"there is no region {arguments.region}", where=str(_REGIONS), mend=f"choose from {known}"
        )
    return path


def chosen_venues(path: Path, wanted: list[str], symbols: list[str]) -> list[Chosen]:
    """Read the venues of a region file, and choose among them and their symbols."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))["venues"]
        found = [
            Chosen(
                VenueConfig.model_validate({key: value for key, value in table.items() if key != "symbols"}),
                tuple(table["symbols"]),
            )
            for table in tables
        ]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError, ValidationError) as error:
        raise ConfigError(
            f"its venues cannot be read: {str(error).splitlines()[0]}", where=str(path), mend="correct it"
        ) from None
    places = dict(text.partition("=")[::2] for text in wanted)
    _known(places, [one.config.name for one in found], "--venue")
    _known(symbols, [symbol for one in found for symbol in one.symbols], "--symbol")
    made = []
    for one in found:
        name, own = one.config.name, tuple(s for s in one.symbols if not symbols or s in symbols)
        if own and (not places or name in places):
            config = one.config.reached_at(places[name]) if places.get(name) else one.config
            # Whoever only listens must not keep the account's dead-man switch from firing.
            made.append(Chosen(config.model_copy(update={"dead_man_s": 0.0}), own))
    return made


def _known(wanted: dict[str, str] | list[str], there: list[str], option: str) -> None:
    for name in wanted:
        if name not in there:
            raise ConfigError(
                f"{name} is not in the region file", where=option, mend=f"choose from {', '.join(there)}"
            )


def take_keys(path: Path, chosen: list[Chosen]) -> None:
    """Take the keys that `swarm up` made for simulated venues, where the environment has none."""
    if not path.is_file():
        return
    kept = dict(line.partition("=")[::2] for line in path.read_text(encoding="utf-8").splitlines())
    for one in chosen:
        for variable in (one.config.api_key_env, one.config.api_secret_env):
            if one.config.simulated and variable in kept:
                os.environ.setdefault(variable, kept[variable])
