"""One venue account: balances that our fills explain, and what is left unexplained."""

from __future__ import annotations

from typing import Protocol

from domain.order_events import AccountSnapshot
from risk.exposure import Wallet

RETRY_NS = 250_000_000
UNEXPLAINED_MAX = 256
MORE = "more than can be listed"
SILENT_FETCHES = 6


class Explainer(Protocol):
    """Whoever may know why a balance changed without a trade."""

    def explain(self, venue: str, asset: str, atoms: int) -> bool:
        """Tell whether so much came, or went where it is below zero, by a transfer."""
        ...


class Account:
    """Expect opening balances plus every fill; compare with the venue's own figures.

    `activity` counts what makes a snapshot incomparable: fills, sends and ends since it was asked for.
    """

    __slots__ = (
        "activity",
        "asked_activity",
        "asked_ns",
        "difference",
        "explainers",
        "fetch_due_ns",
        "heard_ns",
        "link_up",
        "matched",
        "opened",
        "ready",
        "unexplained",
        "venue",
        "wallets",
    )

    def __init__(self, venue: str) -> None:
        self.venue = venue
        self.wallets: dict[str, Wallet] = {}
        self.opened = self.link_up = self.ready = self.matched = False
        self.activity = self.asked_activity = 0
        self.asked_ns = self.fetch_due_ns = self.heard_ns = 0
        self.difference: dict[str, int] = {}
        self.unexplained: dict[str, tuple[int, ...]] = {}
        self.explainers: list[Explainer] = []

    def wallet(self, asset: str) -> Wallet:
        """Give an asset's wallet."""
        wallet = self.wallets.get(asset)
        if wallet is None:
            wallet = self.wallets[asset] = Wallet()
        return wallet

    def want_fetch(self, at_ns: int) -> None:
        """Ask for an account snapshot no later than this."""
        if self.fetch_due_ns == 0 or at_ns < self.fetch_due_ns:
            self.fetch_due_ns = max(at_ns, 1)

    def due(self, now_ns: int, timeout_ns: int) -> bool:
        """Tell whether to ask now; one question at a time, asked again when its answer is overdue."""
        if not self.link_up:
            return False
        if self.asked_ns > 0:
            return now_ns - self.asked_ns >= timeout_ns
        return 0 < self.fetch_due_ns <= now_ns

    def silent(self, now_ns: int, reconcile_ns: int) -> bool:
        """Tell, once, that a ready account was not heard of for so long that it is ready no more."""
        if not self.ready or now_ns - self.heard_ns <= SILENT_FETCHES * reconcile_ns:
            return False
        self.ready = False
        return True

    def asked(self, now_ns: int) -> None:
        """Take note that a snapshot was asked for."""
        self.asked_ns, self.fetch_due_ns = max(now_ns, 1), 0
        self.asked_activity = self.activity

    def unexplain(self, key: str, instruments: tuple[int, ...]) -> bool:
        """Note something unexplained that blocks new risk on instruments; tell whether it is news."""
        if key in self.unexplained:
            return False
        if len(self.unexplained) < UNEXPLAINED_MAX:
            self.unexplained[key] = instruments
            return True
        news = MORE not in self.unexplained
        self.unexplained[MORE] = tuple(sorted({*self.unexplained.get(MORE, ()), *instruments}))
        return news

    def open_with(self, event: AccountSnapshot) -> None:
        """Take the first snapshot ever as the opening balances."""
        for asset in sorted(event.balances):
            free, locked = event.balances[asset]
            self.wallet(asset).total_atoms = free + locked
        self.opened = True

    def compare(self, event: AccountSnapshot) -> dict[str, int]:
        """Give, per asset, by how much the venue's figure differs from what we expect."""
        difference = {}
        for asset in sorted({*event.balances, *self.wallets}):
            free, locked = event.balances.get(asset, (0, 0))
            expected = self.wallets[asset].total_atoms if asset in self.wallets else 0
            if free + locked != expected:
                difference[asset] = free + locked - expected
        return difference

    def explained(self, asset: str, atoms: int) -> bool:
        """Hold a difference that a transfer explains for true; tell whether one does."""
        if not any(each.explain(self.venue, asset, atoms) for each in self.explainers):
            return False
        self.wallet(asset).total_atoms += atoms
        return True

    def acknowledge(self) -> None:
        """Let a human's resume stand for the trades that nobody else explains, and for what had no room."""
        for key in [key for key in self.unexplained if key.startswith("trade ") or key == MORE]:
            del self.unexplained[key]
