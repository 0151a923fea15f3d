"""The strategies by name. A strategy is built from a frozen config and the instrument it trades."""

from __future__ import annotations

from typing import Any

from agents.strategies.learned import Learned
from agents.strategies.market_maker import MarketMaker
from agents.strategies.momentum import Momentum
from domain.instrument import Instrument
from domain.protocols import Strategy

STRATEGIES: dict[str, type[Learned] | type[MarketMaker] | type[Momentum]] = {
    "learned": Learned,
    "market_maker": MarketMaker,
    "momentum": Momentum,
}


def check_parameters(name: str, parameters: dict[str, Any]) -> None:
    """Refuse an unknown strategy (KeyError with the known names) or parameters that it does not take."""
    if name not in STRATEGIES:
        raise KeyError(tuple(sorted(STRATEGIES)))
    STRATEGIES[name].Config.model_validate(parameters)


def build(name: str, parameters: dict[str, Any], instrument: Instrument) -> Strategy:
    """Build a strategy for a market."""
    kind = STRATEGIES[name]
    return kind(kind.Config.model_validate(parameters), instrument)  # type: ignore[arg-type]
