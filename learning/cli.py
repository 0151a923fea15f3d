"""`swarm learn`: make a version of a region's rows, look at them, and write a version's page."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from learning.rows.row import Rows
    from learning.rows.store import Store
    from learning.train.config import TrainConfig
    from learning.train.trial import Progress, Trial

KINDS = ("prior", "persistence", "logistic", "ridge", "lightgbm", "mlp", "tcn", "hedge")
KIND, SEARCHES_MAX = "mlp", 10_000


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `swarm learn`."""
    learn = commands.add_parser(
        "learn",
        help="train a model on a region's rows, beside honest baselines",
        description="Learning in a region: rows come from its store, versions go to the registry.",
    )
    verbs = learn.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _train(verbs)
    _report(verbs)
    verb = _verb(verbs, "rows", "how many rows there are, of which classes, from when to when", run_rows)
    verb.add_argument("--symbol", action="append", metavar="SYMBOL", help="only this; may be given again")


def _train(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = _verb(verbs, "train", "make a version and keep it as a candidate", run_train)
    _shared(verb)
    verb.add_argument(
        "--model", choices=KINDS, metavar="KIND", help=f"{', '.join(KINDS)} ({KIND}, or that of --base)"
    )
    verb.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the model; repeatable"
    )
    verb.add_argument(
        "--search", type=_whole(1, SEARCHES_MAX), default=0, metavar="N", help="try so many settings first"
    )
    verb.add_argument(
        "--base", default="", metavar="MODEL", help="go on from this version, by its hash or champion"
    )
    verb.add_argument("--mlflow", default="", metavar="URI", help="log there too")


