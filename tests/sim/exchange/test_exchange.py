"""The exchange as a value: what each command causes."""

from __future__ import annotations

import pytest

from domain.errors import ExitCode, SwarmError
from domain.units import ATOMS_PER_UNIT, atoms
from sim.exchange.exchange import Exchange
from sim.exchange.messages import (
    CancelAllPlaced,
    CancelPlaced,
    ExchangeErrorKind,
    Execution,
    ExecutionKind,
    OrderStatusKind,
    PlacedOrder,
    Refused,
    SelfTradePrevention,
)
from tests.sim.exchange.exchange_builders import (
    ALICE,
    BOB,
    BUY,
    COIN,
    FLOW,
    FOK,
    GTC,
    IOC,
    MARKET,
    PAIR,
    POST,
    SELL,
    depth_changes,
    executions,
    place,
    public_trades,
    random_commands,
    refusal,
    small_config,
)

NEW, TRADE, CANCELED = ExecutionKind.NEW, ExecutionKind.TRADE, ExecutionKind.CANCELED
KIND, STATUS = ExecutionKind, OrderStatusKind


def exchange() -> Exchange:
    """Make a small exchange."""
    return Exchange(small_config())


def test_a_resting_order_locks_what_it_may_need_and_shows_in_the_depth() -> None:
    x = exchange()
    outputs = x.step(place(ALICE, BUY, 1000, 10, text="a-1", now_ns=5))
    assert executions(outputs) == [(NEW, 1, STATUS.NEW, 0, 0)]
    (change,) = depth_changes(outputs)
    assert (change.update_id, change.bids, change.asks, change.now_ns) == (1, ((1000, 10),), (), 5)
    assert x.balances(ALICE)["CASH"] == (atoms("990"), atoms("10"))
    assert x.depth(COIN, 5) == (1, ((1000, 10),), ()) and x.best(COIN) == (1000, 0)
    order = x.order(ALICE, COIN, client_text="a-1")
    assert order is not None and x.open_orders(ALICE) == [order] == x.open_orders(ALICE, COIN)
    assert x.open_orders(ALICE, PAIR) == [] and x.order(ALICE, PAIR, client_text="a-1") is None


def test_a_trade_pays_fees_from_what_each_side_receives() -> None:
    x = exchange()
    x.step(place(ALICE, SELL, 1000, 10))
    outputs = x.step(place(BOB, BUY, 1010, 4))
    assert executions(outputs) == [
        (NEW, 2, STATUS.NEW, 0, 0),
        (TRADE, 2, STATUS.FILLED, 4, 4),
        (TRADE, 1, STATUS.PARTIALLY_FILLED, 4, 4),
    ]
    taken, made = [each for each in outputs if isinstance(each, Execution) and each.kind == TRADE]
    assert (taken.fee_atoms, taken.fee_asset, taken.maker, taken.last_price_ticks) == (0, "COIN", False, 1000)
    assert (made.fee_atoms, made.fee_asset, made.maker, made.trade_id) == (atoms("0.0008"), "CASH", True, 1)
    (public,) = public_trades(outputs)
    assert (public.trade_id, public.price_ticks, public.size_lots, public.buyer_is_maker) == (
        1,
        1000,
        4,
        False,
    )
    assert depth_changes(outputs)[0].asks == ((1000, 6),)
    assert x.balances(BOB) == {
        "COIN": (atoms("100.4"), 0),
        "CASH": (atoms("996"), 0),
        "NOTE": (0, 0),
    }
    assert x.balances(ALICE)["COIN"] == (atoms("99"), atoms("0.6"))
    assert x.balances(ALICE)["CASH"] == (atoms("1003.9992"), 0)
    assert x.public_trades(COIN) == [public]
    (mine,) = x.trades(BOB, COIN)
    assert (mine.trade_id, mine.order_id, mine.side, mine.size_lots, mine.maker) == (1, 2, BUY, 4, False)


