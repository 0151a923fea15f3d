"""History and pointer together: every change is there or not, whenever its writer is killed.

A change is a line of history, synced, and then a new pointer. Readers believe the history as far as the
pointer counts it. Whoever writes next takes what is behind that as done, and points to it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from domain.errors import SwarmError
from learning.registry.blob import NewerFormat, refused
from learning.registry.files import Reached, append, replace, sync_folder
from learning.registry.history import NOTHING, Entry, decode_entries, encode_entries, whole
from learning.registry.pointer import Pointer, decode_pointer, encode_pointer
from learning.registry.standing import Standings, after


class Told(NamedTuple):
    """A history read: where all stand after its last line."""

    standings: Standings = Standings()
    number: int = 0
    head: str = NOTHING
    lines: int = 0
    end: int = 0


class Chronicle:
    """Keep `history.jsonl` and `pointer.json` of one folder."""

    def __init__(self, folder: Path, reached: Reached) -> None:
        self._folder, self._reached = folder, reached
        self._history, self._pointer = folder / "history.jsonl", folder / "pointer.json"

    def pointer(self) -> Pointer:
        """Read which versions serve, whatever became of the history; which tells it where that is gone."""
        try:
            return decode_pointer(self._pointer.read_bytes(), str(self._pointer))
        except FileNotFoundError:
            told = self._read(None)
            return Pointer() if told.number == 0 else _pointer_of(told)

    def standings(self) -> Standings:
        """Read where all versions stand as of the pointer."""
        return self._read(self.pointer()).standings

    def entries(self) -> list[Entry]:
        """Read the lines of the present history that the pointer counts, oldest first."""
        generation = self.pointer().generation
        return [entry for entry in self._lines(self._text()) if entry.number <= generation]

    def told(self) -> Told:
        """Read all that was written, to write on from there; a line that was not finished never counted."""
        try:
            pointer = self.pointer()
        except NewerFormat:  # not ours to write over
            raise
        except SwarmError:  # the history says it all
            return self._read(None)
        self._read(pointer)
        return self._read(None)

    def add(self, told: Told, changes: list[Entry], lines_max: int) -> Told:
        """Write changes and point to them; they are sealed and numbered here."""
        told = before = self._sealed(told) if told.lines >= lines_max else told
        entries, standings, head, number = [], told.standings, told.head, told.number
        for change in changes:
            number += 1
            entry = change.numbered(number, head)
            entries.append(entry)
            standings, head = after(standings, entry), entry.hash
        try:
            if entries:
                text = encode_entries(entries)
                append(self._history, text, told.end, self._reached, "history")
                told = Told(standings, number, head, told.lines + len(entries), told.end + len(text))
            self._point(told)
        except OSError:
            self._undo(before)
            raise
        return told

    def _undo(self, before: Told) -> None:
        """Take back lines that nothing points to: what was told to have failed must not come about later."""
        with suppress(OSError, SwarmError):
            pointed = 0
            with suppress(FileNotFoundError):
                pointed = decode_pointer(self._pointer.read_bytes(), "").generation
            if pointed <= before.number:
                os.truncate(self._history, before.end)

    def _sealed(self, told: Told) -> Told:
        """Begin a history that goes on from this one, which keeps its lines under another name."""
        self._point(told)
        kept = self._folder / f"history-{told.number:012d}.jsonl"
        if not kept.exists():
            os.link(self._history, kept)
            sync_folder(self._folder)
        self._reached("history kept")
        seal = Entry(0, 0, "seal", "", "", standings=told.standings).numbered(told.number + 1, told.head)
        text = encode_entries([seal])
        replace(self._history, text, self._reached, "sealed history")
        return Told(told.standings, seal.number, seal.hash, 1, len(text))

    def _point(self, told: Told) -> None:
        replace(self._pointer, encode_pointer(_pointer_of(told)), self._reached, "pointer")

    def _read(self, until: Pointer | None) -> Told:
        """Read as far as a pointer counts, or to the end; a seal stands for all before it."""
        text, told = self._text(), Told()
        for entry in self._lines(text):
            if until is not None and entry.number > until.generation and entry.standings is None:
                break
            told = Told(after(told.standings, entry), entry.number, entry.hash, told.lines + 1)
        if until is not None and told.number < until.generation:
            raise refused(
                f"it ends at line {told.number}, the pointer counts {until.generation}",
                "restore it from a backup; the champion goes on meanwhile",
                str(self._history),
            )
        return told._replace(end=len(whole(text)))

    def _lines(self, text: bytes) -> list[Entry]:
        return list(decode_entries(text, str(self._history)))

    def _text(self) -> bytes:
        try:
            return self._history.read_bytes()
        except FileNotFoundError:
            return b""


def _pointer_of(told: Told) -> Pointer:
    stand = told.standings
    return Pointer(stand.champion, stand.canary, stand.canary_ppm, told.number, stand.previous, told.head)
