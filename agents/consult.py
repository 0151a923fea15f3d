"""Ask a strategy. It is code from outside: what it raises or wants must not take the node down."""

from __future__ import annotations

from agents.agent import Agent
from domain.desire import Desire, Quote, QuoteSet, TargetPosition, Urgency
from domain.events import Event
from domain.order import Side

QUOTES_MAX = 256
FIGURE_MAX = 1 << 53
_SIDES = (int, Side)
_URGENCIES = tuple(Urgency)


def consult(agent: Agent, event: Event) -> Desire | None:
    """Give what a strategy wants; one that raises, or wants nonsense, gets a `fault` and wants nothing."""
    if agent.fault != "":
        return None
    try:
        desire = agent.strategy.step(agent.view, event)
    except Exception as trouble:
        # Neither text nor address of what was raised: a replay must find the same words.
        agent.fault = f"{type(trouble).__name__} at line {_line(trouble)}"
        return None
    if desire is None or desire is agent.desire:
        return desire
    agent.fault = _nonsense(agent, desire)
    return desire if agent.fault == "" else None


def state_of(agent: Agent) -> bytes:
    """Give what a strategy wants kept; one that cannot say is found out when it is restored."""
    try:
        return agent.strategy.state()
    except Exception:
        return b""


def restore(agent: Agent, state: bytes) -> None:
    """Give a strategy back what it kept; one that cannot take it must not trade on what it forgot."""
    try:
        agent.strategy.restore(state)
    except Exception as trouble:
        agent.fault = f"{type(trouble).__name__} on taking back its state"


def _line(trouble: Exception) -> int:
    trace = trouble.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_lineno if trace is not None else 0


def _nonsense(agent: Agent, desire: Desire) -> str:
    """Say what is wrong with a desire: nothing that is no whole number may reach an order or the journal."""
    if type(desire) is QuoteSet:
        if type(desire.quotes) is not tuple or len(desire.quotes) > QUOTES_MAX:
            return f"wants quotes that are not a tuple of at most {QUOTES_MAX}"
        for quote in desire.quotes:
            if type(quote) is not Quote:
                return "wants a quote that is none"
            side, price, size = quote.side, quote.price_ticks, quote.size_lots
            if type(price) is not int or type(size) is not int or price > FIGURE_MAX or size > FIGURE_MAX:
                return "wants a quote that is not in whole ticks and lots"
            if type(side) not in _SIDES or side not in (1, -1) or price < 0 or size < 0:
                return "wants a quote that is neither bought nor sold, or below nought"
    elif type(desire) is TargetPosition:
        if not _whole(desire.position_lots):
            return "wants a position that is not in whole lots"
        if type(desire.urgency) not in (int, Urgency) or desire.urgency not in _URGENCIES:
            return "wants a position with an urgency that there is not"
    else:
        return f"wants a {type(desire).__name__}"
    return "" if desire.instrument == agent.instrument else "wants something on another market"


def _whole(number: object) -> bool:
    return type(number) is int and -FIGURE_MAX < number < FIGURE_MAX
