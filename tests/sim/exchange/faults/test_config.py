"""What a fault may say, and the one line for what it may not."""

from __future__ import annotations

import pytest

from sim.exchange.faults.config import AMOUNTS, DOORS, FaultKind, FaultSpec, spec_of


def test_every_kind_is_asked_for_by_its_name_alone_or_with_a_symbol() -> None:
    assert len(FaultKind) == 15 and set(DOORS) == set(FaultKind)
    for kind in FaultKind:
        spec = FaultSpec(kind=kind, symbol="BTCUSDT")
        assert spec.size == AMOUNTS.get(kind, ("", 0, 0, 0))[1]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"kind": "flood"}', "kind: "),
        (b'{"kind": "drop", "fraction": 1}', "fraction: Extra inputs are not permitted"),
        (b'{"kind": "drop", "frac": 0}', "frac: "),
        (b'{"kind": "drop", "frac": NaN}', "frac: "),
        (b'{"kind": "drop", "frac": "1"}', "frac: Input should be a valid number"),
        (b'{"kind": "delay", "amount": "5"}', "amount: Input should be a valid integer"),
        (b'{"kind": "drop", "seed": true}', "seed: Input should be a valid integer"),
        (b'{"kind": "drop", "amount": 3}', "drop takes no amount"),
        (b'{"kind": "delay", "amount": 0}', "amount of delay (ms) is 1 to 600000, not 0"),
        (b'{"kind": "gap", "target": "rest"}', "target rest does not suit gap, which knows stream"),
        (b'{"kind": "ban", "target": "stream"}', "target stream does not suit ban, which knows rest, ws_api"),
        (
            b'{"kind": "maintenance", "target": "rest"}',
            "target rest does not suit maintenance, which knows no",
        ),
        (b'{"kind": "delisting"}', "delisting needs a symbol"),
        (b'{"kind": "clock_step", "frac": 0.5}', "clock_step is all or nothing: no frac, no every_s"),
        (b'{"kind": "drop", "frac": 0.5, "every_s": 1}', "frac and every_s exclude each other"),
        (b'{"kind": "drop", "symbol": "btc usdt"}', "symbol: "),
        (b"[]", "Input should be"),
        (b"{", "Invalid JSON"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(body: bytes, told: str) -> None:
    found = spec_of(body)
    assert isinstance(found, str) and found.startswith(told) and "\n" not in found


def test_what_can_be_meant_is_taken() -> None:
    spec = spec_of(b'{"kind": "http_5xx", "target": "rest", "amount": 502, "for_s": 3, "every_s": 0.5}')
    assert isinstance(spec, FaultSpec) and (spec.size, spec.for_s, spec.doors) == (502, 3.0, ("rest",))
