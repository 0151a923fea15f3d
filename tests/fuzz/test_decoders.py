"""Every place that decodes what comes from outside is found, and has its fuzz."""

from __future__ import annotations

import re
from pathlib import Path

import tests.fuzz

MARKET = Path(__file__).resolve().parents[2] / "market"
DECODES = re.compile(
    r"json\.Decoder\(|json\.decode\(|json\.loads\(|json\.iterparse|def scan_frame|class FixFrames"
    r"|open_csv|read_csv|class Reader:|ParquetFile\("
)
# Where bytes or structures from outside are read, and the test that spoils them.
COVERED = {
    "fix_frame.py": "test_files",
    "history/csv_source.py": "test_files",
    "venues/binance/account.py": "test_rest",
    "venues/binance/frame_kernels.py": "test_binance",
    "venues/binance/instruments.py": "test_rest",
    "venues/binance/limits.py": "test_rest",
    "venues/binance/replies.py": "test_binance",
    "venues/binance/rest.py": "test_rest",
    "venues/binance/wire.py": "test_binance",
    "venues/ccxt/reading.py": "test_ccxt",
    "venues/kraken/instruments.py": "test_rest",
    "venues/kraken/listed.py": "test_rest",
    "venues/kraken/replies.py": "test_kraken",
    "venues/kraken/rest.py": "test_rest",
    "venues/kraken/market_frames.py": "test_kraken",
}
# These read files that we wrote ourselves, under a hash, or are spoiled where they are tested.
OWN = {
    "history/archive.py": "tests/market/history/test_upkeep.py",
    "history/importer.py": "tests/market/history/test_importer.py",
    "history/lane.py": "tests/market/history/test_recorder.py",
    "history/staging.py": "tests/market/history/test_importer.py",
    "history/steps.py": "tests/market/history/test_importer.py",
    "history/verification.py": "tests/market/history/test_upkeep.py",
    "venues/keys.py": "tests/market/venues/test_keys.py",
    "history/json_source.py": "tests/market/history/test_importer.py",
    "history/parquet_source.py": "tests/market/history/test_importer.py",
}


def found() -> set[str]:
    """Name the modules of `market` that decode."""
    return {
        path.relative_to(MARKET).as_posix()
        for path in MARKET.rglob("*.py")
        if DECODES.search(path.read_text(encoding="utf-8"))
    }


def test_every_decoder_is_found_and_has_its_fuzz() -> None:
    assert found() - set(OWN) == set(COVERED)
    assert len(COVERED) == 15
    here = Path(tests.fuzz.__path__[0])
    assert all((here / f"{name}.py").exists() for name in COVERED.values())
    assert all((MARKET.parent / name).exists() for name in OWN.values())
