"""The probe says what is there, and pinning says what is not."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from domain.errors import ConfigError, ExitCode
from hw import device as device_module
from hw.device import LOCK_S_MAX, cuda_usable, pin, probe, put_first, share_lock


def test_the_probe_describes_this_machine() -> None:
    device = probe()
    assert set(device.cores) == os.sched_getaffinity(0)
    assert device.memory_bytes > 100 << 20 and device.cpu_model != ""
    assert device.torch_installed


def test_the_probe_reads_a_gpu_from_its_driver(tmp_path: Path) -> None:
    (tmp_path / "driver/nvidia").mkdir(parents=True)
    (tmp_path / "driver/nvidia/version").write_text("NVRM version: Kernel Module 600.1\nGCC version: 12\n")
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Fast CPU\n")
    (tmp_path / "meminfo").write_text("MemTotal:       2048 kB\n")
    device = probe(tmp_path)
    assert (device.gpu, device.cpu_model, device.memory_bytes) == ("Kernel Module 600.1", "Fast CPU", 2 << 20)


def test_the_probe_does_without_proc(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor : 0\n")
    device = probe(tmp_path)
    assert (device.gpu, device.cpu_model, device.memory_bytes) == (None, "unknown", 0)


def test_torch_is_not_imported_where_no_driver_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_module, "_PROC", tmp_path)
    had_torch = "torch" in sys.modules
    assert not cuda_usable() and ("torch" in sys.modules) == had_torch


def test_pinning_to_cores_that_are_there_works_and_to_others_is_refused() -> None:
    allowed = os.sched_getaffinity(0)
    core = min(allowed)
    try:
        pin((core,))
        assert os.sched_getaffinity(0) == {core}
        with pytest.raises(ConfigError, match="9999") as refusal:
            pin((core, 9999))
        assert refusal.value.code is ExitCode.CONFIG and str(core) in refusal.value.mend
        with pytest.raises(ConfigError, match="cannot be pinned"):
            pin(())
    finally:
        os.sched_setaffinity(0, allowed)


def test_who_is_put_first_is_asked_for_of_the_system_and_its_threads_stay_usual(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[int, int, int]] = []

    def scheduled(process: int, policy: int, parameter: os.sched_param) -> None:
        asked.append((process, policy, parameter.sched_priority))

    monkeypatch.setattr(os, "sched_setscheduler", scheduled)
    put_first(7)
    assert asked == [(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, 7)]


def test_a_priority_that_is_not_granted_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*given: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refused)
    with pytest.raises(ConfigError, match="not to be had: Operation not permitted"):
        put_first(7)


def test_the_interpreters_lock_is_shared_in_small_pieces() -> None:
    before = sys.getswitchinterval()
    try:
        share_lock()
        assert sys.getswitchinterval() == pytest.approx(LOCK_S_MAX)
    finally:
        sys.setswitchinterval(before)
