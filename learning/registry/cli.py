"""`swarm models`: the versions there are, what is known of them, and which of them serve."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from learning.registry.registry import Registry

FORMATS = ("safetensors", "onnx")


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `swarm models`."""
    models = commands.add_parser(
        "models",
        help="list, compare, promote, roll back and export versions of models, or split agents between two",
        description="A region's registry is STATE/models/REGION."
        " A version is named by the first letters of its hash, or champion, canary or previous.",
    )
    verbs = models.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _verb(verbs, "ls", "list the versions, those that serve first", run_ls)
    show = _verb(verbs, "show", "all that is known of a version, gates included", run_show)
    show.add_argument("model", metavar="MODEL")
    diff = _verb(verbs, "diff", "what differs between two versions", run_diff)
    diff.add_argument("model", metavar="MODEL")
    diff.add_argument("other", metavar="OTHER")
    promote = _verb(verbs, "promote", "let a version serve, if it passed its gates", run_promote)
    promote.add_argument("model", metavar="MODEL")
    promote.add_argument("--to", choices=("canary", "champion"), default="canary", help="default canary")
    promote.add_argument(
        "--share", type=_share, metavar="FRAC", help="share of agents for a canary, above 0 up to 1 (0.1)"
    )
    split = _verb(verbs, "split", "compare two versions, each on its share of the agents", run_split)
    split.add_argument("model", metavar="MODEL_A")
    split.add_argument("other", metavar="MODEL_B")
    split.add_argument(
        "--share",
        type=_share,
        default=500_000,
        metavar="FRAC",
        help="of agents for the challenger (0.5)",
    )
    _verb(verbs, "ab", "how the compared versions do: pairs, interval and verdict", run_ab)
    stop = _verb(verbs, "stop", "end a comparison: the champion serves all again", run_stop)
    stop.add_argument("--reason", default="by hand", metavar="TEXT", help="kept in the history")
    back = _verb(verbs, "rollback", "bring back the champion before this one", run_rollback)
    back.add_argument("--reason", default="by hand", metavar="TEXT", help="kept in the history")
    export = _verb(verbs, "export", "write a version to a file, with its manifest beside it", run_export)
    export.add_argument("model", metavar="MODEL")
    export.add_argument("file", type=Path, metavar="FILE", help="must not be there yet")
    export.add_argument("--format", choices=FORMATS, default=FORMATS[0], help=f"default {FORMATS[0]}")


def _verb(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str, run: Any
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
    default = Path(os.environ.get("SWARM_STATE", ".swarm"))
    verb.add_argument("--state", type=Path, default=default, metavar="DIR", help=f"default {default}")
    verb.add_argument("--region", metavar="REGION", help="whose models, where several regions learn here")
    verb.add_argument("--json", action="store_true", help="one JSON object")
    verb.set_defaults(run=run)
    return verb


def _share(text: str) -> int:
    try:
        share_ppm = round(float(text) * 1_000_000)
    except (ValueError, OverflowError):
        share_ppm = 0
    if not 0 < share_ppm <= 1_000_000:
        raise argparse.ArgumentTypeError(f"must be above 0 and up to 1, not {text[:40]!r}")
    return share_ppm


def run_ls(arguments: argparse.Namespace) -> int:
    """List versions."""
    from learning.registry.table import listed, print_list

    return _told(listed(_registry(arguments)), print_list, arguments)


def run_show(arguments: argparse.Namespace) -> int:
    """Show one version."""
    from learning.registry.table import print_version, shown

    registry = _registry(arguments)
    return _told(shown(registry, named(registry, arguments.model)), print_version, arguments)


def run_diff(arguments: argparse.Namespace) -> int:
    """Compare two versions."""
    from learning.registry.table import differences, print_differences

    registry = _registry(arguments)
    pair = (named(registry, name) for name in (arguments.model, arguments.other))
    return _told(differences(registry, *pair), print_differences, arguments)


def run_promote(arguments: argparse.Namespace) -> int:
    """Let a version serve."""
    from domain.errors import ExitCode, SwarmError

    if arguments.share is not None and arguments.to == "champion":
        what = "a champion serves all agents, so that it has no share"
        raise SwarmError(what, where="--share", mend="leave it out", code=ExitCode.USAGE)
    registry = _registry(arguments)
    registry.promote(named(registry, arguments.model), arguments.to, share_ppm=arguments.share)
    return _pointer(registry, arguments)


def run_split(arguments: argparse.Namespace) -> int:
    """Let two versions be compared."""
    registry = _registry(arguments)
    pair = [named(registry, name) for name in (arguments.model, arguments.other)]
    registry.split(pair[0], pair[1], arguments.share)
    return run_ab(arguments)


def run_ab(arguments: argparse.Namespace) -> int:
    """Show the comparison."""
    from learning.registry.memory import trial
    from learning.registry.table import print_trial

    registry = _registry(arguments)
    return _told(trial(registry.folder, registry.pointer()), print_trial, arguments)


def run_stop(arguments: argparse.Namespace) -> int:
    """End the comparison."""
    registry = _registry(arguments)
    registry.stop(arguments.reason)
    return _pointer(registry, arguments)


def run_rollback(arguments: argparse.Namespace) -> int:
    """Bring back the champion before."""
    registry = _registry(arguments)
    registry.rollback(arguments.reason)
    return _pointer(registry, arguments)


def run_export(arguments: argparse.Namespace) -> int:
    """Write a version to a file."""
    from learning.registry.export import export

    registry = _registry(arguments)
    written = export(registry, named(registry, arguments.model), arguments.file, arguments.format)
    return _told({"written": [str(path) for path in written]}, _print_fields, arguments)


def _registry(arguments: argparse.Namespace) -> Registry:
    from learning.places import models_root, region_folder
    from learning.registry.registry import Registry

    return Registry(region_folder(models_root(arguments.state), arguments.region, "models"))


def named(registry: Registry, name: str) -> str:
    """Give the version that is meant by the first letters of its hash, or by what it does."""
    from domain.errors import ExitCode, SwarmError

    pointer = registry.pointer()
    serving = {"champion": pointer.champion, "canary": pointer.canary, "previous": pointer.previous}
    known = list(registry.states())
    found = [serving[name]] if name in serving else [each for each in known if each.startswith(name)]
    if len(found) != 1 or found[0] == "" or name == "":
        what = "is no version" if len(found) < 2 and name != "" else f"could be {len(found)} versions"
        raise SwarmError(
            f"{name[:40]!a} {what}", where="MODEL", mend="see `swarm models ls`", code=ExitCode.USAGE
        )
    return found[0]


def _pointer(registry: Registry, arguments: argparse.Namespace) -> int:
    from learning.registry.table import serving

    return _told(serving(registry.pointer()), _print_fields, arguments)


def _told(answer: Any, show: Any, arguments: argparse.Namespace) -> int:
    import json

    if arguments.json:
        print(json.dumps(answer))
    else:
        show(answer)
    return 0


def _print_fields(answer: dict[str, Any]) -> None:
    for name, value in answer.items():
        print(f"{name:<12} {', '.join(value) if isinstance(value, list) else value}")
