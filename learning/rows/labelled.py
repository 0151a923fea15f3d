"""How a store's rows are labelled: said once in its folder and again in each file, and never mixed."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from domain.errors import ExitCode, SwarmError
from learning.rows.features import SCHEMA
from learning.rows.labels import LabelConfig

FILE = "labels.json"
MEND = "move the folder away: the journal gives its rows again, labelled as now; or label as before"


class Labelled(BaseModel):
    """What labels and features of a store's rows are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    labels: LabelConfig = LabelConfig()
    features: str = SCHEMA

    def unlike(self, other: Labelled) -> str:
        """Name what differs, "" where nothing does.

        >>> Labelled().unlike(Labelled(labels=LabelConfig(horizon_s=20.0)))
        'horizon_s 10.0 and 20.0'
        """
        ours, theirs = (each.labels.model_dump() | {"features": each.features} for each in (self, other))
        names = [name for name in ours if ours[name] != theirs[name]]
        return ", ".join(f"{name} {ours[name]} and {theirs[name]}" for name in names)


def read_labelled(folder: Path) -> Labelled | None:
    """Read what a store says of itself; nothing where it was never written to."""
    file = folder / FILE
    try:
        return Labelled.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "it"
        what = f"{FILE} cannot be read: {field}: {first['msg']}"
        raise SwarmError(what, where=str(folder), mend=MEND, code=ExitCode.BAD_DATA) from None


def check_labelled(folder: Path, known: Labelled, given: Labelled) -> None:
    """Refuse rows that are labelled otherwise than those that are there."""
    unlike = known.unlike(given)
    if unlike != "":
        what = f"its rows are labelled otherwise than those to come: {unlike}"
        raise SwarmError(what, where=str(folder), mend=MEND, code=ExitCode.BAD_DATA)
