"""Every example in a docstring of the foundation runs."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

PACKAGES = ("domain", "bus", "hw")


def _modules() -> list[str]:
    return [
        found.name
        for package in PACKAGES
        for found in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}.")
    ]


@pytest.mark.parametrize("name", _modules())
def test_examples_run(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


def test_examples_were_found() -> None:
    found = sum(doctest.testmod(importlib.import_module(name)).attempted for name in _modules())
    assert found >= 15
