"""What each account has, free and locked, in atoms per asset."""

from __future__ import annotations

from domain.units import atoms
from sim.exchange.config import ExchangeConfig


class Accounts:
    """Hold balances as lists by account and asset. Money moves, and is never made or lost.

    Σ free + Σ locked + fees of an asset is always the sum of its opening balances. An unlimited account may
    go below zero; any other may not.
    """

    __slots__ = ("fees", "free", "locked", "maker_ppm", "taker_ppm", "unlimited")

    def __init__(self, config: ExchangeConfig) -> None:
        self.free = [
            [atoms(account.balances.get(asset, "0")) for asset in config.assets]
            for account in config.accounts
        ]
        self.locked = [[0] * len(config.assets) for _ in config.accounts]
        self.fees = [0] * len(config.assets)
        self.unlimited = [account.unlimited for account in config.accounts]
        self.maker_ppm = [_rate(each.maker_fee_ppm, config.maker_fee_ppm) for each in config.accounts]
        self.taker_ppm = [_rate(each.taker_fee_ppm, config.taker_fee_ppm) for each in config.accounts]

    def affords(self, account: int, asset: int, amount_atoms: int) -> bool:
        """Tell whether an account has so much free."""
        return self.free[account][asset] >= amount_atoms or self.unlimited[account]

    def lock(self, account: int, asset: int, amount_atoms: int) -> None:
        """Set aside what an order may need."""
        self.free[account][asset] -= amount_atoms
        self.locked[account][asset] += amount_atoms

    def unlock(self, account: int, asset: int, amount_atoms: int) -> None:
        """Give back what an order no longer needs."""
        self.locked[account][asset] -= amount_atoms
        self.free[account][asset] += amount_atoms

    def total(self, asset: int) -> int:
        """Sum an asset over all accounts and the fees."""
        return self.fees[asset] + sum(
            free[asset] + locked[asset] for free, locked in zip(self.free, self.locked, strict=True)
        )


def _rate(own_ppm: int | None, usual_ppm: int) -> int:
    return usual_ppm if own_ppm is None else own_ppm
