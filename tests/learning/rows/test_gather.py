"""From facts in the order of a journal to finished rows."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest

from domain.actions import Observed
from domain.control_events import Clocked, NodeStarted
from domain.ids import client_id
from domain.market_events import BookSnapshot, FeedLost, MarketRows, Tick, Trade
from domain.order_events import AccountSnapshot, Fill
from learning.rows.gather import GatherConfig, Gatherer
from learning.rows.labels import LabelConfig, label_path
from learning.rows.row import Rows
from market.rows import rows_of
from tests.learning.rows.builders import START_NS, S, market

MID2 = 120_000  # a tick is 0.1: a mid of 6,000, where a basis point is 6 ticks
LABELS = LabelConfig(horizon_s=10, cost_bps=2)
CONFIG = GatherConfig(labels=LABELS, silence_s=4)


def at(second: float) -> int:
    return START_NS + round(second * S)


def tick(second: float, moved_bps: float = 0.0, instrument: int = 0) -> Tick:
    half = round(MID2 / 2 * (1 + moved_bps * 1e-4))
    return Tick(instrument, at(second), at(second), half - 2, 5, half + 2, 5, 0)


def observed(second: float = 0, **told: Any) -> Observed:
    features = np.arange(16, dtype="<f4")
    features[11] = 0.1
    fields: dict[str, Any] = {
        "shard": 7,
        "instrument": 0,
        "at_ns": at(second),
        "model": "00ff",
        "engine": "fused",
        "mode": 0,
        "features": features.tobytes(),
        "probabilities": np.array([0.2, 0.3, 0.5], "<f4").tobytes(),
        "decision_ppm": 500_000,
        "mid2_ticks": MID2,
        "spread_ticks": 12,
    }
    return Observed(**{**fields, **told})


def fill(second: float, side: int, price_ticks: int, lots: int, **told: Any) -> Fill:
    asset, fee = told.get("fee_asset", "USDT"), told.get("fee_atoms", 0)
    number = client_id(told.get("shard", 7), 3, 1)
    trade_id = told.get("trade_id", round(second * 1_000))
    return Fill(
        number, at(second), 0, trade_id, 1, side, price_ticks, lots, fee, asset, told.get("maker", False), 0
    )


def gathered(facts: list[Any], config: GatherConfig = CONFIG) -> tuple[Rows, Gatherer]:
    gatherer = Gatherer([market(), market(1, "ETHUSDT")], config)
    for fact in facts:
        gatherer.take(fact)
    return gatherer.finished(), gatherer


def quiet(first: float, last: float, moved_bps: float = 0.0) -> list[Tick]:
    return [tick(second, moved_bps) for second in np.arange(first, last, 0.5)]


def test_a_decision_becomes_a_row_when_its_horizon_is_over() -> None:
    gatherer = Gatherer([market()], CONFIG)
    for fact in (tick(0), observed(0), *quiet(0.5, 3), tick(3, 5), *quiet(3.5, 10.5)):
        gatherer.take(fact)
        assert len(gatherer.finished()) == 0
    assert gatherer.waiting == 1
    gatherer.take(Clocked(at(10.25)))
    rows = gatherer.finished()
    assert len(rows) == 1 and rows.markets == (("tokyo-x", "BTCUSDT"),)
    (row,) = rows.table
    assert (row["at_ns"], row["shard"], row["model"], row["mode"]) == (at(0), 7, b"00ff", 0)
    assert (row["label"], row["label_ns"], row["meta"]) == (2, at(3), 1)
    assert row["gross_bps"] == pytest.approx(5, abs=0.1) and row["net_bps"] == pytest.approx(3, abs=0.1)
    assert row["mid"] == pytest.approx(6_000) and row["spread_bps"] == pytest.approx(2)
    assert row["volatility_bps"] == pytest.approx(0.1) and row["decision_ppm"] == 500_000
    assert row["features"].tolist()[:5] == [0, 1, 2, 3, 4]
    assert row["probabilities"].tolist() == pytest.approx([0.2, 0.3, 0.5])
    assert math.isnan(row["realised_bps"])
    assert len(gatherer.finished()) == 0 and gatherer.waiting == 0
    assert gatherer.counts.observed == gatherer.counts.finished == 1


def test_rows_are_those_of_the_whole_path() -> None:
    draws, now, mid2, facts = np.random.default_rng(5), 0.0, MID2, list[Any]()
    for _ in range(1500):
        now += float(draws.uniform(0.01, 0.3))
        mid2 += 2 * int(draws.integers(-2, 3))
        facts.append(Tick(0, at(now), at(now), mid2 // 2 - 1, 5, mid2 // 2 + 1, 5, 0))
        if draws.random() < 0.3:
            facts.append(observed(now, mid2_ticks=mid2, shard=int(draws.integers(1, 4))))
    gatherer, found = Gatherer([market()], CONFIG), list[Rows]()
    for place, fact in enumerate(facts):
        gatherer.take(fact)
        if place % 37 == 0:
            found.append(gatherer.finished())
    gatherer.take(Clocked(at(now + 3)))
    rows = Rows.joined([*found, gatherer.finished()])
    ticks = [fact for fact in facts if isinstance(fact, Tick)]
    asked = [fact for fact in facts if isinstance(fact, Observed)]
    wanted = label_path(
        np.array([one.local_ts_ns for one in ticks]),
        np.array([float(one.bid_ticks + one.ask_ticks) for one in ticks]),
        np.array([one.at_ns for one in asked]),
        np.array([float(one.mid2_ticks) for one in asked]),
        np.full(len(asked), 0.1, np.float32).astype(np.float64),
        LABELS,
        at(now + 3),
    )
    # A row is given when its horizon is over, also where a barrier was touched before.
    known = np.array([one.at_ns + 10 * S < at(now + 3) for one in asked])
    assert (wanted.label[known] >= 0).all()
    assert len(rows) == known.sum() > 300 and len(np.unique(rows.y)) == 3
    assert rows.table["label"].tolist() == wanted.label[known].tolist()
    assert rows.table["label_ns"].tolist() == wanted.label_ns[known].tolist()


def test_packed_rows_say_the_same_as_ticks() -> None:
    ticks = [*quiet(0, 2), tick(2, 6), *quiet(2.5, 11)]
    snapshot = BookSnapshot(0, at(1), at(1), 1, tuple((9 - n, 1) for n in range(7)), ((10, 1),))
    trade = Trade(0, at(1), at(1), 1, 9, 1, -1)
    told: tuple[Tick | BookSnapshot | Trade, ...] = (*ticks[:3], snapshot, trade, *ticks[3:])
    packed = np.concatenate([rows_of(one) for one in told])
    plain, _ = gathered([ticks[0], observed(0), *ticks[1:], Clocked(at(10.1))])
    both, gatherer = gathered([MarketRows(at(11), packed), observed(0), Clocked(at(10.1))])
    assert len(plain) == 1 and both.table.tobytes() == plain.table.tobytes()
    assert gatherer.counts.finished == 1
    long, _ = gathered([observed(0), MarketRows(at(11), np.concatenate([packed] * 30)), Clocked(at(10.1))])
    assert len(long) == 1


def test_a_trade_that_is_told_again_is_counted_once() -> None:
    once = fill(1, 1, 60_000, 4)
    again = msgspec.structs.replace(once, local_ts_ns=at(2))
    missed = fill(2, -1, 60_060, 4)
    account = AccountSnapshot("tokyo-x", at(2.2), {}, (), (again, missed))
    facts = [tick(0), observed(0), once, again, account, account, tick(2.5), tick(3, 5), *quiet(3.5, 11)]
    rows, first = gathered(facts[:5])
    second = Gatherer([market()], CONFIG)
    second.restore(first.state())
    for fact in facts[5:]:
        second.take(fact)
    rows = second.finished()
    np.testing.assert_allclose(rows.table["realised_bps"], [60 * 4 / (120_060 * 4) * 1e4], rtol=1e-3)


def test_what_is_known_of_trades_is_bounded() -> None:
    _, gatherer = gathered([tick(0), *(fill(1, 1, 60_000, 1, trade_id=n) for n in range(3_000))])
    assert len(gatherer.state()) < 8_000


def test_a_decision_in_the_middle_of_a_batch_sees_the_rest_of_the_batch() -> None:
    packed = np.concatenate([rows_of(one) for one in (*quiet(0, 2), tick(2, 6), *quiet(2.5, 9, 6))])
    gatherer = Gatherer([market()], CONFIG)
    gatherer.take(MarketRows(at(9), packed))
    assert len(gatherer.finished()) == 0
    gatherer.take(observed(1.5))
    gatherer.take(Clocked(at(12)))
    rows = gatherer.finished()
    assert rows.table["label_ns"].tolist() == [at(2)] and rows.y.tolist() == [2]


@pytest.mark.parametrize("moved", [0.0, 6.0])
def test_a_silence_loses_what_no_barrier_had_ended(moved: float) -> None:
    facts = [tick(0), observed(0), *quiet(0.5, 3), tick(3, moved), tick(8), *quiet(8.5, 14)]
    rows, gatherer = gathered(facts)
    assert len(rows) == (moved > 0) and gatherer.counts.silent == (moved == 0)
    assert gatherer.waiting == 0


@pytest.mark.parametrize("lost", [FeedLost("tokyo-x", at(4), "reset"), NodeStarted(at(4), "", "")])
@pytest.mark.parametrize("moved", [0.0, 6.0])
def test_a_broken_feed_and_a_restart_are_silences(lost: Any, moved: float) -> None:
    rows, gatherer = gathered([tick(0), observed(0), *quiet(0.5, 4, moved), lost, *quiet(4, 12)])
    assert len(rows) == (moved > 0) and gatherer.counts.silent == (moved == 0)
    assert gatherer.path(0)[0][0] == at(4)


def test_the_feed_of_another_venue_is_no_matter() -> None:
    rows, _ = gathered([tick(0), observed(0), *quiet(0.5, 4), FeedLost("nyc-x", at(4), ""), *quiet(4, 12)])
    assert len(rows) == 1


def test_a_market_that_stopped_is_no_flat_market() -> None:
    rows, gatherer = gathered([tick(0), observed(0), *quiet(0.5, 5), tick(5, instrument=1), Clocked(at(20))])
    assert len(rows) == 0 and gatherer.counts.silent == 1
    rows, gatherer = gathered([tick(0), observed(0), *quiet(0.5, 7), Clocked(at(20))])
    assert rows.y.tolist() == [1] and gatherer.counts.silent == 0


@pytest.mark.parametrize(
    ("fills", "earned"),
    [
        ([], math.nan),
        ([fill(1, 1, 60_000, 4)], 5.0),
        ([fill(1, -1, 60_000, 4)], -5.0),
        ([fill(1, 1, 60_000, 4), fill(2, -1, 60_060, 4)], (10 * 0 + 60 * 4) / (120_060 * 4) * 1e4),
        ([fill(1, 1, 60_000, 4), fill(5, -1, 50_000, 4)], 5.0),
        ([fill(1, 1, 60_000, 4, shard=8)], math.nan),
        ([fill(1, 1, 60_000, 4, fee_atoms=60_000 * 4 * 10**6)], 5.0 - 1e4 * 10**6 / 10**6),
        ([fill(1, 1, 60_000, 4, fee_asset="BTC", fee_atoms=4 * 10**4)], 5.0 - 10.0),
        ([fill(1, 1, 60_000, 4, fee_asset="BNB", fee_atoms=1)], 5.0 - 5.0),
        ([fill(1, 1, 60_000, 4, fee_asset="BNB", fee_atoms=1, maker=True)], 5.0 - 1.0),
    ],
)
def test_what_its_fills_earned_is_marked_when_the_label_is_known(fills: list[Fill], earned: float) -> None:
    assert (market().tick_lot_atoms, market().lot_atoms) == (10**6, 10**7)
    facts = [tick(0), observed(0), *fills[:1], tick(2.9), *fills[1:2], tick(3, 5), *quiet(3.5, 10.5)]
    if len(fills) == 2 and fills[1].local_ts_ns > at(3):
        facts = [tick(0), observed(0), fills[0], tick(3, 5), *quiet(3.5, 5), fills[1], *quiet(5, 10.5)]
    rows, _ = gathered([*facts, Clocked(at(10.5))])
    assert rows.table["label_ns"].tolist() == [at(3)]
    np.testing.assert_allclose(rows.table["realised_bps"], [earned], rtol=1e-3)


def test_a_fill_belongs_to_the_decision_that_stood() -> None:
    facts = [tick(0), observed(0), observed(1), fill(1.5, 1, 60_000, 4), *quiet(1.5, 12)]
    rows, _ = gathered([*facts, fill(12, 1, 60_000, 4)])
    assert [math.isnan(one) for one in rows.table["realised_bps"]] == [True, False]


@pytest.mark.parametrize(
    "told",
    [
        {"features": bytes(60)},
        {"features": np.full(16, np.nan, "<f4").tobytes()},
        {"probabilities": bytes(8)},
        {"mid2_ticks": 0},
        {"instrument": 9},
    ],
)
def test_a_decision_without_sense_is_counted_and_left_out(told: dict[str, Any]) -> None:
    rows, gatherer = gathered([tick(0), observed(0, **told), *quiet(0.5, 11)])
    assert len(rows) == 0 and gatherer.counts.refused == gatherer.counts.observed == 1


def test_a_decision_without_probabilities_keeps_none() -> None:
    rows, _ = gathered([tick(0), observed(0, probabilities=b"", mode=3, decision_ppm=0), *quiet(0.5, 11)])
    assert np.isnan(rows.table["probabilities"]).all() and rows.table["meta"].tolist() == [-1]


def test_what_waits_is_bounded() -> None:
    config = GatherConfig(labels=LABELS, waiting_max=20, path_max=40, fills_max=2)
    facts: list[Any] = [tick(0), observed(0)]
    for step in range(1, 100):
        facts += [tick(step * 0.1, (step % 2) * 0.2), observed(step * 0.1), fill(step * 0.1, 1, 60_000, 1)]
    gatherer = Gatherer([market()], config)
    for fact in facts:
        gatherer.take(fact)
        assert gatherer.waiting <= 20 and len(gatherer.path(0)[0]) <= 40
    assert gatherer.counts.crowded + gatherer.waiting == gatherer.counts.observed == 100


def test_many_fills_of_one_decision_are_bounded() -> None:
    fills = [fill(1, 1, 60_000, 1, trade_id=n) for n in range(50)]
    gatherer = Gatherer([market()], GatherConfig(labels=LABELS, fills_max=3))
    for fact in (tick(0), observed(0), *fills):
        gatherer.take(fact)
    assert len(gatherer.state()) < 1_000


def test_a_restart_gives_the_same_rows() -> None:
    facts = [
        tick(0),
        observed(0),
        fill(0.2, 1, 60_000, 4),
        *quiet(0.5, 6),
        observed(5.5),
        tick(6, 5),
        *quiet(6.5, 17),
    ]
    whole, _ = gathered(facts)
    for cut in range(len(facts)):
        first = Gatherer([market(), market(1, "ETHUSDT")], CONFIG)
        for fact in facts[:cut]:
            first.take(fact)
        before, second = first.finished(), Gatherer([market()], CONFIG)
        second.restore(first.state())
        for fact in facts[cut:]:
            second.take(fact)
        assert Rows.joined([before, second.finished()]).table.tobytes() == whole.table.tobytes()
    assert len(whole) == 2


def test_finished_rows_must_be_taken_before_the_state() -> None:
    gatherer = Gatherer([market()], CONFIG)
    for fact in (tick(0), observed(0), tick(3, 6), tick(9)):
        gatherer.take(fact)
    with pytest.raises(AssertionError, match="not asked for"):
        gatherer.state()


def test_markets_that_are_gone_are_forgotten() -> None:
    first, second = Gatherer([market(), market(1, "ETHUSDT")], CONFIG), Gatherer([market()], CONFIG)
    for fact in (tick(0), tick(0, instrument=1), observed(0), observed(0, instrument=1, shard=8)):
        first.take(fact)
    second.restore(first.state())
    assert second.waiting == 1
    second.take(tick(1, instrument=1))
    second.take(Tick(0, at(2), at(2), 0, 0, 5, 5, 0))
    assert second.path(0)[0].tolist() == [at(0)]
