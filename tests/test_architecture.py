"""The laws that can be read off the source: levels, confinement, seals, names and lengths."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LEVELS = {
    "domain": 0,
    "bus": 1,
    "hw": 1,
    "market": 2,
    "risk": 2,
    "arbitrage": 2,
    "learning": 2,
    "ledger": 2,
    "agents": 3,
    "coordinator": 3,
    "federation": 3,
    "sim": 4,
    "deploy": 5,
}
OUTSIDE = {"benchmarks", "examples", "tests"}
REQUIRED = {"agents", "coordinator", "federation", "arbitrage", "hw", "deploy", "tests"}
ALLOWED = set(LEVELS) | OUTSIDE | {"docs"}
BUILT = {"build", "dist", "__pycache__", "node_modules"}

# The only place that may import each of these, as a path prefix.
CONFINED = {"numba": "hw/kernel.py", "mesa": "sim/", "flwr": "federation/", "ccxt": "market/venues/"}
CLOCK = "hw/clock.py"
CLOCK_READS = {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"}
DATE_READS = {"now", "utcnow", "today"}
GATE = "risk/gate.py"
# Processes of their own may wait, as may the operator's tail; everything else is stepped.
MAY_SLEEP = ("bus/", "hw/", "deploy/", "sim/journal_tail.py")
BANNED_NAMES = {"utils", "util", "common", "helpers", "helper", "manager", "misc"}
UNPICKLERS = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve"}
GONE_FROM_MESA = ("mesa.experimental", "mesa.space", "mesa.batch")
FILE_LINES_MAX, FUNCTION_LINES_MAX = 400, 70

Source = tuple[str, ast.Module, str]
Rule = Callable[[Path], list[str]]


def sources(root: Path) -> Iterator[Source]:
    """Give (path, tree, text) of every Python file under the packages."""
    for package in sorted(ALLOWED):
        for path in sorted((root / package).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            yield path.relative_to(root).as_posix(), parsed(text), text


@lru_cache(maxsize=2048)
def parsed(text: str) -> ast.Module:
    """Parse once what every rule reads."""
    return ast.parse(text)


def product(root: Path) -> Iterator[Source]:
    """Give the files of the packages with a level: what is installed and run."""
    return (source for source in sources(root) if source[0].split("/")[0] in LEVELS)


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Give (line, module) of every import, also those inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def calls(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Give (line, dotted name) of everything called or referred to by an attribute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func)


def levels_hold(root: Path) -> list[str]:
    """A package imports only packages of a lower level."""
    found = []
    for path, tree, _ in product(root):
        own = path.split("/")[0]
        for line, module in imported(tree):
            other = module.split(".")[0]
            if other in OUTSIDE:
                found.append(f"{path}:{line} imports {other}, which is outside the product")
            elif other != own and other in LEVELS and LEVELS[other] >= LEVELS[own]:
                found.append(f"{path}:{line} ({LEVELS[own]}) imports {module} ({LEVELS[other]})")
    return found


def confinement_holds(root: Path) -> list[str]:
    """Each heavy or dangerous library is imported in one place."""
    found = []
    for path, tree, _ in product(root):
        for line, module in imported(tree):
            home = CONFINED.get(module.split(".")[0])
            if home is not None and not path.startswith(home):
                found.append(f"{path}:{line} imports {module}, which belongs in {home}")
            if module.startswith(GONE_FROM_MESA):
                found.append(f"{path}:{line} imports {module}, which is gone in Mesa 4")
    return found


def only_the_clock_reads_the_clock(root: Path) -> list[str]:
    """Time comes in with events; one file reads it."""
    found = []
    for path, tree, _ in product(root):
        if path == CLOCK:
            continue
        names = {name for _, name in imported(tree)}
        found += [f"{path} imports {name}" for name in sorted(names) if _reads_clock(name)]
        found += [
            f"{path}:{line} reads the clock: {name}" for line, name in references(tree) if _reads_clock(name)
        ]
    return found


def references(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Give (line, text) of every dotted name, called or not."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.lineno, ast.unparse(node)


def _reads_clock(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    if module == "time":
        return attribute in CLOCK_READS
    return module.split(".")[-1] in {"datetime", "date"} and attribute in DATE_READS


def approvals_come_from_the_gate(root: Path) -> list[str]:
    """Only the gate claims the seal and makes approvals; tests may try, and fail."""
    found = []
    for path, tree, _ in sources(root):
        if path == GATE or path.startswith("tests/"):
            continue
        for line, name in calls(tree):
            if name.split(".")[-1] in {"claim_seal", "ApprovedOrder"}:
                found.append(f"{path}:{line} calls {name}, which is for {GATE}")
    return found


def nothing_is_unpickled(root: Path) -> list[str]:
    """Bytes from outside never become code."""
    found = []
    for path, tree, _ in sources(root):
        found += [f"{path}:{n} imports {m}" for n, m in imported(tree) if m.split(".")[0] in UNPICKLERS]
        found += [
            f"{path}:{line} calls {name}"
            for line, name in calls(tree)
            if name.split(".")[-1] in {"recv_pyobj", "send_pyobj"}
        ]
    return found


def tasks_have_an_owner(root: Path) -> list[str]:
    """A task is made by a TaskGroup, which ends it; a test's own loop ends with the test."""
    found = []
    for path, tree, _ in sources(root):
        if path.startswith("tests/"):
            continue
        for line, name in calls(tree):
            owner, _, verb = name.rpartition(".")
            bare = verb == "create_task" and (owner in {"", "asyncio"} or "loop" in owner)
            if bare or verb == "ensure_future":
                found.append(f"{path}:{line} starts a task that nobody owns: {name}")
    return found


