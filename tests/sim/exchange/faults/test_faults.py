"""The faults as a value: what becomes of each frame and request."""

from __future__ import annotations

from typing import Any

import pytest

from sim.exchange.faults.config import Door, FaultKind, FaultSpec
from sim.exchange.faults.faults import FAULTS_MAX, MS_NS, S_NS, Asked, Fate, Faults, Verdict
from sim.exchange.faults.frames import Frame, read_frame, spoiled

DEPTH = (
    b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":1,"u":2,'
    b'"b":[["60000.00","1.00000"]],"a":[]}}'
)
BEST = b'{"u":7,"s":"BTCUSDT","b":"1.00","B":"2","a":"3.00","A":"4"}'
KRAKEN = (
    b'{"channel":"book","type":"update","data":[{"symbol":"BTC/USDT",'
    b'"bids":[{"price":60000.1,"qty":1}],"asks":[],"checksum":123}]}'
)
REPORT = b'{"subscriptionId":0,"event":{"e":"executionReport","s":"BTCUSDT","x":"NEW"}}'


def faults(now_ns: int = 0, **spec: Any) -> Faults:
    one = Faults()
    assert one.add(FaultSpec(**spec), now_ns) == 1
    return one


def stream(payload: bytes = DEPTH, link: int = 1) -> Frame:
    return read_frame(link, Door.STREAM, "", payload)


def fates(one: Faults, number: int, frame: Frame | None = None) -> list[Fate]:
    return [one.frame(frame or stream(), at * MS_NS) for at in range(number)]


def passed(now_ns: int = 0, payload: bytes = DEPTH) -> Fate:
    return Fate(((payload, now_ns),))


def test_a_frame_is_known_at_a_glance_in_every_dialect() -> None:
    assert (stream().symbol, stream().book) == ("BTCUSDT", True)
    assert (stream(KRAKEN).symbol, stream(KRAKEN).book) == ("BTCUSDT", True)
    assert (stream(BEST).symbol, stream(BEST).book) == ("BTCUSDT", False)
    assert read_frame(1, Door.WS_API, "alice", REPORT).door == Door.USER
    assert read_frame(1, Door.WS_API, "", b'{"id":1,"status":200,"result":{}}').door == Door.WS_API
    assert stream(b"{}").symbol == ""


def test_without_a_fault_everything_passes_at_once() -> None:
    one = Faults()
    assert not one.any and one.frame(stream(), 5) == passed(5) and one.turn(9) == ([], [])
    assert one.next_ns() is None and one.shift_ns(3) == 0 and one.remove(1) is None


def test_a_share_of_frames_is_dropped_and_the_same_seed_drops_the_same() -> None:
    told = [fates(faults(kind="drop", frac=0.3, seed=seed), 400) for seed in (7, 7, 8)]
    lost = [sum(fate.passages == () for fate in each) for each in told]
    assert told[0] == told[1] != told[2] and all(80 < count < 160 for count in lost)


def test_a_target_is_struck_and_nothing_else() -> None:
    one = faults(kind="drop", target="stream", symbol="BTC/USDT")
    assert one.frame(stream(), 1).passages == ()
    assert one.frame(stream(DEPTH.replace(b"BTCUSDT", b"ETHUSDT")), 1).passages != ()
    assert one.frame(read_frame(2, Door.WS_API, "", REPORT), 1).passages != ()
    own = faults(kind="drop", target="user", account="alice")
    assert own.frame(read_frame(2, Door.WS_API, "alice", REPORT), 1).passages == ()
    assert own.frame(read_frame(2, Door.WS_API, "bob", REPORT), 1).passages != ()


def test_a_window_opens_and_closes_and_both_are_told_once() -> None:
    one = faults(kind="drop", after_s=1, for_s=2)
    assert one.next_ns() == S_NS and one.turn(0) == ([], [])
    assert one.frame(stream(), S_NS - 1) == passed(S_NS - 1)
    begun, _ = one.turn(S_NS)
    assert [fault.number for fault in begun] == [1] and one.turn(S_NS) == ([], [])
    assert one.frame(stream(), S_NS).passages == () and one.next_ns() == 3 * S_NS
    assert one.frame(stream(), 3 * S_NS) == passed(3 * S_NS)
    _, ended = one.turn(3 * S_NS)
    assert [fault.struck for fault in ended] == [1] and not one.any


def test_a_schedule_strikes_once_each_time() -> None:
    one = faults(kind="disconnect", every_s=1.0)
    cuts = [at for at in range(4_000) if one.frame(stream(), at * MS_NS).cut]
    assert cuts == [0, 1_000, 2_000, 3_000]


def test_copies_come_one_after_the_other() -> None:
    assert faults(kind="duplicate", amount=2).frame(stream(), 4).passages == ((DEPTH, 4),) * 3


def test_delayed_frames_keep_their_order_and_nobody_overtakes_them() -> None:
    one = faults(kind="delay", amount=100, for_s=0.05)
    due = [fate.passages[0][1] for fate in fates(one, 100)]
    assert due[:2] == [100 * MS_NS, 101 * MS_NS] and due == sorted(due) and due[60] == 149 * MS_NS
    one.turn(60 * MS_NS)
    assert one.any and one.frame(stream(), 200 * MS_NS) == passed(200 * MS_NS)
    assert not one.any


