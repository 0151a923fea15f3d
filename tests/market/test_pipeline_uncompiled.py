"""Kernels give the same answers as plain Python; there every index out of an array would be found."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hw.kernel import kernels_on

ROOT = Path(__file__).parents[2]
SUITES = (
    "layout",
    "book_kernels",
    "pipeline",
    "pipeline_replay",
    "pipeline_fuzz",
    "quality",
    "significance",
    "consolidated",
)


@pytest.mark.skipif(not kernels_on(), reason="it is this very run")
def test_the_pipelines_tests_pass_uncompiled() -> None:
    tests = [f"tests/market/test_{suite}.py" for suite in SUITES]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", *tests],
        cwd=ROOT,
        env={**os.environ, "SWARM_KERNELS": "off"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-3000:]