def test_outputs_keep_what_was_true_when_they_were_made() -> None:
    x = exchange()
    first = x.step(place(ALICE, SELL, 1000, 10))[0]
    x.step(place(BOB, BUY, 1000, 4))
    x.step(CancelPlaced(1, ALICE, COIN, 1))
    assert isinstance(first, Execution)
    assert (first.order.status, first.order.filled_lots) == (STATUS.NEW, 0)


def test_a_taker_that_crosses_and_rests_changes_both_sides_in_one_update() -> None:
    x = exchange()
    x.step(place(ALICE, SELL, 1000, 5))
    outputs = x.step(place(BOB, BUY, 1001, 8))
    (change,) = depth_changes(outputs)
    assert (change.update_id, change.bids, change.asks) == (2, ((1001, 3),), ((1000, 0),))
    assert x.balances(BOB)["CASH"] == (atoms("1000") - atoms("5") - atoms("3.003"), atoms("3.003"))


def test_a_cancel_unlocks_and_answers_the_text_it_was_asked_with() -> None:
    x = exchange()
    x.step(place(ALICE, SELL, 1000, 5, text="mine"))
    outputs = x.step(CancelPlaced(7, ALICE, COIN, client_text="mine"))
    assert executions(outputs) == [(CANCELED, 1, STATUS.CANCELED, 0, 0)]
    assert isinstance(outputs[0], Execution) and outputs[0].cancel_client_text == "mine"
    assert depth_changes(outputs)[0].asks == ((1000, 0),)
    assert x.balances(ALICE)["COIN"] == (atoms("100"), 0)
    again = x.step(CancelPlaced(8, ALICE, COIN, client_text="mine"))
    assert again == [Refused(ALICE, ExchangeErrorKind.UNKNOWN_ORDER, "mine", COIN)]
    kept = x.order(ALICE, COIN, order_id=1)
    assert kept is not None and (kept.status, kept.updated_ns) == (STATUS.CANCELED, 7)


def test_nobody_cancels_the_orders_of_another() -> None:
    x = exchange()
    x.step(place(ALICE, SELL, 1000, 5, text="mine"))
    assert refusal(x.step(CancelPlaced(1, BOB, COIN, 1))) == ExchangeErrorKind.UNKNOWN_ORDER
    assert refusal(x.step(CancelPlaced(1, BOB, COIN, 0, "mine"))) == ExchangeErrorKind.UNKNOWN_ORDER
    assert refusal(x.step(CancelPlaced(1, ALICE, PAIR, 1))) == ExchangeErrorKind.UNKNOWN_ORDER


def test_cancel_all_ends_every_order_of_one_market_in_one_update() -> None:
    x = exchange()
    for price in (990, 990, 980):
        x.step(place(ALICE, BUY, price, 5))
    x.step(place(ALICE, SELL, 1100, 5))
    x.step(place(ALICE, BUY, 990, 5, instrument=PAIR))
    outputs = x.step(CancelAllPlaced(1, ALICE, COIN))
    assert [each[:2] for each in executions(outputs)] == [(CANCELED, order_id) for order_id in (1, 2, 3, 4)]
    (change,) = depth_changes(outputs)
    assert (change.bids, change.asks) == (((990, 0), (980, 0)), ((1100, 0),))
    assert len(x.open_orders(ALICE)) == 1
    assert refusal(x.step(CancelAllPlaced(1, ALICE, COIN))) == ExchangeErrorKind.NOTHING_OPEN


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        (place(ALICE, BUY, 1000, 10, instrument=2), ExchangeErrorKind.UNKNOWN_INSTRUMENT),
        (place(ALICE, BUY, 1000, 10, instrument=-1), ExchangeErrorKind.UNKNOWN_INSTRUMENT),
        (CancelAllPlaced(1, ALICE, 9), ExchangeErrorKind.UNKNOWN_INSTRUMENT),
        (place(ALICE, BUY, 0, 10), ExchangeErrorKind.PRICE_FILTER),
        (place(ALICE, BUY, 5, 10, MARKET), ExchangeErrorKind.PRICE_FILTER),
        (place(ALICE, BUY, 1000, 0), ExchangeErrorKind.LOT_SIZE),
        (place(ALICE, BUY, 1000, 10_001), ExchangeErrorKind.LOT_SIZE),
        (place(ALICE, BUY, 99, 1), ExchangeErrorKind.NOTIONAL),
        (place(FLOW, BUY, 1 << 50, 10_000), ExchangeErrorKind.NOTIONAL),
        (place(ALICE, BUY, 1000, 1_001), ExchangeErrorKind.BALANCE),
        (place(ALICE, SELL, 1000, 1_001), ExchangeErrorKind.BALANCE),
        (place(ALICE, BUY, 1000, 10, text="no spaces"), ExchangeErrorKind.BAD_CLIENT_ID),
        (place(ALICE, BUY, 1000, 10, text="x" * 37), ExchangeErrorKind.BAD_CLIENT_ID),
        (place(ALICE, BUY, 1000, 10, text="open"), ExchangeErrorKind.DUPLICATE_CLIENT_ID),
        (place(ALICE, BUY, 1200, 10, POST), ExchangeErrorKind.WOULD_TAKE),
        (place(ALICE, SELL, 0, 10, MARKET, instrument=PAIR), ExchangeErrorKind.NO_LIQUIDITY),
    ],
)
def test_a_refused_command_changes_nothing(command: object, kind: ExchangeErrorKind) -> None:
    x = exchange()
    x.step(place(ALICE, BUY, 900, 10, text="open"))
    x.step(place(FLOW, SELL, 1100, 10))
    before = x.state_hash()
    outputs = x.step(command)  # type: ignore[arg-type]
    assert len(outputs) == 1 and refusal(outputs) == kind
    assert x.state_hash() == before


