"""A node's complete state as data: what `state` gives, `restore` takes back, also under a changed config."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from agents.account import Account
from agents.agent import Agent, Holding
from agents.consult import restore, state_of
from agents.market import Market
from agents.minds import MindsState
from agents.order import Order
from agents.reconcile import block
from agents.rescale import Rescale
from domain.desire import Desire

if TYPE_CHECKING:
    from agents.node import Node

_RISK_FIELDS = (
    "position_lots",
    "gross_atoms",
    "message_due_ns",
    "last_side",
    "last_price_ticks",
    "last_size_lots",
    "last_repeats",
    "last_first_ns",
)
_AGENT_FIELDS = (
    "sequence",
    "id_base",
    "reserve_at",
    "reserved_upto",
    "hold_buy_ns",
    "hold_sell_ns",
    "lifecycle",
    "fault",
    "warm_left",
    "intended",
    "approved",
    "refused",
    "filled",
)
_ACCOUNT_FIELDS = (
    "opened",
    "link_up",
    "ready",
    "matched",
    "activity",
    "asked_activity",
    "asked_ns",
    "fetch_due_ns",
    "heard_ns",
    "difference",
)
_MANDATE_FIELDS = (
    "fence_epoch",
    "seen_epoch",
    "lapsed_ns",
    "halt_command_id",
    "halt_reason",
    "stopping",
    "move_command_id",
    "move_answer",
)
_GATE_FIELDS = (
    "budget_atoms",
    "epoch",
    "expires_ns",
    "gross_atoms",
    "halted",
    "message_due_ns",
    "reduce_only",
)
_MARKET_FIELDS = ("bid_ticks", "ask_ticks", "touched_ns", "stale", "rate_num", "rate_den")

Facts = dict[str, int | bool | str | dict[str, int]]


class AgentState(msgspec.Struct, array_like=True):
    """One agent, apart from its orders."""

    shard: int
    strategy: str
    strategy_state: bytes
    holding: Holding
    desire: Desire | None
    risk: Facts
    facts: Facts
    market: str = ""


class MarketState(msgspec.Struct, array_like=True):
    """One market; `key` finds it again when the venue's list has changed."""

    index: int
    key: str
    linked: bool
    signal_bps: float | None
    watermark: int
    above: list[int]
    risk: Facts
    lot_atoms: int
    tick_lot_atoms: int


class AccountState(msgspec.Struct, array_like=True):
    """One venue account."""

    venue: str
    totals: dict[str, int]
    unexplained: dict[str, tuple[int, ...]]
    facts: Facts


class NodeState(msgspec.Struct, array_like=True):
    """Everything that decides what a node does next."""

    now_ns: int
    fills: int
    ticks: int
    alarms: list[str]
    gate: Facts
    mandate: Facts
    accounts: list[AccountState]
    markets: list[MarketState]
    pipeline: bytes
    agents: list[AgentState]
    working: list[Order]
    closed: list[Order]
    reporting_currency: str
    worked: int = 0
    groups: dict[str, bytes] = {}
    minds: MindsState | None = None


_ENCODER, _DECODER = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(NodeState)


def _facts(thing: object, names: tuple[str, ...]) -> Facts:
    return {name: getattr(thing, name) for name in names}


def _take(thing: object, facts: Facts) -> None:
    for name, fact in facts.items():
        setattr(thing, name, fact)


def encode_state(node: Node) -> bytes:
    """Write a node down."""
    desk = node.desk
    return _ENCODER.encode(
        NodeState(
            desk.now_ns,
            desk.fills,
            node.ticks,
            desk.alarms,
            _facts(node.gate, _GATE_FIELDS),
            _facts(node.mandate, _MANDATE_FIELDS),
            [_account_state(account) for account in node.accounts.values()],
            [_market_state(market) for market in node.markets.values()],
            node.pipeline.state(),
            [_agent_state(agent) for agent in desk.agents.values()],
            list(desk.working.values()),
            [desk.closed[number] for number in desk.ended],
            node.config.reporting_currency,
            node.worked,
            {group.config.name: group.state() for group in node.groups},
            node.minds.state(),
        )
    )


def _account_state(account: Account) -> AccountState:
    totals = {asset: wallet.total_atoms for asset, wallet in account.wallets.items()}
    return AccountState(account.venue, totals, account.unexplained, _facts(account, _ACCOUNT_FIELDS))


def _market_state(market: Market) -> MarketState:
    return MarketState(
        market.instrument.index,
        market.instrument.key,
        market.linked,
        market.signal_bps,
        market.trades.watermark,
        sorted(market.trades.above),
        _facts(market.risk, _MARKET_FIELDS),
        market.instrument.lot_atoms,
        market.instrument.tick_lot_atoms,
    )


