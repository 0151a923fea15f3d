"""The one decorator that compiles: `SWARM_KERNELS=off` leaves every kernel plain Python."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast, overload

Kernel = TypeVar("Kernel", bound=Callable[..., Any])
Progress = Callable[[int, int, str], None]

_CACHED_BUILDS_MAX = 1024  # one for each kernel and version of it
_registry: dict[str, tuple[Any, str]] = {}
_stamps: dict[str, bytes] = {}


def kernels_on() -> bool:
    """Tell whether kernels are compiled in this process."""
    return os.environ.get("SWARM_KERNELS", "on").lower() != "off"


@overload
def kernel(target: str, *, nogil: bool = False) -> Callable[[Kernel], Kernel]: ...


@overload
def kernel(target: Kernel) -> Kernel: ...


def kernel(target: str | Kernel, *, nogil: bool = False) -> Callable[[Kernel], Kernel] | Kernel:
    """Compile a function on its first call, or in `compile_kernels` where its signature is given.

    One that runs long in a thread of its own is `nogil`. A short one must not be: whoever takes the lock
    meanwhile, such as a journal's commit, may keep it for milliseconds.

    >>> @kernel("int64(int64, int64)")
    ... def added(left: int, right: int) -> int:
    ...     return left + right
    >>> added(2, 3)
    5
    """
    if isinstance(target, str):
        signature = target
        return lambda function: _compiled(function, signature, nogil)
    return _compiled(target, "", False)


def entry(compiled: Kernel) -> Kernel:
    """Give the compiled function itself of a kernel that states its signature.

    It saves the fifth of a microsecond that working out the types takes, and takes them on trust.
    """
    kept: Any = compiled
    if not hasattr(kept, "overloads"):
        return compiled
    name = f"{kept.py_func.__module__}.{kept.py_func.__qualname__}"
    _, signature = _registry[name]
    assert signature, f"{name} does not state its signature"
    kept.compile(signature)
    (only,) = kept.overloads.values()
    return cast(Kernel, only.entry_point)


def compile_kernels(progress: Progress | None = None) -> int:
    """Compile every imported kernel that states its signature, and give how many there were.

    `progress(done, total, name)` is called before each one, and once with `done == total`.
    """
    stated = [(name, each, text) for name, (each, text) in _registry.items() if text]
    for done, (name, dispatcher, signature) in enumerate(stated):
        if progress is not None:
            progress(done, len(stated), name)
        dispatcher.compile(signature)
    if progress is not None:
        progress(len(stated), len(stated), "")
    _prune()
    return len(stated)


def _compiled(function: Kernel, signature: str, nogil: bool) -> Kernel:
    if not kernels_on():
        return function
    import numba

    settings: Any = numba.config
    name = f"{function.__module__}.{function.__qualname__}"
    source = Path(function.__code__.co_filename)
    stamp = _stamp(function, source, nogil)
    user_folder = settings.CACHE_DIR
    # numba's cache knows only the kernel's own file: a changed callee or an imported constant would
    # go unseen, so every build has a folder named after all that it was made from.
    settings.CACHE_DIR = str(_cache_root(user_folder) / stamp.hex())
    try:
        make: Any = numba.njit(
            cache=source.is_file(), nogil=nogil, fastmath=False, boundscheck=False, error_model="numpy"
        )
        dispatcher = make(function)
    finally:
        settings.CACHE_DIR = user_folder
    _stamps[name] = stamp
    _registry[name] = (dispatcher, signature)
    return cast(Kernel, dispatcher)


def _stamp(function: Callable[..., Any], source: Path, nogil: bool) -> bytes:
    content = source.read_bytes() if source.is_file() else function.__code__.co_code
    digest = hashlib.blake2b(content, digest_size=8)
    digest.update(b"nogil" if nogil else b"")
    for name, value in sorted(function.__globals__.items(), key=lambda item: item[0]):
        if isinstance(value, int | float | str | tuple) and not name.startswith("__"):
            digest.update(f"{name}={value!r}".encode())
        called = getattr(value, "py_func", None)
        if called is not None and called.__module__ != function.__module__:
            digest.update(_stamps.get(f"{called.__module__}.{called.__qualname__}", b""))
    return digest.digest()


def _cache_root(user_folder: str) -> Path:
    if user_folder:
        return Path(user_folder)
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = Path(home) / "murmuration" / "kernels"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    return folder if writable else Path(tempfile.gettempdir()) / f"murmuration-kernels-{os.getuid()}"


def _prune() -> None:
    if not kernels_on():
        return
    import numba

    settings: Any = numba.config
    root = _cache_root(settings.CACHE_DIR)
    builds = sorted((each for each in root.glob("?" * 16) if each.is_dir()), key=_age)
    for build in builds[:-_CACHED_BUILDS_MAX]:
        shutil.rmtree(build, ignore_errors=True)


def _age(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:  # another process is pruning too
        return 0.0
