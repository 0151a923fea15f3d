"""A pipeline's state as data, by market and venue, so that it also fits a changed list of markets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from domain.instrument import Instrument
from market.columns import TICKS, UNKNOWN_ROWS, VENUE_WORDS

if TYPE_CHECKING:
    from market.pipeline import Pipeline


class SymbolState(msgspec.Struct, frozen=True, array_like=True):
    """One market; `key` finds it again, and its steps tell whether its integers still mean the same."""

    key: str
    steps: tuple[str, str]
    book: bytes
    parts: list[bytes]


class PipelineState(msgspec.Struct, frozen=True, array_like=True):
    """Everything that decides what a pipeline does next."""

    ticks: int
    unknown_rows: int
    venues: dict[str, bytes]
    symbols: list[SymbolState]


_ENCODER, _DECODER = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(PipelineState)


def written(pipeline: Pipeline) -> bytes:
    """Write a pipeline down."""
    block = pipeline.columns.block
    venues = {
        name: block[place : place + VENUE_WORDS].tobytes() for name, place in pipeline.venue_places.items()
    }
    symbols = [
        SymbolState(one.key, _steps(one), pipeline.book(index).state(), pipeline.parts.state_of(index))
        for index, one in pipeline.instruments.items()
    ]
    return _ENCODER.encode(PipelineState(int(block[TICKS]), int(block[UNKNOWN_ROWS]), venues, symbols))


def restored(pipeline: Pipeline, state: bytes) -> None:
    """Fill a new pipeline."""
    kept = _DECODER.decode(state)
    block = pipeline.columns.block
    block[TICKS], block[UNKNOWN_ROWS] = kept.ticks, kept.unknown_rows
    for name, words in kept.venues.items():
        place = pipeline.venue_places.get(name)
        if place is not None:
            block[place : place + VENUE_WORDS] = np.frombuffer(words, np.int64)
    by_key = {one.key: one for one in pipeline.instruments.values()}
    for symbol in kept.symbols:
        found = by_key.get(symbol.key)
        if found is not None and _steps(found) == symbol.steps:
            pipeline.book(found.index).restore(symbol.book)
            pipeline.parts.restore_to(found.index, symbol.parts)


def _steps(one: Instrument) -> tuple[str, str]:
    return one.tick.text(1), one.lot.text(1)
