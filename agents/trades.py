"""Which trades are already counted: exact, with a bounded memory."""

from __future__ import annotations

import msgspec

ABOVE_MAX = 512


class TradeLog(msgspec.Struct):
    """Know every trade id at or below `watermark`, and each known one above it.

    The watermark moves only with an account snapshot, which lists every trade after the id asked from:
    so a fill at or below it was counted, however late the stream tells of it.
    """

    watermark: int = 0
    above: set[int] = msgspec.field(default_factory=set)

    def complete(self, trade_id: int) -> None:
        """Take note that all trades up to an id are counted."""
        if trade_id > self.watermark:
            self.watermark = trade_id
            self.above = {known for known in self.above if known > trade_id}
