"""The pre-trade gate: the only maker of approvals. Integers only, no clock, no way around."""

from __future__ import annotations

from domain.order import (
    ApprovedOrder,
    OrderIntent,
    RefusalReason,
    RefusedOrder,
    TimeInForce,
    claim_seal,
)
from risk.exposure import AgentRisk, MarketRisk
from risk.limits import NodeLimits

_SEAL = claim_seal()
_MARKET = int(TimeInForce.MARKET)
_FIGURE_MAX = (1 << 63) - 1

_HALTED = int(RefusalReason.HALTED)
_NO_LEASE = int(RefusalReason.NO_LEASE)
_REDUCE_ONLY = int(RefusalReason.REDUCE_ONLY)
_STALE_MARKET = int(RefusalReason.STALE_MARKET)
_SIZE_ZERO = int(RefusalReason.SIZE_ZERO)
_SIZE_MIN = int(RefusalReason.SIZE_MIN)
_SIZE_MAX = int(RefusalReason.SIZE_MAX)
_NOTIONAL_MIN = int(RefusalReason.NOTIONAL_MIN)
_NOTIONAL_MAX = int(RefusalReason.NOTIONAL_MAX)
_PRICE_COLLAR = int(RefusalReason.PRICE_COLLAR)
_POSITION = int(RefusalReason.POSITION)
_IN_FLIGHT = int(RefusalReason.IN_FLIGHT)
_MESSAGE_RATE = int(RefusalReason.MESSAGE_RATE)
_BUDGET = int(RefusalReason.BUDGET)
_SELF_MATCH = int(RefusalReason.SELF_MATCH)
_BALANCE = int(RefusalReason.BALANCE)
_BAD_PRICE = int(RefusalReason.BAD_PRICE)
_UNEXPLAINED = int(RefusalReason.UNEXPLAINED)
_DUPLICATE_STORM = int(RefusalReason.DUPLICATE_STORM)


def _refused(intent: OrderIntent, reason: int, figure: int, limit: int) -> RefusedOrder:
    return RefusedOrder(
        intent,
        reason,
        max(-_FIGURE_MAX, min(_FIGURE_MAX, figure)),
        max(-_FIGURE_MAX, min(_FIGURE_MAX, limit)),
    )


def _storm(intent: OrderIntent, agent: AgentRisk, now_ns: int) -> RefusedOrder | None:
    """Refuse the same order again and again; the only check that remembers what it saw."""
    if now_ns - agent.last_first_ns > agent.duplicate_window_ns:
        agent.last_first_ns, agent.last_repeats = now_ns, 0
    elif agent.last_repeats >= agent.duplicate_max:
        return _refused(intent, _DUPLICATE_STORM, agent.last_repeats + 1, agent.duplicate_max)
    agent.last_repeats += 1
    return None


