"""Everything a node can step on, as one tagged union."""

from __future__ import annotations

from domain.control_events import ControlEvent
from domain.market_events import MarketEvent
from domain.order_events import OrderEvent

Event = MarketEvent | OrderEvent | ControlEvent
