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
    write_whole(path, save({name: np.ascontiguousarray(array) for name, array in tensors.items()}))


def read_tensors(path: Path) -> Tensors:
    """Read tensors in the order in which the file names them; a file that is not there has none."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return dict(load(path.read_bytes())) if path.exists() else {}
    except SafetensorError as error:
        raise SwarmError(
            f"{path.name} is damaged: {error}",
            where=str(path.parent),
            mend="remove it: its region begins anew",
            code=ExitCode.BAD_DATA,
        ) from None