class Gate:
    """Check every intent of a node against its limits, its lease and the markets.

    Message rates are bucketed: `message_due_ns` runs ahead of time by one interval a message, and may
    be ahead by a burst at most. Cancels push it too, but are never refused.
    """

    __slots__ = (
        "budget_atoms",
        "epoch",
        "expires_ns",
        "gross_atoms",
        "gross_atoms_max",
        "halted",
        "in_flight",
        "in_flight_max",
        "market_age_ns_max",
        "message_burst_ns",
        "message_due_ns",
        "message_interval_ns",
        "reduce_only",
    )

    def __init__(self, limits: NodeLimits) -> None:
        self.gross_atoms_max = limits.gross_value_atoms_max
        self.in_flight_max = limits.in_flight_max
        self.message_interval_ns = 1_000_000_000 // limits.messages_per_s
        self.message_burst_ns = self.message_interval_ns * limits.messages_burst
        self.market_age_ns_max = limits.market_age_ms_max * 1_000_000
        self.halted = self.reduce_only = False
        self.epoch = self.expires_ns = self.budget_atoms = 0
        self.gross_atoms = self.in_flight = self.message_due_ns = 0

    def check(
        self, intent: OrderIntent, agent: AgentRisk, market: MarketRisk, now_ns: int, client_id: int
    ) -> ApprovedOrder | RefusedOrder:
        """Approve an intent, counting it from now on under its id, or refuse it with figure and limit."""
        refusal = self.refused_outright(intent, agent, market, now_ns)
        if refusal is not None:
            return refusal
        # From here on in one piece: calls would cost more than the checks, between a tick and its order.
        side, size, price = intent.side, intent.size_lots, intent.price_ticks
        position, buy_lots, sell_lots = agent.position_lots, agent.buy_lots, agent.sell_lots
        if side > 0:
            buy_lots += size
            grown, shrinks = position + buy_lots, buy_lots <= -position
        else:
            sell_lots += size
            grown, shrinks = sell_lots - position, sell_lots <= position
        tick_lot = market.tick_lot_atoms
        unit_num = (market.bid_ticks + market.ask_ticks) * tick_lot * market.rate_num
        unit_den = 2 * market.rate_den
        up, down = position + buy_lots, position - sell_lots
        gross = (up if up >= -down else -down) * unit_num // unit_den
        total = self.gross_atoms - agent.gross_atoms + gross
        if not shrinks:
            if self.reduce_only or intent.reduce_only:
                return _refused(intent, _REDUCE_ONLY, size, size - min(grown, size))
            if now_ns >= self.expires_ns:
                return _refused(intent, _NO_LEASE, now_ns, self.expires_ns)
            if market.blocked:
                return _refused(intent, _UNEXPLAINED, 1, 0)
            if (value := grown * unit_num // unit_den) > agent.position_value_atoms_max:
                return _refused(intent, _POSITION, value, agent.position_value_atoms_max)
            if total > self.budget_atoms or total > self.gross_atoms_max:
                return _refused(intent, _BUDGET, total, min(self.budget_atoms, self.gross_atoms_max))
        if side > 0:
            wallet, need = market.quote, price * size * tick_lot
            if price >= market.own_ask_floor and (crossed := min(market.own_asks.values())) <= price:
                return _refused(intent, _SELF_MATCH, price, crossed)
        else:
            wallet, need = market.base, size * market.lot_atoms
            if price <= market.own_bid_top and (crossed := max(market.own_bids.values())) >= price:
                return _refused(intent, _SELF_MATCH, price, crossed)
        if need > (free := wallet.total_atoms - wallet.reserved_atoms):
            return _refused(intent, _BALANCE, need, free)
        if price != agent.last_price_ticks or size != agent.last_size_lots or side != agent.last_side:
            agent.last_side, agent.last_price_ticks, agent.last_size_lots = side, price, size
            agent.last_first_ns, agent.last_repeats = now_ns, 1
        elif (storm := _storm(intent, agent, now_ns)) is not None:
            return storm
        agent.buy_lots, agent.sell_lots = buy_lots, sell_lots
        agent.gross_atoms, self.gross_atoms = gross, total
        agent.in_flight += 1
        self.in_flight += 1
        due, agent_due = self.message_due_ns, agent.message_due_ns
        self.message_due_ns = (due if due > now_ns else now_ns) + self.message_interval_ns
        agent.message_due_ns = (agent_due if agent_due > now_ns else now_ns) + agent.message_interval_ns
        wallet.reserved_atoms += need
        if side > 0:
            market.own_bids[client_id] = price
            if price > market.own_bid_top:
                market.own_bid_top = price
        else:
            market.own_asks[client_id] = price
            if price < market.own_ask_floor:
                market.own_ask_floor = price
        return ApprovedOrder(_SEAL, intent, self.epoch, now_ns)

    def refused_outright(
        self, intent: OrderIntent, agent: AgentRisk, market: MarketRisk, now_ns: int
    ) -> RefusedOrder | None:
        """Refuse what is wrong by itself: authority, market, price and size, and too much said already.

        It counts nothing, so it may be asked beforehand.
        """
        size, price = intent.size_lots, intent.price_ticks
        if self.halted:
            return _refused(intent, _HALTED, 1, 0)
        if size <= 0:
            return _refused(intent, _SIZE_ZERO, size, 1)
        if price <= 0 or intent.tif == _MARKET:
            return _refused(intent, _BAD_PRICE, price, 1)
        if self.epoch <= 0:
            return _refused(intent, _NO_LEASE, 0, 1)
        bid, ask, rate_num = market.bid_ticks, market.ask_ticks, market.rate_num
        if market.stale or bid <= 0 or ask <= bid or now_ns - market.touched_ns > self.market_age_ns_max:
            return _refused(intent, _STALE_MARKET, now_ns - market.touched_ns, self.market_age_ns_max)
        if size < market.size_lots_min:
            return _refused(intent, _SIZE_MIN, size, market.size_lots_min)
        if size > market.size_lots_max or size > agent.order_lots_max:
            return _refused(intent, _SIZE_MAX, size, min(market.size_lots_max, agent.order_lots_max))
        notional = price * size * market.tick_lot_atoms
        if notional < market.notional_atoms_min:
            return _refused(intent, _NOTIONAL_MIN, notional, market.notional_atoms_min)
        if rate_num <= 0:
            return _refused(intent, _STALE_MARKET, 0, 1)
        if (value := notional * rate_num // market.rate_den) > agent.order_value_atoms_max:
            return _refused(intent, _NOTIONAL_MAX, value, agent.order_value_atoms_max)
        mid2 = bid + ask
        away = 2 * price - mid2 if 2 * price > mid2 else mid2 - 2 * price
        if away * 10_000 > agent.collar_bps * mid2:
            return _refused(intent, _PRICE_COLLAR, away * 10_000 // mid2, agent.collar_bps)
        if agent.in_flight >= agent.in_flight_max:
            return _refused(intent, _IN_FLIGHT, agent.in_flight, agent.in_flight_max)
        if self.in_flight >= self.in_flight_max:
            return _refused(intent, _IN_FLIGHT, self.in_flight, self.in_flight_max)
        due, agent_due = self.message_due_ns, agent.message_due_ns
        ahead_ns = (due - now_ns if due > now_ns else 0) + self.message_interval_ns
        if ahead_ns > self.message_burst_ns:
            return _refused(intent, _MESSAGE_RATE, ahead_ns, self.message_burst_ns)
        ahead_ns = (agent_due - now_ns if agent_due > now_ns else 0) + agent.message_interval_ns
        if ahead_ns > agent.message_burst_ns:
            return _refused(intent, _MESSAGE_RATE, ahead_ns, agent.message_burst_ns)
        return None

    def check_all(
        self,
        intents: list[OrderIntent],
        agent: AgentRisk,
        market: MarketRisk,
        now_ns: int,
        first_id: int,
    ) -> list[ApprovedOrder | RefusedOrder]:
        """Check intents of one agent in one market in turn: what `check` says, in a fraction of its time.

        Limits become bounds on price, size and their product once; an intent outside any of them goes to
        `check`, which knows the reason. Approved intents take consecutive ids.
        """
        verdicts: list[ApprovedOrder | RefusedOrder] = []
        number, at, count = first_id, 0, len(intents)
        while at < count:
            approved = self._pass(intents, at, agent, market, now_ns, number, verdicts)
            at, number = at + approved, number + approved
            if at < count:
                verdict = self.check(intents[at], agent, market, now_ns, number)
                verdicts.append(verdict)
                at += 1
                number += type(verdict) is ApprovedOrder
        return verdicts

    def _pass(
        self,
        intents: list[OrderIntent],
        at: int,
        agent: AgentRisk,
        market: MarketRisk,
        now_ns: int,
        first_id: int,
        verdicts: list[ApprovedOrder | RefusedOrder],
    ) -> int:
        """Approve intents up to the first that is outside the bounds; count what was approved."""
        bounds = self._bounds(agent, market, now_ns)
        if bounds is None:
            return 0
        low, high, product_min, product_max, size_min, size_max, buy_room, sell_room, room = bounds
        quote, base, tick_lot, lot_atoms = market.quote, market.base, market.tick_lot_atoms, market.lot_atoms
        quote_room = (quote.total_atoms - quote.reserved_atoms) // tick_lot
        base_room = (base.total_atoms - base.reserved_atoms) // lot_atoms
        quote_start, base_start, buy_start, sell_start = quote_room, base_room, buy_room, sell_room
        own_bids, own_asks = market.own_bids, market.own_asks
        bid_top, ask_floor = market.own_bid_top, market.own_ask_floor
        side_before, price_before, size_before = agent.last_side, agent.last_price_ticks, agent.last_size_lots
        epoch, number = self.epoch, first_id
        for intent in intents[at : at + room]:
            side, price, size = intent.side, intent.price_ticks, intent.size_lots
            product = price * size
            if (
                not low <= price <= high
                or not product_min <= product <= product_max
                or not size_min <= size <= size_max
                or (price == price_before and size == size_before and side == side_before)
                or intent.tif == _MARKET
                or intent.reduce_only
            ):
                break
            if side > 0:
                if size > buy_room or product > quote_room or price >= ask_floor:
                    break
                buy_room -= size
                quote_room -= product
                own_bids[number] = price
                bid_top = price if price > bid_top else bid_top
            else:
                if size > sell_room or size > base_room or price <= bid_top:
                    break
                sell_room -= size
                base_room -= size
                own_asks[number] = price
                ask_floor = price if price < ask_floor else ask_floor
            side_before, price_before, size_before = side, price, size
            verdicts.append(ApprovedOrder(_SEAL, intent, epoch, now_ns))
            number += 1
        approved = number - first_id
        if approved == 0:
            return 0
        agent.last_side, agent.last_price_ticks, agent.last_size_lots = side_before, price_before, size_before
        agent.last_first_ns, agent.last_repeats = now_ns, 1
        market.own_bid_top, market.own_ask_floor = bid_top, ask_floor
        quote.reserved_atoms += (quote_start - quote_room) * tick_lot
        base.reserved_atoms += (base_start - base_room) * lot_atoms
        agent.buy_lots += buy_start - buy_room
        agent.sell_lots += sell_start - sell_room
        agent.in_flight += approved
        self.in_flight += approved
        self.message_due_ns = max(self.message_due_ns, now_ns) + approved * self.message_interval_ns
        agent.message_due_ns = max(agent.message_due_ns, now_ns) + approved * agent.message_interval_ns
        self.revalue(agent, market)
        return approved

    def _bounds(self, agent: AgentRisk, market: MarketRisk, now_ns: int) -> tuple[int, ...] | None:
        """Turn limits into bounds, or give `None` where only `check` can decide."""
        bid, ask, rate_num = market.bid_ticks, market.ask_ticks, market.rate_num
        if (
            self.halted
            or self.epoch <= 0
            or self.reduce_only
            or now_ns >= self.expires_ns
            or market.blocked
            or market.stale
            or bid <= 0
            or ask <= bid
            or rate_num <= 0
            or now_ns - market.touched_ns > self.market_age_ns_max
        ):
            return None
        mid2, tick_lot, rate_den = bid + ask, market.tick_lot_atoms, market.rate_den
        away = agent.collar_bps * mid2 // 10_000
        unit_num, unit_den = mid2 * tick_lot * rate_num, 2 * rate_den
        others = self.gross_atoms - agent.gross_atoms
        budget = self.budget_atoms if self.budget_atoms < self.gross_atoms_max else self.gross_atoms_max
        gross_lots = ((budget - others + 1) * unit_den - 1) // unit_num
        lots = ((agent.position_value_atoms_max + 1) * unit_den - 1) // unit_num
        lots = lots if lots < gross_lots else gross_lots
        up, down = agent.position_lots + agent.buy_lots, agent.sell_lots - agent.position_lots
        message_room = self.message_burst_ns - max(0, self.message_due_ns - now_ns)
        agent_room = agent.message_burst_ns - max(0, agent.message_due_ns - now_ns)
        room = min(
            agent.in_flight_max - agent.in_flight,
            self.in_flight_max - self.in_flight,
            message_room // self.message_interval_ns,
            agent_room // agent.message_interval_ns,
        )
        if room <= 0:
            return None
        return (
            (mid2 - away + 1) // 2,
            (mid2 + away) // 2,
            max(1, -(-market.notional_atoms_min // tick_lot)),
            ((agent.order_value_atoms_max + 1) * rate_den - 1) // (tick_lot * rate_num),
            max(1, market.size_lots_min),
            min(market.size_lots_max, agent.order_lots_max),
            lots - up if down <= gross_lots else 0,
            lots - down if up <= gross_lots else 0,
            room,
        )

    def count_cancel(self, agent: AgentRisk, now_ns: int) -> None:
        """Count a cancel against the message rates; it is never refused."""
        self.message_due_ns = max(self.message_due_ns, now_ns) + self.message_interval_ns
        agent.message_due_ns = max(agent.message_due_ns, now_ns) + agent.message_interval_ns

    def revalue(self, agent: AgentRisk, market: MarketRisk) -> None:
        """Value an agent's worst case at the present mid."""
        gross = market.value_atoms(agent.worst_lots)
        self.gross_atoms += gross - agent.gross_atoms
        agent.gross_atoms = gross
