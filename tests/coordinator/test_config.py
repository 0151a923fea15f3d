from __future__ import annotations

from pathlib import Path

import pytest

from coordinator.config import CoordinatorConfig, read_config
from domain.errors import ConfigError


def test_no_file_means_the_defaults() -> None:
    assert read_config(None) == CoordinatorConfig()


def test_a_file_sets_what_it_names(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("lease_ttl_s = 2.5\nregions = ['tokyo']\n[link]\nbeacon_s = 1.0\n")
    config = read_config(path)
    assert (config.lease_ttl_ns, config.regions, config.link.beacon_s) == (2_500_000_000, ("tokyo",), 1.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lease_ttl_s = 0", "lease_ttl_s"),
        ("lease_tll_s = 5", "lease_tll_s"),
        ("[link]\nbeacon = 1", "link.beacon"),
        ("late_after_s = ", "not TOML"),
        ("late_after_s = 4.0", "late_after_s < lost_after_s"),
        ("report_bytes_max = 4000000", "report_bytes_max <= link.message_bytes_max"),
    ],
)
def test_a_bad_field_is_one_line_that_names_it(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert said in str(caught.value) and str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml"):
        read_config(tmp_path / "absent.toml")
