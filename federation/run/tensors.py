"""Tensors in files: safetensors, which hold data and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from domain.errors import ExitCode, SwarmError
from federation.run.store import write_whole

Tensors = dict[str, NDArray[np.floating]]


def write_tensors(path: Path, tensors: Mapping[str, NDArray[np.floating]]) -> None:
    """Put tensors in place as a whole, unsynced: what is lost with the power is learnt again."""
    from safetensors.numpy import save

    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, save({name: np.asarray(array, order="C") for name, array in tensors.items()}))


def read_tensors(path: Path) -> Tensors:
    """Read tensors in the order in which the file names them; a file that is not there has none."""
    if not path.exists():
        return {}
    return tensors_in(path.read_bytes(), path, "remove it: its region begins anew")


def tensors_in(data: bytes, path: Path, mend: str) -> Tensors:
    """Read tensors from a file's bytes; what is wrong with them is said with the file's name."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return dict(load(data))
    except SafetensorError as error:
        what = f"{path.name} is damaged: {error}"
    except KeyError as error:  # a type that numpy does not have
        what = f"{path.name} has numbers of a type that cannot be read here: {error}"
    raise SwarmError(what, where=str(path.parent), mend=mend, code=ExitCode.BAD_DATA)


def odd_tensors(tensors: Mapping[str, NDArray[np.floating]]) -> str | None:
    """Say which tensor cannot be learnt from: means are of finite floats."""
    for name, array in tensors.items():
        if array.dtype.kind != "f":
            return f"{name[:60]} holds {array.dtype}, and only floats have a mean"
        if not np.isfinite(array).all():
            return f"{name[:60]} is not finite"
    return None
