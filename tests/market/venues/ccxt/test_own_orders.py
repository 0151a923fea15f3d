"""Whose an order is, as far as anybody told; what is remembered is bounded."""

from __future__ import annotations

from domain.ids import client_id_text
from market.venues.ccxt.own_orders import REMEMBERED_MAX, OwnOrders
from tests.market.venues.ccxt.builders import ONE, TWO


def test_our_name_on_an_order_ties_its_id_to_it() -> None:
    orders = OwnOrders()
    assert orders.learn({"id": "77", "clientOrderId": client_id_text(ONE)}) == ONE
    assert (orders.owner("77"), orders.text(ONE), orders.text(TWO)) == (ONE, "77", None)
    assert orders.learn({"id": "77", "clientOrderId": None}) == ONE
    assert orders.learn({"id": None, "clientOrderId": client_id_text(TWO)}) == TWO
    assert orders.text(TWO) is None


def test_a_strangers_order_is_nobodys_until_it_turns_out_to_be_ours() -> None:
    orders = OwnOrders()
    assert orders.learn({"id": "9", "clientOrderId": "web_1"}) is None and orders.owner("9") is None
    orders.strange("9")
    assert orders.owner("9") == 0 and orders.learn({"id": "9"}) == 0
    assert orders.learn({"id": "9", "clientOrderId": client_id_text(ONE)}) == ONE == orders.owner("9")


def test_news_are_news_once() -> None:
    orders = OwnOrders()
    assert [orders.news(ONE, "OrderAcked"), orders.news(ONE, "OrderAcked")] == [True, False]
    assert orders.news(ONE, "OrderClosed") and orders.news(TWO, "OrderAcked")


def test_the_oldest_is_forgotten_first() -> None:
    orders = OwnOrders()
    for number in range(REMEMBERED_MAX + 10):
        orders.tie(number, str(number))
    assert orders.owner("9") is None and orders.owner("10") == 10
    assert len(orders._clients) == len(orders._texts) == REMEMBERED_MAX