def _agent_state(agent: Agent) -> AgentState:
    return AgentState(
        agent.shard,
        agent.config.strategy,
        state_of(agent),
        agent.holding,
        agent.desire,
        _facts(agent.risk, _RISK_FIELDS),
        _facts(agent, _AGENT_FIELDS),
        agent.market.instrument.key,
    )


def decode_state(node: Node, state: bytes) -> None:
    """Fill a new node with a state; what the config no longer has is left to reconciliation."""
    kept = _DECODER.decode(state)
    desk = node.desk
    desk.now_ns, desk.fills, desk.alarms = kept.now_ns, kept.fills, kept.alarms
    node.pipeline.restore(kept.pipeline)
    node.ticks_before = kept.ticks - node.pipeline.ticks
    node.worked = kept.worked
    _take(node.gate, kept.gate)
    _take(node.mandate, kept.mandate)
    places, scales = _restore_markets(node, kept.markets)
    if kept.reporting_currency != node.config.reporting_currency:
        _forget_rates(node)
    for account_state in kept.accounts:
        if account_state.venue in node.accounts:
            _restore_account(node.accounts[account_state.venue], account_state, places)
    for agent_state in kept.agents:
        agent = desk.agents.get(agent_state.shard)
        if agent is not None and agent_state.market in ("", agent.market.instrument.key):
            _restore_agent(agent, agent_state, scales.get(agent.instrument))
    node.gate.gross_atoms = sum(agent.risk.gross_atoms for agent in desk.agents.values())
    for order in kept.closed:
        order.instrument = places.get(order.instrument, -1)
        desk.closed[order.client_id] = order
        desk.ended.append(order.client_id)
    for order in kept.working:
        order.instrument = places.get(order.instrument, -1)
        known = desk.agents.get(order.agent)
        if known is not None and known.instrument == order.instrument:
            if order.instrument in scales:
                scales[order.instrument].order(order)
            desk.count(order)
    for account in node.accounts.values():
        block(desk, account)
    if kept.minds is not None:
        node.minds.restore(kept.minds)
    for group in node.groups:
        if group.config.name in kept.groups:
            group.restore(kept.groups[group.config.name])


def _forget_rates(node: Node) -> None:
    """Rates into another currency say nothing; until new ones come nothing can be valued, or sent."""
    for market in node.markets.values():
        market.risk.rate_num = int(market.instrument.quote == node.config.reporting_currency)
        market.risk.rate_den = 1


def _restore_markets(node: Node, states: list[MarketState]) -> tuple[dict[int, int], dict[int, Rescale]]:
    """Fill markets by key; give the new place of each old index, and what has new ticks or lots."""
    by_key = {market.instrument.key: market for market in node.markets.values()}
    places: dict[int, int] = {}
    scales: dict[int, Rescale] = {}
    for kept in states:
        market = by_key.get(kept.key)
        if market is None:
            continue
        places[kept.index] = market.instrument.index
        market.trades.watermark, market.trades.above = kept.watermark, set(kept.above)
        scale = Rescale(market.instrument, kept.lot_atoms, kept.tick_lot_atoms)
        if scale.needed:
            scales[market.instrument.index] = scale
            continue
        market.linked, market.signal_bps = kept.linked, kept.signal_bps
        _take(market.risk, kept.risk)
    return places, scales


def _restore_account(account: Account, kept: AccountState, places: dict[int, int]) -> None:
    _take(account, kept.facts)
    for asset, total_atoms in kept.totals.items():
        account.wallet(asset).total_atoms = total_atoms
    account.unexplained = {
        key: tuple(places[index] for index in indices if index in places)
        for key, indices in kept.unexplained.items()
    }


def _restore_agent(agent: Agent, kept: AgentState, scale: Rescale | None) -> None:
    agent.holding = kept.holding
    if scale is not None:
        # A strategy's own figures may be in ticks and lots, so it begins anew.
        warm_left = agent.warm_left
        _take(agent.risk, kept.risk)
        _take(agent, kept.facts)
        agent.risk.position_lots, agent.warm_left = scale.lots(agent.risk.position_lots), warm_left
        agent.holding.offset_lots = scale.lots(agent.holding.offset_lots)
        return
    if kept.desire is not None and kept.desire.instrument == agent.instrument:
        agent.desire = kept.desire
    _take(agent.risk, kept.risk)
    _take(agent, kept.facts)
    if kept.strategy == agent.config.strategy:
        restore(agent, kept.strategy_state)
