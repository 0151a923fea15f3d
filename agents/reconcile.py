"""Compare an account snapshot with what we hold to be true, and settle what differs.

The venue is right about quantity, we are right about attribution. What neither explains blocks new risk.
"""

from __future__ import annotations

from agents.account import RETRY_NS, Account
from agents.desk import Desk
from agents.market import Market
from agents.order import NO_END
from agents.orders import Actions
from domain.actions import CancelOrder
from domain.ids import client_id_parts, client_id_text
from domain.order_events import AccountSnapshot, OpenOrder
from domain.units import atoms_text


def reconcile(
    desk: Desk, account: Account, event: AccountSnapshot, reconcile_ns: int, stopping: bool, out: Actions
) -> None:
    """Apply fills, settle open orders, then compare balances where nothing moved meanwhile."""
    now_ns, asked_ns, account.asked_ns = desk.now_ns, account.asked_ns, 0
    asked = asked_ns > 0
    account.heard_ns = now_ns
    comparable = asked and account.activity == account.asked_activity
    if account.opened:
        for fill in event.fills:
            comparable = not desk.filled(fill, out) and comparable
    elif comparable:
        account.open_with(event)
    if account.opened:
        _complete(desk, event)
    # What nobody asked for was read at a time that nobody knows: it proves no end.
    _settle_orders(desk, account, event, asked_ns, out)
    if asked:
        _settle_ends(desk, account, event, asked_ns, comparable, out)
    restless = [
        order
        for order in desk.working.values()
        if desk.markets[order.instrument].account is account and (order.in_flight or order.cancel_wanted)
    ]
    if comparable and not restless:
        _settle_balances(desk, account, event, out)
    else:
        account.difference = {}
    block(desk, account)
    if not account.ready or (stopping and not account.matched):
        account.want_fetch(now_ns + RETRY_NS)
    elif not comparable or account.difference:
        account.want_fetch(now_ns + 4 * RETRY_NS)
    else:
        account.want_fetch(now_ns + reconcile_ns)


def block(desk: Desk, account: Account) -> None:
    """Block new risk where something is unexplained, and only there."""
    for market in desk.markets.values():
        if market.account is account:
            index = market.instrument.index
            market.risk.blocked = any(index in blocked for blocked in account.unexplained.values())


def _complete(desk: Desk, event: AccountSnapshot) -> None:
    newest: dict[int, int] = {}
    for fill in event.fills:
        newest[fill.instrument] = max(fill.trade_id, newest.get(fill.instrument, 0))
    for instrument, trade_id in newest.items():
        if instrument in desk.markets:
            desk.markets[instrument].trades.complete(trade_id)


def _settle_orders(desk: Desk, account: Account, event: AccountSnapshot, asked_ns: int, out: Actions) -> None:
    ours: dict[int, OpenOrder] = {}
    strange: dict[str, int] = {}
    for listed in event.open_orders:
        if not _is_ours(desk, listed):
            strange[f"order {listed.client_text or listed.venue_order_id}"] = listed.instrument
        elif (ended := desk.closed.get(listed.client_id)) is None:
            ours[listed.client_id] = listed
        elif ended.changed_ns < asked_ns:
            strange[f"order {client_id_text(listed.client_id)} that had ended"] = listed.instrument
            out.append(CancelOrder(listed.client_id, listed.instrument))
    for listed in ours.values():
        desk.listed_open(listed, out)
    for order in list(desk.working.values()):
        if order.client_id not in ours and desk.markets[order.instrument].account is account:
            desk.unlisted(order, asked_ns)
    for key in [key for key in account.unexplained if key.startswith("order ") and key not in strange]:
        del account.unexplained[key]
    for key, instrument in strange.items():
        if account.unexplain(key, (instrument,)):
            desk.alarm("order-not-ours", f"{account.venue} {key}", out)


def _settle_ends(
    desk: Desk, account: Account, event: AccountSnapshot, asked_ns: int, comparable: bool, out: Actions
) -> None:
    """End orders that the venue ended earlier, and that seem to owe fills which are not to come.

    Equal balances say that the fills were counted already, before the order was known here. Where balances
    differ, the venue gets the time of a submit to list the trades.
    """
    owing = [
        order
        for order in desk.working.values()
        if order.end_state != NO_END
        and order.end_ns < asked_ns
        and desk.markets[order.instrument].account is account
    ]
    difference = account.compare(event) if owing and comparable else {}
    for order in owing:
        instrument = desk.markets[order.instrument].instrument
        agrees = comparable and instrument.base not in difference and instrument.quote not in difference
        if agrees or asked_ns - order.end_ns >= desk.submit_window_ns:
            desk.owes_nothing(order, agrees, out)


def _is_ours(desk: Desk, listed: OpenOrder) -> bool:
    agent = desk.agents.get(client_id_parts(listed.client_id)[0]) if listed.client_id > 0 else None
    return agent is not None and agent.instrument == listed.instrument


def _settle_balances(desk: Desk, account: Account, event: AccountSnapshot, out: Actions) -> None:
    difference = account.compare(event)
    confirmed = difference == account.difference
    account.difference = difference
    if difference and not confirmed:
        # One more look: the venue gathers balances, orders and trades one after another.
        account.matched = False
        return
    for asset in [asset for asset, atoms in difference.items() if account.explained(asset, atoms)]:
        del difference[asset]
    account.matched, account.ready = not difference, True
    for key in [key for key in account.unexplained if key.startswith("balance ")]:
        if key.split(" ")[1] not in difference:
            del account.unexplained[key]
    for asset, atoms in difference.items():
        touched = tuple(
            market.instrument.index
            for market in desk.markets.values()
            if market.account is account and asset in (market.instrument.base, market.instrument.quote)
        )
        if account.unexplain(f"balance {asset}", touched):
            desk.alarm("balance-unexplained", f"{account.venue} {asset} {atoms_text(atoms)}", out)


def since(account: Account, markets: dict[int, Market]) -> tuple[tuple[int, int], ...]:
    """Give, per market to ask about, the trade id after which fills are asked for.

    Every market is asked about until the account is explained. From then on a market with nothing under way
    and no trade above its watermark owes none: one that nobody told us of would show in the balances, and
    then all are asked about again. A question for each of a thousand markets takes longer than a venue's
    limits leave from one reconciliation to the next.
    """
    everything = not account.matched or bool(account.difference) or bool(account.unexplained)
    return tuple(
        (index, market.trades.watermark)
        for index, market in sorted(markets.items())
        if market.account is account
        and (
            everything
            or market.trades.above
            or any(agent.orders for agent in (*market.agents, *market.hands))
        )
    )