def nothing_sleeps_that_is_stepped(root: Path) -> list[str]:
    """Only processes of their own may block."""
    return [
        f"{path}:{line} sleeps"
        for path, tree, _ in product(root)
        if not path.startswith(MAY_SLEEP)
        for line, name in calls(tree)
        if name in {"time.sleep", "sleep"}
    ]


def names_say_something(root: Path) -> list[str]:
    """A module is named by the noun it defines."""
    return [
        f"{path} has a name that says nothing"
        for path, _, _ in sources(root)
        if any(
            word in BANNED_NAMES for part in path.removesuffix(".py").split("/") for word in part.split("_")
        )
    ]


def is_kernel(path: str) -> bool:
    """Tell files of compiled functions, which cannot be taken apart for free."""
    return path.endswith("_kernels.py")


def files_stay_short(root: Path) -> list[str]:
    """A file is read in one sitting, kernels apart."""
    counted = ((path, text.count("\n")) for path, _, text in sources(root) if not is_kernel(path))
    return [f"{path} has {lines} lines" for path, lines in counted if lines > FILE_LINES_MAX]


def functions_stay_short(root: Path) -> list[str]:
    """A function fits a screen; kernels are exempt."""
    found = []
    for path, tree, _ in sources(root):
        if is_kernel(path):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    found.append(f"{path}:{node.lineno} {node.name} has {lines} lines")
    return found


def the_top_level_is_known(root: Path) -> list[str]:
    """No folder stands at the top without a reason; what the first issue asked for stands there."""
    here = {
        path.name
        for path in root.iterdir()
        if path.is_dir() and path.name[0] != "." and path.name not in BUILT and path.suffix != ".egg-info"
        if any(inner.is_file() and "__pycache__" not in inner.parts for inner in path.rglob("*"))
    }
    unknown = [f"{name}/ is not one of the allowed folders" for name in sorted(here - ALLOWED)]
    return unknown + [f"{name}/ is missing" for name in sorted(REQUIRED - here)]


RULES: list[Rule] = [
    levels_hold,
    confinement_holds,
    only_the_clock_reads_the_clock,
    approvals_come_from_the_gate,
    nothing_is_unpickled,
    tasks_have_an_owner,
    nothing_sleeps_that_is_stepped,
    names_say_something,
    files_stay_short,
    functions_stay_short,
    the_top_level_is_known,
]

