"""What was found and what became of it: kept for whoever watches, and no part of any decision."""

from __future__ import annotations

from collections import deque
from enum import IntEnum

import msgspec

from agents.arbitrage.lane import Lane
from arbitrage.legs import Legs
from arbitrage.saga.events import SagaEnded
from arbitrage.ticket import Ticket
from arbitrage.worth.threshold import Parts

NEWS_MAX = 512
OPEN_MAX = 256
TAKEN_MAX = 4_096
AGAIN_NS = 1_000_000_000


class Outcome(IntEnum):
    """What became of an opportunity; the reason and the figures of a refusal stand beside it."""

    TAKEN = 0
    FILTERED = 1  # the anomaly filter did not believe it
    ELSEWHERE = 2  # another region is nearer to the slowest leg
    BUSY = 3  # a market of it is in a saga, or has just been
    BELOW = 4  # it pays less at the touch than its threshold
    THIN = 5  # no size of it pays
    UNFUNDED = 6  # no capital for it
    MISPRICED = 7  # the slow integer way does not agree
    UNREADY = 8  # a hand cannot send now, or the gate would refuse
    UNPLANNED = 9  # what it could lose is not budgeted


_NAMES = {outcome: outcome.name for outcome in Outcome}


class Refused(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Say what became of a cycle that is not sent, with the figures."""

    outcome: Outcome
    reason: str
    figure: float = 0.0
    limit: float = 0.0
    market: int = -1


class Deal:
    """A cycle while it is decided on, as far as that has come."""

    __slots__ = ("asked_bps", "lane", "parts", "product", "ticket")

    def __init__(self, lane: Lane, product: float, ticket: Ticket | None = None) -> None:
        self.lane, self.product, self.asked_bps = lane, product, 0.0
        self.parts: Parts | None = None
        self.ticket = ticket


class Found(msgspec.Struct):
    """One opportunity: a route that gained at the touch without a pause, as last looked at."""

    number: int
    first_ns: int
    last_ns: int
    legs: Legs
    product: float
    outcome: Outcome
    reason: str
    figure: float = 0.0
    limit: float = 0.0
    market: int = -1
    seen: int = 1
    ticket: Ticket | None = None
    parts: Parts | None = None
    shadow_bps: float | None = None
    ended: SagaEnded | None = None
    told_ns: int = 0


class Ring:
    """Keep the newest opportunities and what is new of them; all is bounded, and the oldest go first.

    One that stays as it is is told again once a second at most. `counts` is by outcome and reason, once for
    every time that an opportunity became it; `taken` are those that were sent.
    """

    def __init__(self, gone_ns: int) -> None:
        self._gone_ns = gone_ns
        self._open: dict[Legs, Found] = {}
        self._followed: dict[int, Found] = {}
        self.news: deque[Found] = deque(maxlen=NEWS_MAX)
        self.taken: deque[Found] = deque(maxlen=TAKEN_MAX)
        self.counts: dict[tuple[str, str], int] = {}
        self.found = 0

    def note(self, now_ns: int, deal: Deal, refused: Refused | None) -> Found:
        """Note what became of a cycle now; the same route without a pause goes on, unless it was taken."""
        lane, product = deal.lane, deal.product
        route = lane.route
        outcome, reason = (Outcome.TAKEN, "") if refused is None else (refused.outcome, refused.reason)
        known = self._open.pop(route, None)
        ended = known is None or now_ns - known.last_ns > self._gone_ns or known.outcome == Outcome.TAKEN
        if known is None or ended:
            self.found += 1
            known = Found(self.found, now_ns, now_ns, lane.legs, product, outcome, reason)
            fresh = True
        else:
            known.last_ns, known.product, known.seen = now_ns, product, known.seen + 1
            fresh = known.outcome != outcome or known.reason != reason
            known.legs, known.outcome, known.reason = lane.legs, outcome, reason
        if refused is None:
            known.figure, known.limit, known.market = 0.0, 0.0, -1
        else:
            known.figure, known.limit, known.market = refused.figure, refused.limit, refused.market
        known.parts = deal.parts
        self._open[route] = known
        if len(self._open) > OPEN_MAX:
            del self._open[next(iter(self._open))]
        if fresh:
            key = (_NAMES[outcome], reason)
            self.counts[key] = self.counts.get(key, 0) + 1
        if outcome == Outcome.TAKEN:
            self.taken.append(known)
        if fresh or now_ns - known.told_ns >= AGAIN_NS:
            known.told_ns = now_ns
            self.news.append(known)
        return known

    def _tell(self, found: Found, now_ns: int) -> None:
        found.told_ns = now_ns
        self.news.append(found)

    def follow(self, found: Found, ticket: Ticket) -> None:
        """Remember an opportunity by its ticket: its shadow, and its end, come later."""
        found.ticket = ticket
        self._followed[ticket.ticket_id] = found
        if len(self._followed) > OPEN_MAX:
            del self._followed[next(iter(self._followed))]

    def shadowed(self, ticket_id: int, shadow_bps: float, now_ns: int) -> None:
        """Note what the live books would have paid."""
        found = self._followed.get(ticket_id)
        if found is not None:
            found.shadow_bps = shadow_bps
            self._tell(found, now_ns)

    def ended(self, ticket_id: int, how: SagaEnded, now_ns: int) -> bool:
        """Note how the saga of an opportunity ended; tell whether it is known."""
        found = self._followed.get(ticket_id)
        if found is None:
            return False
        found.ended = how
        self._tell(found, now_ns)
        return True
