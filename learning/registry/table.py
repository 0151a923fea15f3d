"""What the registry holds, as plain values and as tables for a person."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np

from domain.errors import SwarmError
from learning.places import page_of
from learning.registry.gates import told
from learning.registry.manifest import Manifest
from learning.registry.memory import trial
from learning.registry.pointer import Pointer
from learning.registry.registry import Registry
from learning.registry.standing import STATES

SHORT = 12
COLUMNS = ("log_loss", "calibration_error", "gain_bps")


def serving(pointer: Pointer) -> dict[str, Any]:
    """Tell who serves."""
    return {
        "champion": pointer.champion,
        "canary": pointer.canary,
        "canary_ppm": pointer.canary_ppm,
        "previous": pointer.previous,
        "generation": pointer.generation,
    }


def listed(registry: Registry) -> dict[str, Any]:
    """Tell all versions, those that serve first, and within a state the newest first."""
    rows, states = [], registry.states()
    for model, standing in states.items():
        row: dict[str, Any] = {"model": model, "state": standing.state, "since_ns": standing.since_ns}
        passed = sum(gate.passed for gate in standing.gates)
        row |= {"gates_passed": passed, "gates": len(standing.gates)}
        try:
            manifest = registry.show(model, states)
        except SwarmError as error:
            rows.append(row | {"trouble": error.what})
            continue
        row |= {"kind": manifest.kind, "source": manifest.source, "parent": manifest.parent}
        row |= {"made_ns": manifest.made_ns, "rows": manifest.window.rows, "metrics": manifest.metrics}
        rows.append(row)
    rows.sort(key=lambda row: (STATES.index(row["state"]), -row["since_ns"]))
    pointer = registry.pointer()
    return serving(pointer) | {"models": rows, "ab": _trial(registry, pointer)}


def _trial(registry: Registry, pointer: Pointer) -> dict[str, Any] | None:
    try:
        return trial(registry.folder, pointer)
    except SwarmError as error:
        return {"trouble": error.what}


def shown(registry: Registry, model: str) -> dict[str, Any]:
    """Tell all about one version, its tensors and its history."""
    manifest, exported = registry.show(model), registry.get(model)
    standing = registry.states()[model]
    plain: dict[str, Any] = msgspec.to_builtins(manifest)
    plain |= {"state": standing.state, "since_ns": standing.since_ns, "settings": exported.config}
    plain["tensors"] = {
        name: {"dtype": str(each.dtype), "shape": list(each.shape)} for name, each in exported.tensors.items()
    }
    page = page_of(registry.folder, model)
    plain["page"] = str(page) if page.exists() else None
    pointer = registry.pointer()
    if model in (pointer.champion, pointer.canary):
        plain["ab"] = _trial(registry, pointer)
    plain["history"] = [
        {"at_ns": entry.at_ns, "verb": entry.verb, "to": entry.to, "reason": entry.reason}
        for entry in registry.history()
        if entry.model == model
    ]
    return plain


def differences(registry: Registry, model: str, other: str) -> dict[str, Any]:
    """Tell what differs between two versions: facts, figures, and how far each tensor moved."""
    left, right = registry.show(model), registry.show(other)
    ours, theirs = registry.get(model), registry.get(other)
    return {
        "model": model,
        "other": other,
        "facts": _unlike(_facts(left), _facts(right)),
        "settings": _unlike(
            {f"train.{name}": value for name, value in left.config.items()} | ours.config,
            {f"train.{name}": value for name, value in right.config.items()} | theirs.config,
        ),
        "metrics": _unlike(left.metrics, right.metrics),
        "tensors": {
            name: _moved(ours.tensors.get(name), theirs.tensors.get(name))
            for name in dict.fromkeys((*ours.tensors, *theirs.tensors))
        },
    }


def _facts(manifest: Manifest) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(manifest)
    window = {f"window.{name}": value for name, value in plain["window"].items()}
    left_out = ("model", "config", "metrics", "gates", "window", "format")
    return {name: value for name, value in plain.items() if name not in left_out} | window


def _unlike(left: dict[str, Any], right: dict[str, Any]) -> dict[str, list[Any]]:
    names = dict.fromkeys((*left, *right))
    return {name: [left.get(name), right.get(name)] for name in names if left.get(name) != right.get(name)}


def _moved(left: Any, right: Any) -> float | None:
    """Give the distance as a share of the size; nothing where the shapes differ."""
    if left is None or right is None or left.shape != right.shape:
        return None
    left, right = left.astype(np.float64), right.astype(np.float64)
    size = max(float(np.linalg.norm(left)), float(np.linalg.norm(right)))
    return float(np.linalg.norm(left - right)) / size if size > 0 else 0.0


def print_list(answer: dict[str, Any]) -> None:
    """Show all versions."""
    rows = [
        (
            _short(row),
            row["state"] + (f" {answer['canary_ppm'] / 1e6:g}" if row["state"] == "canary" else ""),
            when(row["since_ns"]),
            *(
                (row["trouble"], "", "", "")
                if "trouble" in row
                else (row["kind"], row["source"], row["parent"][:SHORT], str(row["rows"]))
            ),
            *(number(row.get("metrics", {}).get(name)) for name in COLUMNS),
            f"{row['gates_passed']}/{row['gates']}",
        )
        for row in answer["models"]
    ]
    headings = ("model", "state", "since (UTC)", "kind", "source", "parent", "rows", *COLUMNS, "gates")
    _table("", headings, rows)
    if answer["ab"] is not None:
        print_trial(answer["ab"])


def print_trial(answer: dict[str, Any] | None) -> None:
    """Show a comparison."""
    _table("comparison", ("", ""), trial_rows(answer))


def trial_rows(answer: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Say who is compared with whom, and what is known.

    >>> trial_rows(None)
    [('compared', 'nobody: see `swarm models split`')]
    """
    if answer is None:
        return [("compared", "nobody: see `swarm models split`")]
    if "trouble" in answer:
        return [("compared", f"cannot be read: {answer['trouble']}")]
    agents, needed, low, high = (answer[name] for name in ("agents", "promoted", "low_bps", "high_bps"))
    between = "" if low is None else f", outcomes less the champion's between {low:.3g} and {high:.3g} bps"
    share, champion = f"{answer['canary_ppm'] / 1e6:g} of agents", answer["champion"][:SHORT] or "no champion"
    return [
        ("compared", f"{answer['canary'][:SHORT]} on {share} with {champion}"),
        ("known", f"{answer['pairs']} pairs{between}"),
        ("verdict", word_of(answer["verdict"])),
        ("agents seen", f"{agents['canary']} with the challenger, {agents['champion']} with the champion"),
        ("promoted at", f"{needed['pairs']} pairs and a lower end of {needed['low_bps']:g} bps"),
    ]