# What each rule must catch: (rule, path, source, a word of the finding).
PLANTED: list[tuple[Rule, str, str, str]] = [
    (levels_hold, "risk/gate.py", "import agents.node\n", "agents.node"),
    (levels_hold, "bus/link.py", "from hw import clock\n", "hw.clock"),
    (levels_hold, "domain/order.py", "def f() -> None:\n    import bus.journal\n", "bus.journal"),
    (levels_hold, "coordinator/core.py", "from agents.node import Node\n", "agents.node"),
    (levels_hold, "deploy/cli.py", "import tests.build\n", "outside"),
    (confinement_holds, "market/book.py", "import numba\n", "hw/kernel.py"),
    (confinement_holds, "hw/kernel_probe.py", "from numba import njit\n", "hw/kernel.py"),
    (confinement_holds, "agents/node.py", "import mesa\n", "sim/"),
    (confinement_holds, "learning/loop.py", "from flwr.app import Message\n", "federation/"),
    (confinement_holds, "market/book.py", "def f() -> None:\n    import ccxt.pro\n", "market/venues/"),
    (confinement_holds, "sim/swarm.py", "from mesa.experimental import devs\n", "Mesa 4"),
    (only_the_clock_reads_the_clock, "agents/node.py", "import time\nx = time.time()\n", "time.time"),
    (only_the_clock_reads_the_clock, "bus/a.py", "from time import monotonic_ns\n", "monotonic_ns"),
    (only_the_clock_reads_the_clock, "sim/a.py", "import time\nclock = time.perf_counter\n", "perf_counter"),
    (only_the_clock_reads_the_clock, "deploy/a.py", "import datetime as d\nd.datetime.now()\n", "now"),
    (
        approvals_come_from_the_gate,
        "agents/desk.py",
        "from domain.order import claim_seal\nclaim_seal()\n",
        "claim",
    ),
    (
        approvals_come_from_the_gate,
        "examples/a.py",
        "import domain.order as o\no.ApprovedOrder(1)\n",
        "Approved",
    ),
    (nothing_is_unpickled, "bus/codec.py", "import pickle\n", "pickle"),
    (nothing_is_unpickled, "tests/test_a.py", "socket.recv_pyobj()\n", "recv_pyobj"),
    (tasks_have_an_owner, "bus/link.py", "import asyncio\nasyncio.create_task(f())\n", "asyncio.create_task"),
    (tasks_have_an_owner, "bus/link.py", "asyncio.get_running_loop().create_task(f())\n", "create_task"),
    (tasks_have_an_owner, "bus/link.py", "asyncio.ensure_future(f())\n", "ensure_future"),
    (nothing_sleeps_that_is_stepped, "agents/node.py", "import time\ntime.sleep(1)\n", "sleeps"),
    (names_say_something, "bus/utils.py", "", "bus/utils.py"),
    (names_say_something, "agents/order_manager.py", "", "order_manager"),
    (files_stay_short, "domain/long.py", "x = 1\n" * 401, "401"),
    (functions_stay_short, "domain/long.py", "def f() -> None:\n" + "    x = 1\n" * 70, "71"),
    (the_top_level_is_known, "helpful/a.py", "", "helpful"),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_source_keeps(rule: Rule) -> None:
    assert rule(ROOT) == []


@pytest.mark.parametrize(("rule", "path", "text", "word"), PLANTED)
def test_a_planted_violation_is_found(tmp_path: Path, rule: Rule, path: str, text: str, word: str) -> None:
    plant(tmp_path, path, text)
    found = rule(tmp_path)
    assert any(word in finding for finding in found), found


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_rule_has_a_planted_violation(rule: Rule) -> None:
    assert any(planted[0] is rule for planted in PLANTED)


def test_what_is_allowed_is_not_found(tmp_path: Path) -> None:
    plant(tmp_path, "hw/clock.py", "import time\n\n\ndef now_ns() -> int:\n    return time.time_ns()\n")
    plant(tmp_path, "hw/kernel.py", "import numba\n")
    plant(tmp_path, "risk/gate.py", "from domain.order import claim_seal\nSEAL = claim_seal()\n")
    plant(tmp_path, "sim/swarm.py", "import mesa\nfrom agents.node import Node\n")
    plant(tmp_path, "agents/shell.py", "group.create_task(f())\nhw.clock.now_ns()\n")
    plant(tmp_path, "market/book_kernels.py", "def f() -> None:\n" + "    x = 1\n" * 90)
    plant(tmp_path, "benchmarks/link.py", "import time\ntime.perf_counter()\n")
    for name in REQUIRED:
        plant(tmp_path, f"{name}/__init__.py", "")
    assert [finding for rule in RULES for finding in rule(tmp_path)] == []


def test_a_missing_required_folder_is_found(tmp_path: Path) -> None:
    assert "arbitrage/ is missing" in the_top_level_is_known(tmp_path)


def test_a_relative_import_is_refused() -> None:
    with pytest.raises(AssertionError, match="absolute"):
        list(imported(ast.parse("from . import a\n")))


def plant(root: Path, path: str, text: str) -> None:
    """Write a file into a tree of its own."""
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