def test_a_market_order_is_valued_at_the_last_price() -> None:
    x = Exchange(small_config(markets=[{**small_config().markets[0].model_dump(), "notional_min": "5"}]))
    x.step(place(FLOW, SELL, 100, 100))
    assert refusal(x.step(place(ALICE, BUY, 0, 4, MARKET))) == ExchangeErrorKind.NOTIONAL
    assert refusal(x.step(place(ALICE, BUY, 0, 5, MARKET))) is None
    assert refusal(x.step(place(ALICE, BUY, 0, 5, MARKET))) == ExchangeErrorKind.NOTIONAL


def test_a_market_buy_spends_no_more_than_there_is() -> None:
    x = exchange()
    x.step(place(FLOW, SELL, 1000, 500))
    x.step(place(FLOW, SELL, 2000, 5000))
    assert refusal(x.step(place(ALICE, BUY, 0, 1001, MARKET))) == ExchangeErrorKind.BALANCE
    outputs = x.step(place(ALICE, BUY, 0, 900, MARKET))
    assert executions(outputs)[-1] == (KIND.EXPIRED, 3, STATUS.EXPIRED, 750, 0)
    assert x.balances(ALICE)["CASH"] == (0, 0)
    order = x.order(ALICE, COIN, 3)
    assert order is not None and order.filled_notional_atoms == atoms("1000")


def test_a_market_sell_and_an_unlimited_market_buy_take_what_is_there() -> None:
    x = exchange()
    x.step(place(ALICE, BUY, 1000, 10))
    assert executions(x.step(place(BOB, SELL, 0, 25, MARKET)))[-1] == (KIND.EXPIRED, 2, STATUS.EXPIRED, 10, 0)
    x.step(place(ALICE, SELL, 1000, 10))
    assert executions(x.step(place(FLOW, BUY, 0, 10, MARKET)))[1][:4] == (TRADE, 4, STATUS.FILLED, 10)
    assert x.balances(FLOW)["CASH"][0] < 0


def test_immediate_orders_end_at_once() -> None:
    x = exchange()
    x.step(place(ALICE, SELL, 1000, 10))
    assert executions(x.step(place(BOB, BUY, 1000, 11, FOK))) == [
        (NEW, 2, STATUS.NEW, 0, 0),
        (KIND.EXPIRED, 2, STATUS.EXPIRED, 0, 0),
    ]
    outputs = x.step(place(BOB, BUY, 1000, 11, IOC))
    assert executions(outputs)[-1] == (KIND.EXPIRED, 3, STATUS.EXPIRED, 10, 0)
    assert x.depth(COIN, 5) == (2, (), ())
    assert x.balances(BOB)["CASH"] == (atoms("990"), 0)


