"""The two messages of a round: a version going out, an update coming back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from federation.loop.version import Version
from federation.privacy.leaving import unlisted
from federation.run.config import Scalar
from federation.run.flower import (
    Array,
    ArrayRecord,
    ConfigRecord,
    ConfigRecordValues,
    Message,
    MetricRecord,
    RecordDict,
)
from federation.run.npy import array_of
from federation.update import REGION, Arrays, Names, Update

ARRAYS, CONFIG, METRICS = "arrays", "config", "metrics"
EXAMPLES, REFUSED, FORM = "num-examples", "refused", "form"
FORM_KNOWN = 1  # of these messages: one that means something else by a field has another
METRICS_MAX = 32
ATTEMPTS_MAX = 1 << 31
Tensors = dict[str, NDArray[np.floating]]


def ask_content(
    version: Version, attempt: int, seed: int, config: Mapping[str, float | int | str]
) -> RecordDict:
    """Say what to train from; `config` is the run's, the same for every region."""
    fields: dict[str, ConfigRecordValues] = {
        **config,
        FORM: FORM_KNOWN,
        "base": version.hash,
        "version": version.number,
        "attempt": attempt,
        "seed": seed,
    }
    return RecordDict({ARRAYS: arrays_record(version.names, version.arrays), CONFIG: ConfigRecord(fields)})


def reply_content(
    tensors: Mapping[str, NDArray[np.floating]],
    region: str,
    base: str,
    attempt: int,
    examples: int,
    metrics: Mapping[str, float],
) -> RecordDict:
    """Say what was learnt: shared tensors, a count, and figures; there is no place for anything else."""
    return RecordDict(
        {
            ARRAYS: arrays_record(tuple(tensors), list(tensors.values())),
            METRICS: MetricRecord(
                {EXAMPLES: examples, **{f"m.{name}": float(value) for name, value in metrics.items()}}
            ),
            CONFIG: ConfigRecord({FORM: FORM_KNOWN, "region": region, "base": base, "attempt": attempt}),
        }
    )


def refusal_content(region: str, reason: str) -> RecordDict:
    """Say why nothing was learnt; an exception's own words stay at home, as they may quote a row."""
    return RecordDict({CONFIG: ConfigRecord({"region": region, REFUSED: reason})})


def arrays_record(names: Names, arrays: Arrays) -> ArrayRecord:
    """Write named arrays as Flower carries them."""
    return ArrayRecord(
        {name: Array(np.asarray(array, order="C")) for name, array in zip(names, arrays, strict=True)}
    )


def tensors_of(content: RecordDict) -> Tensors:
    """Read the named arrays of a message; objects in them are refused by the reader."""
    return {name: array_of(array) for name, array in content.array_records[ARRAYS].items()}


def unlisted_in(content: RecordDict, asked: Iterable[str]) -> list[str]:
    """Name what a reply holds that may not leave its region."""
    tensors: dict[str, str] = {}
    for record, holds in content.items():
        if isinstance(holds, ArrayRecord):
            tensors |= {
                f"{'' if record == ARRAYS else record + '.'}{name}": each.dtype
                for name, each in holds.items()
            }
    return unlisted(fields_of(content), tensors, asked)


def fields_of(content: RecordDict) -> list[tuple[str, str, object]]:
    """List what a message holds beside arrays: record, name and value."""
    records = [(record, holds) for record, holds in content.items() if not isinstance(holds, ArrayRecord)]
    return [(record, name, value) for record, holds in records for name, value in holds.items()]


def config_of(content: RecordDict) -> dict[str, Scalar]:
    """Read the plain values of a message's config."""
    values = content.config_records[CONFIG].items()
    return {name: value for name, value in values if isinstance(value, str | int | float)}


def odd_form(config: Mapping[str, object]) -> str | None:
    """Say what is wrong with a message's form: another version of this program may mean other things."""
    form = config.get(FORM)
    return (
        None if form == FORM_KNOWN else f"it has form {str(form)[:20]}, and form {FORM_KNOWN} is known here"
    )


def update_of(message: Message) -> Update | str:
    """Read a region's reply, or say what is wrong with it: any reply may be broken or hostile."""
    if message.has_error():
        return f"failed: {message.error.reason}"
    try:
        content = message.content
        told = content.config_records[CONFIG]
        if REFUSED in told:
            return f"refused: {str(told[REFUSED])[:200]}"
        if (odd := odd_form(told)) is not None:
            return f"an unreadable reply: {odd}"
        metrics = content.metric_records[METRICS]
        tensors = tensors_of(content)
        region, base, attempt, examples = told["region"], told["base"], told["attempt"], metrics[EXAMPLES]
    except Exception as error:  # whatever a stranger's bytes make a decoder raise
        return f"an unreadable reply: {type(error).__name__}: {str(error)[:200]}"
    if (
        not isinstance(region, str)
        or REGION.fullmatch(region) is None
        or not isinstance(base, str)
        or type(attempt) is not int  # a truth value is an int too, and could not be read back from a file
        or not 0 <= attempt < ATTEMPTS_MAX
        or type(examples) is not int
        or len(metrics) > METRICS_MAX
    ):
        return "an unreadable reply: a field has the wrong form"
    figures = {
        name[2:]: float(value)
        for name, value in metrics.items()
        if name.startswith("m.") and not isinstance(value, list)
    }
    return Update(region, base, list(tensors.values()), examples, figures, tuple(tensors), attempt)
