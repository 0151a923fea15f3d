"""What leaves a region: this list, and nothing that is not on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

METRIC_PREFIX = "m."
FIGURES = (
    "loss",
    "log_loss",
    "brier",
    "calibration_error",
    "accuracy_frac",
    "taken_frac",
    "gain_bps",
    "sharpe",
)


@dataclass(frozen=True)
class Field:
    """One thing that leaves, in which record it is, of which type, and what it is for."""

    record: str
    name: str
    kind: type
    why: str


LEAVING: tuple[Field, ...] = (
    Field("config", "form", int, "which form this message has"),
    Field("config", "region", str, "who answers"),
    Field("config", "base", str, "the hash of the version that was learnt from"),
    Field("config", "attempt", int, "which try at that version this is"),
    Field("config", "refused", str, "why nothing was learnt: a sentence of ours, never an exception's words"),
    Field("metrics", "num-examples", int, "how many rows it counts for"),
    *(
        Field("metrics", f"{METRIC_PREFIX}{name}", float, "one figure over all held-out rows")
        for name in FIGURES
    ),
)
PEER = "<peer>"
SUMMED: tuple[Field, ...] = (
    Field("config", "form", int, "which form this message has"),
    Field("config", "region", str, "who answers"),
    Field("config", "sum", str, "which sum this is a part of"),
    Field("config", "step", str, "which of its four steps"),
    Field("keys", "seal", bytes, "a public key to seal shares with, used for this sum only"),
    Field("keys", "mask", bytes, "a public key to agree on masks with, used for this sum only"),
    Field("boxes", PEER, bytes, "shares of this region's two secrets, sealed for one peer"),
    Field(
        "words", "masked", bytes, "the clipped step times its examples, under masks that only the sum sheds"
    ),
    Field("shares", PEER, bytes, "a share of a peer's seed, or of its mask key where it sent nothing"),
)
STEP_RECORD = {"show": "keys", "deal": "boxes", "send": "words", "uncover": "shares"}
ARRAYS = "arrays"  # and under it: the tensors that were asked for, by name, as floats, clipped and blurred

_LISTED = {(field.record, field.name): field.kind for field in LEAVING}


def listed_figures(figures: Mapping[str, float]) -> dict[str, float]:
    """Keep the figures that may leave."""
    return {name: float(figures[name]) for name in FIGURES if name in figures}


def unlisted(
    fields: Iterable[tuple[str, str, object]], tensors: Mapping[str, str], asked: Iterable[str]
) -> list[str]:
    """Name what a message holds that may not leave: `fields` are (record, name, value)."""
    found = [
        f"{record}.{name}"
        for record, name, value in fields
        if (kind := _LISTED.get((record, name))) is None or type(value) is not kind
    ]
    known = set(asked)
    found += [
        f"{ARRAYS}.{name}" for name, dtype in tensors.items() if name not in known or "float" not in dtype
    ]
    return found


def unlisted_summed(fields: Iterable[tuple[str, str, object]], step: str, peers: Iterable[str]) -> list[str]:
    """Name what a part of a secure sum holds that may not leave: each step has one record of its own."""
    listed = {
        (field.record, name): field.kind
        for field in SUMMED
        if field.record in ("config", STEP_RECORD[step])
        for name in (peers if field.name == PEER else (field.name,))
    }
    return [
        f"{record}.{name}" for record, name, value in fields if type(value) is not listed.get((record, name))
    ]