@pytest.mark.parametrize(
    ("self_trade", "taker_ends", "maker_ends"),
    [
        (SelfTradePrevention.EXPIRE_TAKER, STATUS.EXPIRED_IN_MATCH, STATUS.NEW),
        (SelfTradePrevention.EXPIRE_MAKER, STATUS.NEW, STATUS.EXPIRED_IN_MATCH),
        (SelfTradePrevention.EXPIRE_BOTH, STATUS.EXPIRED_IN_MATCH, STATUS.EXPIRED_IN_MATCH),
        (SelfTradePrevention.NONE, STATUS.FILLED, STATUS.FILLED),
    ],
)
def test_an_account_that_meets_itself(
    self_trade: SelfTradePrevention, taker_ends: OrderStatusKind, maker_ends: OrderStatusKind
) -> None:
    x = exchange()
    x.step(place(ALICE, SELL, 1000, 10))
    outputs = x.step(place(ALICE, BUY, 1000, 10, self_trade=self_trade))
    maker, taker = x.order(ALICE, COIN, 1), x.order(ALICE, COIN, 2)
    assert maker is not None and taker is not None
    assert (taker.status, maker.status) == (taker_ends, maker_ends)
    ended = [each[1] for each in executions(outputs) if each[0] == KIND.TRADE_PREVENTION]
    assert ended == [order.order_id for order in (maker, taker) if order.status == STATUS.EXPIRED_IN_MATCH]
    locked = sum(x.balances(ALICE)[asset][1] for asset in ("COIN", "CASH"))
    assert locked == sum(atoms("10") if order.side == BUY else atoms("1") for order in x.open_orders(ALICE))


def test_open_orders_are_bounded_per_account_and_market() -> None:
    x = Exchange(small_config(open_orders_max=2))
    for _ in range(2):
        x.step(place(ALICE, BUY, 1000, 1))
    assert refusal(x.step(place(ALICE, BUY, 1000, 1))) == ExchangeErrorKind.TOO_MANY_ORDERS
    assert refusal(x.step(place(ALICE, BUY, 1000, 1, instrument=PAIR))) is None
    assert refusal(x.step(place(BOB, BUY, 1000, 1))) is None


def test_a_full_book_refuses_what_may_rest() -> None:
    x = Exchange(small_config(engine_orders_max=1))
    x.step(place(ALICE, BUY, 1000, 1))
    assert refusal(x.step(place(BOB, BUY, 1000, 1))) == ExchangeErrorKind.TOO_MANY_ORDERS
    assert refusal(x.step(place(BOB, SELL, 1000, 1, IOC))) is None


def test_a_client_text_is_free_again_once_its_order_ended() -> None:
    x = exchange()
    x.step(place(ALICE, BUY, 1000, 1, text="t"))
    x.step(CancelPlaced(1, ALICE, COIN, 1))
    assert refusal(x.step(place(ALICE, BUY, 1000, 2, text="t"))) is None
    newest = x.order(ALICE, COIN, client_text="t")
    assert newest is not None and newest.order_id == 2
    x.step(place(ALICE, BUY, 1000, 3))
    chosen = x.order(ALICE, COIN, 3)
    assert chosen is not None and x.order(ALICE, COIN, client_text=chosen.client_text) == chosen


def test_ended_orders_and_trades_are_forgotten_oldest_first() -> None:
    x = Exchange(
        small_config(ended_orders_kept=3, account_trades_kept=2, public_trades_kept=2, unlimited_kept=1)
    )
    for at in range(5):
        x.step(place(ALICE, SELL, 1000, 1, text=f"a{at}"))
        x.step(place(FLOW, BUY, 1000, 1))
    assert [order.order_id for order in x.all_orders(ALICE, COIN)] == [5, 7, 9]
    assert x.order(ALICE, COIN, client_text="a0") is None and x.order(ALICE, COIN, 1) is None
    assert [trade.trade_id for trade in x.trades(ALICE, COIN)] == [4, 5]
    assert [trade.trade_id for trade in x.public_trades(COIN)] == [4, 5]
    assert len(x.all_orders(FLOW, COIN)) == len(x.trades(FLOW, COIN)) == 1


