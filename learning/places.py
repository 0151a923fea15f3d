"""Where a region's rows and models lie in a state folder, and which region is meant where none is named."""

from __future__ import annotations

from pathlib import Path

from domain.errors import ConfigError


def rows_root(state: Path) -> Path:
    """Give the folder of all regions' rows."""
    return state / "rows"


def models_root(state: Path) -> Path:
    """Give the folder of all regions' models: its own norm makes a region's models its own."""
    return state / "models"


def page_of(models: Path, version: str) -> Path:
    """Give the place of a version's page in a region's folder of models."""
    return models / "reports" / f"{version}.html"


def region_folder(root: Path, region: str | None, what: str) -> Path:
    """Give a region's folder; with one region nobody has to name it."""
    known = sorted(path.name for path in root.glob("*") if path.is_dir())
    if region in known or (region is None and len(known) == 1):
        return root / (region or known[0])
    if not known:
        mend = "let a learner run (swarm up), or name another --state"
        raise ConfigError(f"there are no {what} yet", where=str(root), mend=mend)
    said = f"say whose {what}" if region is None else f"{region} has no {what}"
    raise ConfigError(said, where=str(root), mend=f"add --region, one of {', '.join(known)}")
