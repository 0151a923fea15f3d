"""What became of every version: one line each time, chained by hashes, only ever added to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import msgspec

from learning.registry.blob import HASH_BYTES, refused
from learning.registry.manifest import Gate
from learning.registry.standing import Standings

# The hash before the first line.
NOTHING = "0" * 2 * HASH_BYTES


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One change. `before` is the hash of the line before it, `hash` its own."""

    number: int
    at_ns: int
    verb: str
    model: str
    before: str
    to: str = ""
    share_ppm: int = 0
    gates: tuple[Gate, ...] = ()
    reason: str = ""
    digest: str = ""
    standings: Standings | None = None
    hash: str = ""

    def numbered(self, number: int, before: str) -> Entry:
        """Give this entry with its place in the chain and its hash."""
        placed = msgspec.structs.replace(self, number=number, before=before)
        return msgspec.structs.replace(placed, hash=placed._own_hash())

    def _own_hash(self) -> str:
        bare = msgspec.structs.replace(self, hash="")
        return hashlib.blake2b(msgspec.json.encode(bare), digest_size=HASH_BYTES).hexdigest()

    def follows(self, number: int, before: str) -> bool:
        """Tell whether this is what was written, at its place in the chain."""
        return self.number == number and self.before == before and self.hash == self._own_hash()


def encode_entries(entries: Iterable[Entry]) -> bytes:
    """Write entries as lines."""
    return b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries)


def whole(text: bytes) -> bytes:
    """Leave out a last line that was not finished: its writer died, and it never counted.

    >>> whole(b'{"number":1}\\n{"num')
    b'{"number":1}\\n'
    """
    return text[: text.rfind(b"\n") + 1]


def decode_entries(text: bytes, where: str) -> Iterator[Entry]:
    """Read whole lines and check the chain."""
    number, before = 0, ""
    for line, part in enumerate(whole(text).splitlines(), 1):
        try:
            entry = msgspec.json.decode(part, type=Entry)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _broken(line, where) from error
        if line == 1:
            # A history that was sealed goes on from where it stood; the first begins from nothing.
            begun = entry.number == 1 and entry.before == NOTHING
            if not begun and entry.standings is None:
                raise _broken(line, where)
            number, before = entry.number, entry.before
        if not entry.follows(number, before):
            raise _broken(line, where)
        number, before = entry.number + 1, entry.hash
        yield entry


def _broken(line: int, where: str) -> Exception:
    return refused(
        f"the chain of hashes breaks at line {line}",
        "restore it from a backup; the champion goes on meanwhile",
        where,
    )