def word_of(verdict: str) -> str:
    """Put a verdict into words.

    >>> word_of("open")
    'not yet'
    """
    return {"better": "better", "worse": "worse"}.get(verdict, "not yet")


def print_version(answer: dict[str, Any]) -> None:
    """Show one version."""
    window = answer["window"]
    facts = {
        "model": answer["model"],
        "state": f"{answer['state']} since {when(answer['since_ns'])}",
        "kind": answer["kind"],
        "source": answer["source"],
        "parent": answer["parent"] or "none",
        "made": when(answer["made_ns"]),
        "trained": _why(answer["config"]),
        "rows": _window(window),
        "features": f"{answer['schema']}: {', '.join(answer['features']) or 'not told'}",
        "code": answer["code_version"] or "not told",
        "page": answer["page"] or "none yet: `swarm learn report` writes it",
        "tensors": ", ".join(f"{name} {each['shape']}" for name, each in answer["tensors"].items()),
    }
    _table("", ("", ""), facts.items())
    _table("settings", ("name", "value"), ((name, str(each)) for name, each in answer["settings"].items()))
    _table("metrics", ("name", "figure"), ((name, number(each)) for name, each in answer["metrics"].items()))
    gates = [
        (each["name"], "passed" if each["passed"] else "not passed", _gate(each)) for each in answer["gates"]
    ]
    _table("gates", ("gate", "", "why"), gates)
    if answer.get("ab") is not None:
        print_trial(answer["ab"])
    history = [(when(each["at_ns"]), each["verb"], each["to"], each["reason"]) for each in answer["history"]]
    _table("history", ("when (UTC)", "what", "to", "reason"), history)


def print_differences(answer: dict[str, Any]) -> None:
    """Show what differs."""
    headings = ("", answer["model"][:SHORT], answer["other"][:SHORT])
    for title in ("facts", "settings", "metrics"):
        rows = [(name, _cell(left), _cell(right)) for name, (left, right) in answer[title].items()]
        _table(title, headings, rows)
    moved = [
        (name, "another shape" if share is None else f"{share:.4g}")
        for name, share in answer["tensors"].items()
    ]
    _table("tensors", ("name", "distance / size"), moved)


def when(at_ns: int) -> str:
    """Write a time.

    >>> when(1_700_000_000_000_000_000)
    '2023-11-14 22:13:20'
    """
    return datetime.fromtimestamp(at_ns // 1_000_000_000, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")


def number(value: float | None) -> str:
    """Write a figure.

    >>> number(0.98765432), number(None)
    ('0.987654', '–')
    """
    return "–" if value is None else f"{value:.6g}"


def _why(config: dict[str, Any]) -> str:
    told = (str(config[name]) for name in ("train.reason", "train.how") if config.get(name))
    return ", ".join(told) or "by hand"


def _window(window: dict[str, int]) -> str:
    if window["rows"] == 0:
        return "not told"
    return f"{window['rows']}, {when(window['from_ns'])} to {when(window['until_ns'])}"


def _cell(value: Any) -> str:
    return number(value) if value is None or isinstance(value, float) else str(value)


def _gate(plain: dict[str, Any]) -> str:
    from learning.registry.manifest import Gate

    return told(msgspec.convert(plain, Gate))


def _short(row: dict[str, Any]) -> str:
    return str(row["model"][:SHORT])


def _table(title: str, headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    class Plain(Console):
        def on_broken_pipe(self) -> None:
            """Leave it to the command line, which ends quietly where nobody reads on."""
            raise BrokenPipeError

    table = Table(*headings, title=title or None, title_justify="left", show_header=any(headings))
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    if table.row_count > 0 or not title:
        # Into a pipe, nothing is cut: whoever reads there has no edge.
        width = shutil.get_terminal_size().columns if os.isatty(1) else 240
        Plain(width=width, highlight=False).print(table)