def _report(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = _verb(
        verbs, "report", "try a version's kind on the rows there are, and write its page", run_report
    )
    _shared(verb)
    verb.add_argument("model", metavar="MODEL", help="a version, by its hash, or champion")


def _shared(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--out", type=Path, metavar="DIR", help="another registry than STATE/models/REGION")
    verb.add_argument("--seed", type=_whole(0, (1 << 31) - 1), default=0, metavar="N", help="default 0")
    verb.add_argument("--cost-bps", type=float, default=2.0, metavar="BPS", help="of taking a side (2)")
    verb.add_argument("--folds", type=_whole(1, 100), default=4, metavar="N", help="of the walk forward (4)")
    verb.add_argument("--purged", action="store_true", help="combinatorial purged validation too: 15 fits")


def _verb(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str, run: Any
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
    default = Path(os.environ.get("SWARM_STATE", ".swarm"))
    verb.add_argument("--state", type=Path, default=default, metavar="DIR", help=f"default {default}")
    verb.add_argument("--store", type=Path, metavar="DIR", help="other rows than STATE/rows/REGION")
    verb.add_argument("--region", metavar="REGION", help="whose rows, where several regions learn here")
    verb.add_argument("--json", action="store_true", help="one JSON object")
    verb.set_defaults(run=run)
    return verb


def _whole(least: int, most: int) -> Any:
    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text[:12]) <= most:
            raise argparse.ArgumentTypeError(f"must be {least} to {most}, not {text[:40]!r}")
        return int(text)

    return read


def run_train(arguments: argparse.Namespace) -> int:
    """Make a version."""
    from hw.clock import SystemClock
    from learning.registry.cli import named
    from learning.registry.registry import Registry
    from learning.train.edition import Order, make, passed

    settings = settings_of(arguments.set)
    config = _config(arguments, arguments.model or KIND, settings).model_copy(
        update={"tracking_uri": arguments.mlflow}
    )
    out = _out(arguments)
    source = arguments.region or out.name
    registry = Registry(out)
    base = named(registry, arguments.base) if arguments.base != "" else ""
    if base != "":
        _check_same(arguments, registry.get(base).kind)
    order = Order(config, source, arguments.seed, arguments.search, arguments.purged, base)
    with _progress() as progress:
        made = make(_rows(arguments), order, registry, SystemClock().now_ns(), progress)
    held = {gate.name: gate.passed for gate in made.gates}
    answer = {
        "model": made.version,
        "kind": made.trained.exported.kind,
        "rows": made.trained.metrics["rows"],
        "settings": made.trained.exported.config,
        "walk_forward": {trial.kind: trial.figures for trial in made.trials},
        "held_out": made.trained.metrics,
        "gates": held,
        "report": str(made.report),
        "searched": None if made.searched is None else made.searched.tried,
        "run": made.run,
    }
    failed = ", ".join(name for name, good in held.items() if not good)
    word = "passed every gate: `swarm models promote`" if passed(made.gates) else f"not passed: {failed}"
    return _told(arguments, answer, [*table(made.trials), f"\n{made.version} {word}", str(made.report)])


def _check_same(arguments: argparse.Namespace, kind: str) -> None:
    """Refuse what would be passed over: who goes on from a version has its kind and its settings."""
    from domain.errors import ExitCode, SwarmError

    named = (("--set", arguments.set), ("--search", arguments.search > 0))
    given = [name for name, is_given in named if is_given]
    if arguments.model not in (None, kind):
        given.append(f"--model {arguments.model}")
    if given:
        what = f"--base goes on with the kind ({kind}) and the settings that it has"
        raise SwarmError(what, where=given[0], mend="leave one of them out", code=ExitCode.USAGE)


def run_report(arguments: argparse.Namespace) -> int:
    """Write a version's page anew, tried on the rows there are now."""
    from learning.registry.cli import named
    from learning.registry.registry import Registry
    from learning.train.config import BASELINES
    from learning.train.edition import Order, write_report
    from learning.train.trainer import fit_to_learn
    from learning.train.trial import compared, path_sharpes

    registry = Registry(_out(arguments))
    version = named(registry, arguments.model)
    exported = registry.get(version)
    config = _config(arguments, exported.kind, dict(exported.config))
    rows = fit_to_learn(_rows(arguments), config)
    with _progress() as progress:
        trials = compared(rows, config, BASELINES, arguments.seed, progress)
        purged = arguments.purged
        paths = path_sharpes(rows, config, arguments.seed, progress=progress) if purged else []
    order = Order(config, "", arguments.seed)
    path = write_report(rows, order, registry, version, trials, paths)
    figures = {trial.kind: trial.figures for trial in trials}
    answer = {"model": version, "walk_forward": figures, "paths": paths, "report": str(path)}
    return _told(arguments, answer, [*table(trials), f"\n{path}"])


def run_rows(arguments: argparse.Namespace) -> int:
    """Count rows."""
    import numpy as np

    store = _store(arguments)
    rows, known = store.rows(symbols=arguments.symbol), store.labelled()
    counts = np.bincount(rows.y, minlength=3).tolist()
    at_ns = rows.table["at_ns"]
    answer: dict[str, Any] = {
        "rows": len(rows),
        "down": counts[0],
        "flat": counts[1],
        "up": counts[2],
        "from_ns": int(at_ns[0]) if len(rows) > 0 else None,
        "until_ns": int(at_ns[-1]) if len(rows) > 0 else None,
        "models": len(np.unique(rows.table["model"])),
        "shards": len(np.unique(rows.table["shard"])),
        "labels": None if known is None else known.labels.model_dump(),
        "markets": {f"{venue}:{symbol}": 0 for venue, symbol in rows.markets},
    }
    for place, (venue, symbol) in enumerate(rows.markets):
        answer["markets"][f"{venue}:{symbol}"] = int((rows.market == place).sum())
    lines = [f"{name:<10} {_plain(name, value)}" for name, value in answer.items() if name != "markets"]
    lines += [f"{count:>10} {market}" for market, count in answer["markets"].items()]
    return _told(arguments, answer, lines)


def table(trials: list[Trial]) -> list[str]:
    """Show the model and its baselines, a line each."""
    from learning.train.report import FIGURES

    head = f"{'walk forward':<14}" + "".join(f"{name:>22}" for name in FIGURES.values())
    return [
        head,
        *(
            f"{trial.kind:<14}" + "".join(f"{trial.figures[name]:>22.4g}" for name in FIGURES)
            for trial in trials
        ),
    ]


def settings_of(pairs: list[str]) -> dict[str, str | int | float]:
    """Read NAME=VALUE, numbers as numbers.

    >>> settings_of(["epochs=5", "rate=0.01", "hidden=16,16"])
    {'epochs': 5, 'rate': 0.01, 'hidden': '16,16'}
    """
    from domain.errors import ExitCode, SwarmError

    found: dict[str, str | int | float] = {}
    for pair in pairs:
        name, sign, text = pair.partition("=")
        if name == "" or sign == "":
            raise SwarmError(
                f"{pair[:40]!a} is no setting", where="--set", mend="write NAME=VALUE", code=ExitCode.USAGE
            )
        found[name] = _number(text)
    return found


def _number(text: str) -> str | int | float:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _config(arguments: argparse.Namespace, kind: str, settings: dict[str, Any]) -> TrainConfig:
    from pydantic import ValidationError

    from domain.errors import ExitCode, SwarmError
    from learning.train.config import TrainConfig

    try:
        return TrainConfig(kind=kind, model=settings, cost_bps=arguments.cost_bps, folds=arguments.folds)
    except ValidationError as error:
        what = error.errors()[0]["msg"].lower()
        raise SwarmError(
            f"--cost-bps {arguments.cost_bps:g}: {what}",
            where="swarm learn",
            mend="correct it",
            code=ExitCode.USAGE,
        ) from error


def _rows(arguments: argparse.Namespace) -> Rows:
    return _store(arguments).rows()


def _store(arguments: argparse.Namespace) -> Store:
    from domain.errors import ConfigError
    from learning.places import region_folder, rows_root
    from learning.rows.store import Store

    folder = arguments.store
    if folder is None:
        folder = region_folder(rows_root(arguments.state), arguments.region, "rows")
    elif not folder.is_dir():
        raise ConfigError("there are no rows yet", where=str(folder), mend="name another --store")
    return Store(folder)


def _out(arguments: argparse.Namespace) -> Path:
    """Give the registry: the one named, or the region's, which is where its rows are."""
    from learning.places import models_root, region_folder, rows_root

    if arguments.out is not None:
        out: Path = arguments.out
        return out
    root = models_root(arguments.state)
    if arguments.store is not None and arguments.region is None:
        return region_folder(root, None, "models")
    region = arguments.region or region_folder(rows_root(arguments.state), None, "rows").name
    return root / region


def _plain(name: str, value: Any) -> str:
    from datetime import UTC, datetime

    if name.endswith("_ns") and value is not None:
        return datetime.fromtimestamp(value // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, dict):
        return ", ".join(f"{key} {each:g}" for key, each in value.items())
    return "-" if value is None else str(value)


def _told(arguments: argparse.Namespace, answer: dict[str, Any], lines: list[str]) -> int:
    import json

    print(json.dumps(answer) if arguments.json else "\n".join(lines))
    return 0


@contextmanager
def _progress() -> Iterator[Progress]:
    """Show a bar on a terminal, a line for each model or search."""
    import sys

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def told(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total)
            bar.update(tasks[name], completed=done, total=total)

        yield told
