"""Markets are kept out late and let back later, and never flap."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from arbitrage.filter.quarantine import Quarantine, Terms

TERMS = {
    3: Terms(confirm_ns=10, calm_ns=20, held_ns_min=50),
    7: Terms(confirm_ns=0, calm_ns=5, held_ns_min=5),
}
KEYS = st.tuples(st.integers(0, 1), st.sampled_from(sorted(TERMS)))


class QuarantineMachine(RuleBasedStateMachine):
    """Tell trouble and calm at random, and watch when markets leave and return."""

    def __init__(self) -> None:
        super().__init__()
        self.quarantine = Quarantine(2, TERMS)
        self.now_ns = 1_000
        self.told: dict[tuple[int, int], list[tuple[int, str]]] = {}

    def _said(self, key: tuple[int, int], word: str) -> None:
        self.told.setdefault(key, []).append((self.now_ns, word))

    def _run_ns(self, key: tuple[int, int], word: str) -> int:
        """Give how long a key has been told one word without another between."""
        since = self.now_ns
        for when, what in reversed(self.told.get(key, [])):
            if what != word:
                break
            since = when
        return self.now_ns - since

    @rule(key=KEYS, wait=st.integers(0, 30))
    def trouble(self, key: tuple[int, int], wait: int) -> None:
        self.now_ns += wait
        self._said(key, "trouble")
        out = self.quarantine.held[key[0]]
        left = self.quarantine.trouble(*key, self.now_ns)
        assert left == (out == 0 and self.quarantine.held[key[0]] > 0)
        if self.quarantine.held[key[0]] > out:
            assert self._run_ns(key, "trouble") >= TERMS[key[1]].confirm_ns
            self.told[key] = [(self.now_ns, "held")]

    @rule(key=KEYS, wait=st.integers(0, 30))
    def calm(self, key: tuple[int, int], wait: int) -> None:
        self.now_ns += wait
        self._said(key, "calm")
        out = self.quarantine.held[key[0]]
        returned = self.quarantine.calm(*key, self.now_ns)
        assert returned == (out > 0 and self.quarantine.held[key[0]] == 0)
        if self.quarantine.held[key[0]] < out:
            assert self._run_ns(key, "calm") >= TERMS[key[1]].calm_ns
            held_ns = next(when for when, what in self.told[key] if what == "held")
            assert self.now_ns - held_ns >= TERMS[key[1]].held_ns_min
            self.told[key] = []

    @rule(key=KEYS, wait=st.integers(0, 30))
    def between(self, key: tuple[int, int], wait: int) -> None:
        self.now_ns += wait
        self._said(key, "between")
        out = list(self.quarantine.held)
        self.quarantine.between(*key)
        assert self.quarantine.held == out

    @rule()
    def restart(self) -> None:
        state = self.quarantine.state()
        self.quarantine = Quarantine(2, TERMS)
        self.quarantine.restore(state)
        assert self.quarantine.state() == state

    @invariant()
    def is_bounded_and_knows_why(self) -> None:
        assert len(self.quarantine) <= 4
        for market, count in enumerate(self.quarantine.held):
            assert (self.quarantine.why(market) >= 0) == (count > 0)
            assert (market in self.quarantine.markets()) == (count > 0)


TestQuarantine = QuarantineMachine.TestCase
TestQuarantine.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)


def test_a_market_held_at_once_comes_back_by_time_alone_only_where_it_is_calm() -> None:
    quarantine = Quarantine(2, TERMS)
    quarantine.hold(0, 7, 100, calm=True)
    quarantine.hold(1, 7, 100, calm=False)
    quarantine.release(104)
    assert quarantine.markets() == (0, 1)
    quarantine.release(105)
    assert quarantine.markets() == (1,)
    quarantine.calm(1, 7, 200)
    quarantine.release(204)
    assert quarantine.markets() == (1,)
    quarantine.release(205)
    assert quarantine.markets() == ()


def test_holding_what_is_held_counts_once_and_begins_its_time_anew() -> None:
    quarantine = Quarantine(1, TERMS)
    quarantine.hold(0, 7, 100, calm=True)
    quarantine.hold(0, 7, 104, calm=True)
    assert quarantine.held == [1]
    quarantine.release(106)
    assert quarantine.held == [1]
    quarantine.release(109)
    assert quarantine.held == [0]
