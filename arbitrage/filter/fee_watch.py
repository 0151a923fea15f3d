"""What every market charges us, and since when: a fee that changes mid-flight makes every ticket wrong."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from arbitrage.fee import Fees, fee_rule
from domain.instrument import Instrument

NEVER_NS = -(1 << 62)


class FeeWatch:
    """Keep the taker's fee of every market, the one before it, and when it changed."""

    def __init__(self, instruments: Sequence[Instrument], fees: Fees, ppm_min: int, ppm_max: int) -> None:
        self.ppm_min, self.ppm_max = ppm_min, ppm_max
        self.ppm = [fee_rule(each, market, fees).taker_ppm for market, each in enumerate(instruments)]
        self.before_ppm = list(self.ppm)
        self.changed_ns = [NEVER_NS] * len(self.ppm)

    def possible(self, taker_ppm: float) -> bool:
        """Tell whether an account can have such a fee; not a number is none."""
        return self.ppm_min <= taker_ppm <= self.ppm_max

    def take(self, market: int, taker_ppm: float, now_ns: int) -> bool:
        """Take a possible fee; true where it is another one than before."""
        told_ppm = int(taker_ppm)
        if told_ppm == self.ppm[market]:
            return False
        self.before_ppm[market], self.ppm[market] = self.ppm[market], told_ppm
        self.changed_ns[market] = now_ns
        return True

    def state(self) -> bytes:
        """Give every fee as data."""
        return msgspec.msgpack.encode((self.ppm, self.before_ppm, self.changed_ns))

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave."""
        kept = msgspec.msgpack.decode(state, type=tuple[list[int], list[int], list[int]])
        self.ppm, self.before_ppm, self.changed_ns = kept