def test_lists_go_on_from_an_id_up_to_a_limit() -> None:
    x = exchange()
    for at in range(6):
        x.step(place(ALICE, SELL, 1000, 1))
        x.step(place(BOB, BUY, 1000, 1, IOC))
        x.step(place(ALICE, BUY, 900 + at, 2))
    assert [each.trade_id for each in x.trades(ALICE, COIN, from_id=3, limit=2)] == [3, 4]
    assert [each.trade_id for each in x.trades(ALICE, COIN, limit=2)] == [5, 6]
    assert [each.trade_id for each in x.trades(ALICE, COIN, from_id=7)] == []
    assert [each.order_id for each in x.all_orders(ALICE, COIN, from_id=4, limit=3)] == [4, 6, 7]
    assert [each.order_id for each in x.all_orders(ALICE, COIN, limit=2)] == [16, 18]
    assert [each.trade_id for each in x.public_trades(COIN, 1)] == [6]


def test_updates_and_trades_are_contiguous_per_market_and_rebuild_the_book() -> None:
    x = exchange()
    books: list[dict[int, dict[int, int]]] = [{BUY: {}, SELL: {}}, {BUY: {}, SELL: {}}]
    updates, trades = [0, 0], [0, 0]
    for command in random_commands(3, 4_000):
        outputs = x.step(command)
        for trade in public_trades(outputs):
            trades[trade.instrument] += 1
            assert trade.trade_id == trades[trade.instrument]
        for change in depth_changes(outputs):
            updates[change.instrument] += 1
            assert change.update_id == updates[change.instrument]
            for side, levels in ((BUY, change.bids), (SELL, change.asks)):
                books[change.instrument][side].update(levels)
    for instrument, sides in enumerate(books):
        bids = tuple(sorted(((p, s) for p, s in sides[BUY].items() if s), reverse=True))
        asks = tuple(sorted((p, s) for p, s in sides[SELL].items() if s))
        assert x.depth(instrument, 1000) == (updates[instrument], bids, asks)
        assert len(bids) + len(asks) > 4 and trades[instrument] > 100


def test_the_same_commands_give_the_same_state_and_others_another() -> None:
    hashes = []
    for seed in (5, 5, 6):
        x = exchange()
        for command in random_commands(seed, 1_500):
            x.step(command)
        hashes.append(x.state_hash())
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_restored_exchange_goes_on_exactly_like_the_one_it_was_taken_of() -> None:
    x = Exchange(small_config(ended_orders_kept=50))
    commands = random_commands(8, 3_000)
    for command in commands[:1_500]:
        x.step(command)
    y = Exchange.restore(x.config, x.snapshot())
    assert y.state_hash() == x.state_hash()
    assert y.orders.texts == x.orders.texts
    for command in commands[1_500:]:
        assert y.step(command) == x.step(command)
    assert y.state_hash() == x.state_hash()


def test_a_snapshot_of_another_config_or_of_rubbish_is_refused() -> None:
    x = exchange()
    other = small_config(taker_fee_ppm=501)
    with pytest.raises(SwarmError, match="another config") as caught:
        Exchange.restore(other, x.snapshot())
    assert caught.value.code == ExitCode.JOURNAL_BROKEN
    with pytest.raises(SwarmError, match="cannot be read"):
        Exchange.restore(x.config, b"\xc1 rubbish")


def test_prices_and_ids_never_meet_a_float() -> None:
    x = exchange()
    x.step(place(ALICE, SELL, 1000, 3, GTC))
    (order,) = x.open_orders(ALICE)
    assert isinstance(order, PlacedOrder)
    assert all(isinstance(each, int) for row in x.accounts.free for each in row)
    assert x.accounts.total(x.config.assets.index("CASH")) == 2000 * ATOMS_PER_UNIT
