"""What no model takes: rows, tensors and settings are refused by name before they do harm."""

from __future__ import annotations

from typing import Any, NoReturn, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ValidationError

from domain.errors import ExitCode, SwarmError
from learning.models.model import CLASSES, F4, F8, I1, Exported, Settings, Tensors

COUNT_MAX = 1e15
Config = TypeVar("Config", bound=BaseModel)


def refuse(what: str, kind: str, mend: str) -> NoReturn:
    """Raise one line about rows or a model that cannot be used."""
    raise SwarmError(what, where=f"model {kind}", mend=mend, code=ExitCode.BAD_DATA)


def settings_of(config: type[Config], given: Settings | None, kind: str) -> Config:
    """Read a model's settings, naming the first that does not fit."""
    try:
        return config.model_validate({} if given is None else given)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        refuse(f"setting {name!r}: {first['msg'].lower()}", kind, "correct or leave out the setting")


def inputs(x: F4, columns: int, kind: str) -> F4:
    """Give the rows as contiguous float32 of the right width, all finite."""
    if x.ndim != 2 or x.shape[1] != columns:
        shape = "x".join(str(size) for size in x.shape)
        refuse(f"rows of {columns} columns are needed, not {shape}", kind, "use rows of the model's schema")
    x = np.ascontiguousarray(x, dtype=np.float32)
    if not np.isfinite(x).all():
        row, column = (int(each[0]) for each in np.nonzero(~np.isfinite(x)))
        refuse(f"column {column} of row {row} is not a finite number", kind, "leave such rows out")
    return x


def examples(
    x: F4, y: I1, weight: F4 | None, columns: int, kind: str, *, one_class: bool = False
) -> tuple[F4, I1, F8]:
    """Give checked rows, labels and weights; weights have a mean of one."""
    if len(x) == 0:
        refuse("there are no rows to learn from", kind, "wait until rows have got their labels")
    x = inputs(x, columns, kind)
    if y.shape != (len(x),):
        refuse(f"{len(x)} rows have {y.size} labels", kind, "give one label for each row")
    if not ((y >= 0) & (y < len(CLASSES))).all():
        refuse(f"a label is {int(y[(y < 0) | (y >= len(CLASSES))][0])}", kind, "use 0 down, 1 flat, 2 up")
    if not one_class and len(np.unique(y)) == 1:
        refuse(f"all {len(y)} rows are {CLASSES[int(y[0])]!r}", kind, "wait for rows of a second class")
    return x, y.astype(np.int8, copy=False), _weights(weight, len(x), kind)


def _weights(weight: F4 | None, rows: int, kind: str) -> F8:
    if weight is None:
        return np.ones(rows)
    if weight.shape != (rows,) or not np.isfinite(weight).all() or not (weight >= 0).all():
        refuse("a weight is missing, negative or not finite", kind, "give one weight for each row")
    total = float(weight.sum(dtype=np.float64))
    if total <= 0.0:
        refuse("all weights are zero", kind, "give some row a weight")
    return weight.astype(np.float64) * (rows / total)


def tensor(
    tensors: Tensors, name: str, shape: tuple[int, ...], kind: str, dtype: type = np.float32
) -> npt.NDArray[Any]:
    """Give a copy of one tensor, or refuse what is missing, misshapen or not finite."""
    if name not in tensors:
        refuse(f"tensor {name!r} is missing", kind, "use a whole model file")
    found = np.asarray(tensors[name])
    if found.shape != shape or found.dtype != np.dtype(dtype):
        what = f"tensor {name!r} is {found.dtype}{list(found.shape)}, not {np.dtype(dtype)}{list(shape)}"
        refuse(what, kind, "use a model of the same shape")
    if not np.isfinite(found).all():
        refuse(f"tensor {name!r} has a value that is not finite", kind, "go back to the version before")
    return np.array(found, dtype=dtype, order="C")


def countable(counts: F8) -> bool:
    """Tell whether these could be counts of rows."""
    return bool(((counts >= 0) & (counts < COUNT_MAX)).all())


def of_kind(exported: Exported, kind: str) -> None:
    """Refuse the export of another kind of model."""
    if exported.kind != kind:
        refuse(f"this is a model of kind {exported.kind!r}", kind, "load it as what it is")


def learnt(known: object, kind: str) -> None:
    """Refuse to use a model that has learnt nothing yet."""
    if known is None:
        refuse("it has not learnt anything yet", kind, "let it learn from rows first")
