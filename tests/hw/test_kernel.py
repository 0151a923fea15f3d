"""Kernels compile on a call or ahead of it, load from cache, and stay plain Python when switched off."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hw import kernel as kernel_module
from hw.kernel import compile_kernel, compile_kernels, entry, kernel, kernels_on, stated_kernels

_ROOT = Path(__file__).parents[2]
_INNER = """
from hw.kernel import kernel
FACTOR = {factor}
@kernel("int64(int64)")
def scaled(value):
    return value * FACTOR
"""
_OUTER = """
import numpy as np
from hw.kernel import kernel
from inner_kernels import scaled
@kernel("int64(int64[::1])")
def total(values):
    result = 0
    for value in values:
        result += scaled(value)
    return result
@kernel
def first(values):
    return values[0]
"""
_RUN = """
import sys
import numpy as np
import outer_kernels
from hw.kernel import compile_kernels
values = np.arange(4)
before = int(outer_kernels.total(values))
seen = []
count = compile_kernels(lambda done, whole, name: seen.append((done, whole, name)))
hits = sum(getattr(each, "stats", None) is not None and sum(each.stats.cache_hits.values())
    for each in vars(outer_kernels).values())
print(before, int(outer_kernels.total(values)), int(outer_kernels.first(values)), count, len(seen),
    "numba" in sys.modules, hits > 0)
"""


def _run(folder: Path, factor: int, kernels: str = "on") -> list[str]:
    (folder / "inner_kernels.py").write_text(_INNER.format(factor=factor))
    (folder / "outer_kernels.py").write_text(_OUTER)
    environment = {
        **os.environ,
        "SWARM_KERNELS": kernels,
        "NUMBA_CACHE_DIR": str(folder / "cache"),
        "PYTHONPATH": f"{_ROOT}:{folder}",
    }
    ended = subprocess.run(
        [sys.executable, "-c", _RUN], env=environment, capture_output=True, text=True, check=True
    )
    return ended.stdout.split()


def test_kernels_compile_once_then_load_from_cache_and_see_a_changed_callee(tmp_path: Path) -> None:
    assert _run(tmp_path, 2) == ["12", "12", "0", "2", "3", "True", "False"]
    assert _run(tmp_path, 2) == ["12", "12", "0", "2", "3", "True", "True"]
    assert _run(tmp_path, 3)[:2] == ["18", "18"]


def test_kernels_switched_off_are_plain_python_without_numba(tmp_path: Path) -> None:
    assert _run(tmp_path, 2, "off") == ["12", "12", "0", "0", "1", "False", "False"]


def _added(left: int, right: int) -> int:
    return left + right


def test_switching_off_gives_the_function_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARM_KERNELS", "off")
    assert not kernels_on()
    assert kernel(_added) is _added and kernel("int64(int64, int64)")(_added) is _added


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Keep what a test registers and caches to the test."""
    monkeypatch.setattr(kernel_module, "_registry", {})
    monkeypatch.setenv("SWARM_KERNELS", "on")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("numba.config.CACHE_DIR", "")
    return tmp_path


def test_a_stated_signature_is_compiled_ahead_and_progress_is_told(own_registry: Path) -> None:
    added = kernel("int64(int64, int64)")(_added)
    seen: list[tuple[int, int, str]] = []
    assert compile_kernels(lambda done, total, name: seen.append((done, total, name))) == 1
    assert seen == [(0, 1, f"{__name__}._added"), (1, 1, "")]
    assert added(2, 3) == 5 and compile_kernels() == 1
    assert list((own_registry / ".cache/murmuration/kernels").rglob("*.nbc"))


def test_old_builds_leave_the_cache(own_registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_module, "_CACHED_BUILDS_MAX", 2)
    root = own_registry / ".cache/murmuration/kernels"
    for number in range(4):
        build = root / f"{number:016d}"
        build.mkdir(parents=True)
        os.utime(build, (number, number))
    compile_kernels()
    assert sorted(each.name for each in root.iterdir()) == [f"{2:016d}", f"{3:016d}"]


def test_a_home_that_cannot_be_written_moves_the_cache(
    own_registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own_registry / ".cache").write_text("a file, not a folder")
    monkeypatch.setattr("tempfile.tempdir", str(own_registry))
    assert kernel("int64(int64, int64)")(_added)(1, 1) == 2
    assert list((own_registry / f"murmuration-kernels-{os.getuid()}").rglob("*.nbc"))


def test_the_function_itself_of_a_kernel_gives_the_same(own_registry: Path) -> None:
    compiled = kernel("int64(int64, int64)")(_added)
    assert entry(compiled)(6, 7) == compiled(6, 7) == 13
    with pytest.raises(AssertionError, match="does not state its signature"):
        entry(kernel(_added))


def test_without_a_compiler_the_function_itself_is_the_kernel() -> None:
    assert entry(_added) is _added


def test_python_may_call_what_was_compiled_for_another_kernel(own_registry: Path) -> None:
    inner = kernel(_added)

    def outer(value: int) -> int:
        return inner(value, 1)

    assert kernel("int64(int64)")(outer)(6) == 7
    assert inner(2, 3) == inner(2, 3) == 5


def _left(left: int) -> int:
    return _right(left)


def _right(right: int) -> int:
    return right + 1


def test_stated_kernels_name_what_they_compile_callees_first(
    own_registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = kernel("int64(int64)")(_right)
    monkeypatch.setattr(sys.modules[__name__], "_right", compiled)
    kernel("int64(int64)")(_left)
    left, right = f"{__name__}._left", f"{__name__}._right"
    assert list(stated_kernels().items()) == [(right, frozenset({right})), (left, frozenset({left, right}))]
    compile_kernel(left)
    assert len(compiled.signatures) == 1  # type: ignore[attr-defined]