def test_a_frame_that_is_held_back_is_overtaken() -> None:
    one = faults(kind="reorder", every_s=1.0, amount=30)
    due = [fate.passages[0][1] for fate in fates(one, 3)]
    assert due == [30 * MS_NS, 1 * MS_NS, 2 * MS_NS]


def test_a_gap_swallows_a_run_of_book_updates_of_one_market_on_one_connection() -> None:
    one = faults(kind="gap", every_s=100.0, amount=3)
    assert [fate.passages != () for fate in fates(one, 5)] == [False, False, False, True, True]
    assert one.frame(stream(BEST), 1).passages != ()
    two = faults(kind="gap", every_s=100.0, amount=3)
    assert two.frame(stream(), 1).passages == () and two.frame(stream(link=2), 1).passages != ()
    two.forget(1)
    assert two.frame(stream(), 1).passages != ()


def test_a_checksum_is_wrong_and_a_frame_without_one_is_unreadable() -> None:
    one = faults(kind="wrong_checksum")
    assert one.frame(stream(KRAKEN), 1).passages[0][0] == KRAKEN.replace(b"123", b"122")
    assert one.frame(stream(), 1).passages[0][0] == DEPTH.replace(b'"60000.00', b'"x0000.00')
    assert one.frame(stream(BEST), 1) == passed(1, BEST)
    assert spoiled(KRAKEN.replace(b',"checksum":123', b"")).count(b"x0000.1") == 1


def test_a_connection_is_frozen_or_cut() -> None:
    assert faults(kind="half_open").frame(stream(), 1) == Fate((), freeze=True)
    assert faults(kind="disconnect").frame(stream(), 1) == Fate((), cut=True)


LATE = FaultKind.TIMEOUT_AFTER_ACCEPTANCE
ORDER, QUESTION = Asked(Door.WS_API, "BTCUSDT", "alice", True), Asked(Door.REST, "BTCUSDT", "", False)


@pytest.mark.parametrize(
    ("spec", "asked", "verdict"),
    [
        ({"kind": "http_5xx", "amount": 502}, QUESTION, Verdict(FaultKind.HTTP_5XX, status=502)),
        ({"kind": "http_5xx", "target": "rest"}, ORDER, None),
        ({"kind": "timeout_after_acceptance"}, ORDER, Verdict(LATE, silent=True)),
        ({"kind": "timeout_after_acceptance"}, QUESTION, None),
        ({"kind": "ban", "for_s": 7}, ORDER, Verdict(FaultKind.BAN, status=418, retry_after_s=6)),
        ({"kind": "ban"}, ORDER, Verdict(FaultKind.BAN, status=418, retry_after_s=60)),
        ({"kind": "ban", "amount": 2}, QUESTION, Verdict(FaultKind.BAN, status=418, retry_after_s=2)),
        ({"kind": "maintenance"}, QUESTION, Verdict(FaultKind.MAINTENANCE, status=503)),
        ({"kind": "drop", "target": "rest"}, QUESTION, Verdict(FaultKind.DROP, silent=True, lost=True)),
        ({"kind": "drop"}, ORDER, None),
        ({"kind": "delay", "amount": 9}, QUESTION, Verdict(FaultKind.DELAY, wait_ns=9 * MS_NS)),
        ({"kind": "gap"}, QUESTION, None),
        ({"kind": "http_5xx", "symbol": "ETHUSDT"}, QUESTION, None),
    ],
)  # fmt: skip
def test_a_request_is_refused_delayed_or_left_without_an_answer(
    spec: dict[str, Any], asked: Asked, verdict: Verdict | None
) -> None:
    assert faults(**spec).request(asked, S_NS) == verdict


def test_maintenance_closes_the_doors_and_a_clock_is_off_as_long_as_it_lasts() -> None:
    one = faults(kind="maintenance", for_s=1)
    assert one.closed(0) and not one.closed(S_NS)
    one.add(FaultSpec(kind="clock_step", amount=-250, for_s=1), 0)
    one.add(FaultSpec(kind="clock_step", amount=50), 0)
    assert one.shift_ns(0) == -200 * MS_NS and one.shift_ns(S_NS) == 50 * MS_NS


def test_faults_are_bounded_and_tell_what_they_did() -> None:
    one = faults(kind="drop", for_s=2.0)
    fates(one, 5)
    (told,) = [fault.told(S_NS) for fault in one.all()]
    assert told == {
        "id": 1, "active": True, "left_s": 1.0, "kind": "drop", "frac": 1.0, "after_s": 0.0,
        "for_s": 2.0, "seed": 1, "seen": 5, "struck": 5,
    }  # fmt: skip
    for _ in range(FAULTS_MAX - 1):
        assert one.add(FaultSpec(kind="drop"), 0) > 0
    assert one.add(FaultSpec(kind="drop"), 0) == 0
