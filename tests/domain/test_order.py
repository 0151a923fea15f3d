"""Orders end once, and only the gate's seal makes an approval."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import order as order_module
from domain.order import LEGAL_TRANSITIONS, ApprovedOrder, OrderIntent, OrderState, Side

INTENT = OrderIntent(1, 2, Side.BUY, 0, 100, 5)


def test_every_state_has_its_transitions_and_ends_have_none() -> None:
    assert set(LEGAL_TRANSITIONS) == set(OrderState)
    for state, following in LEGAL_TRANSITIONS.items():
        assert state.terminal == (not following)
        assert OrderState.PENDING_NEW not in following


def test_an_order_can_always_end_and_become_unknown_before() -> None:
    for state, following in LEGAL_TRANSITIONS.items():
        if not state.terminal:
            assert {OrderState.FILLED, OrderState.CANCELLED, OrderState.EXPIRED} <= following
            assert (OrderState.UNKNOWN in following) == (state is not OrderState.UNKNOWN)


def test_only_what_the_venue_never_held_can_be_rejected() -> None:
    rejecting = {state for state, following in LEGAL_TRANSITIONS.items() if OrderState.REJECTED in following}
    assert rejecting == {OrderState.PENDING_NEW, OrderState.UNKNOWN}


@given(st.lists(st.sampled_from(OrderState), max_size=30))
def test_no_walk_along_legal_transitions_leaves_an_end(wanted: list[OrderState]) -> None:
    state, ended = OrderState.PENDING_NEW, False
    for following in wanted:
        if following in LEGAL_TRANSITIONS[state]:
            assert not ended
            state = following
        ended = state.terminal


def test_an_approval_needs_the_seal() -> None:
    with pytest.raises(AssertionError, match="risk gate alone"):
        ApprovedOrder(object(), INTENT, 1, 2)
    with pytest.raises(AssertionError, match="risk gate alone"):
        ApprovedOrder(None, INTENT, 1, 2)
    made = ApprovedOrder(order_module._SEAL, INTENT, 1, 2)
    assert (made.intent, made.epoch, made.approved_ts_ns) == (INTENT, 1, 2)
    assert "epoch=1" in repr(made)
    with pytest.raises(AttributeError):
        made.bypass = True  # type: ignore[attr-defined]


def test_the_seal_is_handed_out_once() -> None:
    code = """
from domain.order import ApprovedOrder, OrderIntent, claim_seal
seal = claim_seal()
print(ApprovedOrder(seal, OrderIntent(1, 2, 1, 0, 100, 5), 1, 2).epoch)
try:
    claim_seal()
except AssertionError as refusal:
    print(refusal)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.split("\n")[:2] == [
        "1",
        "the approval seal was claimed already: only risk/gate.py may",
    ]
