"""The one decorator that compiles: `SWARM_KERNELS=off` leaves every kernel plain Python."""

from __future__ import annotations

import functools
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
_SETTINGS = 2  # raised with what is handed to the compiler, so that older builds are not taken for these
_registry: dict[str, tuple[Any, str]] = {}
_stamps: dict[str, bytes] = {}


def kernels_on() -> bool:
    """Tell whether kernels are compiled in this process."""
    return os.environ.get("SWARM_KERNELS", "on").lower() != "off"


@overload
def kernel(target: str, *, nogil: bool = False) -> Callable[[Kernel], Kernel]: ...


@overload
def kernel(target: Kernel) -> Kernel: ...


@overload
def kernel(*, called: bool) -> Callable[[Kernel], Kernel]: ...


def kernel(
    target: str | Kernel = "", *, nogil: bool = False, called: bool = False
) -> Callable[[Kernel], Kernel] | Kernel:
    """Compile a function where its signature is stated (`compile_kernels`), or with the kernel that calls it.

    Python should call only kernels that state their signature or say that they are `called`: the others have
    no way in from Python, which is a sixth of all compiling, so that a call compiles them once more.
    Kernels allocate nothing, so references to arrays are not counted in them: their callers hold those.
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
        return lambda function: _compiled(function, signature, nogil, called or signature != "")
    return _compiled(target, "", False, False)


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
    stated = list(stated_kernels())
    for done, name in enumerate(stated):
        if progress is not None:
            progress(done, len(stated), name)
        compile_kernel(name)
    if progress is not None:
        progress(len(stated), len(stated), "")
    prune_cache()
    return len(stated)


def stated_kernels() -> dict[str, frozenset[str]]:
    """Name the imported kernels that state their signature, each with all kernels compiled along with it.

    Callees come before their callers.
    """
    reached = {name: frozenset(_reached(name, set())) for name, (_, text) in _registry.items() if text}
    return dict(sorted(reached.items(), key=lambda item: len(item[1])))


def compile_kernel(name: str) -> None:
    """Compile one kernel by the signature that it states, or load it from cache."""
    dispatcher, signature = _registry[name]
    dispatcher.compile(signature)


def _reached(name: str, found: set[str]) -> set[str]:
    if name not in found:
        found.add(name)
        function = _registry[name][0].py_func
        for word in function.__code__.co_names:
            callee: Any = getattr(function.__globals__.get(word), "py_func", None)
            if callee is not None:
                _reached(f"{callee.__module__}.{callee.__qualname__}", found)
    return found


def _compiled(function: Kernel, signature: str, nogil: bool, called: bool) -> Kernel:
    if not kernels_on():
        return function
    name = f"{function.__module__}.{function.__qualname__}"
    source = Path(function.__code__.co_filename)
    stamp = _stamp(function, source, nogil, called)
    dispatcher = _dispatcher(function, stamp, source.is_file(), nogil, called)
    if not called:
        _let_in(dispatcher, lambda: _compiled_apart(function, nogil))
    _stamps[name] = stamp
    _registry[name] = (dispatcher, signature)
    return cast(Kernel, dispatcher)


def _dispatcher(function: Callable[..., Any], stamp: bytes, cached: bool, nogil: bool, called: bool) -> Any:
    import numba

    settings: Any = numba.config
    user_folder = settings.CACHE_DIR
    # numba's cache knows only the kernel's own file: a changed callee or an imported constant would
    # go unseen, so every build has a folder named after all that it was made from.
    settings.CACHE_DIR = str(_cache_root(user_folder) / stamp.hex())
    try:
        njit: Any = numba.njit
        return njit(
            **({} if called else {"pipeline_class": _linked_only()}),
            cache=cached,
            nogil=nogil,
            fastmath=False,
            boundscheck=False,
            error_model="numpy",
            no_cpython_wrapper=not called,
            no_cfunc_wrapper=True,
            _nrt=False,
        )(function)
    finally:
        settings.CACHE_DIR = user_folder


@functools.cache
def _linked_only() -> type:
    """Give the compiler of kernels that only kernels call: they are optimised as part of those.

    Otherwise whatever a kernel calls would be optimised, and turned into machine code, again at every level
    up to it, which is a sixth of all compiling.
    """
    from numba.core import codegen, compiler

    whole: Any = codegen.JITCodeLibrary
    usual: Any = compiler.Compiler

    class Linked(whole):  # type: ignore[misc]
        @property
        def codegen(self) -> Any:
            return self  # for `set_env` alone: what has no machine code has no place for an environment

        def set_env(self, *_: Any) -> None:
            pass

        def _optimize_final_module(self) -> None:
            pass

        def _finalize_final_module(self) -> None:
            self._finalize_dynamic_globals()
            self._finalized = True

        def serialize_using_object_code(self) -> Any:
            return self.serialize_using_bitcode()

    class LinkedOnly(usual):  # type: ignore[misc]
        def compile_extra(self, function: Callable[..., Any]) -> Any:
            self.state.library = Linked(self.state.targetctx.codegen(), function.__qualname__)
            self.state.library.enable_object_caching()
            return super().compile_extra(function)

    return LinkedOnly


def _compiled_apart(function: Callable[..., Any], nogil: bool) -> Any:
    source = Path(function.__code__.co_filename)
    return _dispatcher(function, _stamp(function, source, nogil, True), source.is_file(), nogil, True)


def _let_in(dispatcher: Any, compiled: Callable[[], Any]) -> None:
    """Send calls from Python to another build: this one, called so, would jump to where nothing is."""
    made: list[Any] = []

    def way_in(*_: Any) -> Any:
        if not made:
            made.append(compiled())
        return made[0]

    dispatcher._insert = lambda *_: None
    dispatcher._compile_for_args = way_in


def _stamp(function: Callable[..., Any], source: Path, nogil: bool, called: bool) -> bytes:
    content = source.read_bytes() if source.is_file() else function.__code__.co_code
    digest = hashlib.blake2b(content, digest_size=8)
    digest.update(bytes((_SETTINGS, nogil, called)))
    for name, value in sorted(function.__globals__.items(), key=lambda item: item[0]):
        if isinstance(value, int | float | str | tuple) and not name.startswith("__"):
            digest.update(f"{name}={value!r}".encode())
        callee: Any = getattr(value, "py_func", None)
        if callee is not None and callee.__module__ != function.__module__:
            digest.update(_stamps.get(f"{callee.__module__}.{callee.__qualname__}", b""))
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


def prune_cache() -> None:
    """Remove the oldest builds beyond a number that no living version needs."""
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
