"""Listen keys: one per account, good for an hour from its last use."""

from __future__ import annotations

import secrets

from sim.exchange.dialect_errors import DialectError

LIFE_NS = 3_600 * 1_000_000_000


class ListenKeys:
    """Keep at most one key per account."""

    def __init__(self) -> None:
        self._keys: dict[int, tuple[str, int]] = {}

    def make(self, account: int, now_ns: int) -> str:
        """Give the account's key, the one it has where that is still good."""
        key, until_ns = self._keys.get(account, ("", 0))
        if until_ns <= now_ns:
            key = secrets.token_urlsafe(48)[:64].replace("-", "a").replace("_", "b")
        self._keys[account] = (key, now_ns + LIFE_NS)
        return key

    def extend(self, account: int, key: str, now_ns: int) -> None:
        """Keep a key alive."""
        self._check(account, key, now_ns)
        self._keys[account] = (key, now_ns + LIFE_NS)

    def close(self, account: int, key: str, now_ns: int) -> None:
        """Forget a key."""
        self._check(account, key, now_ns)
        del self._keys[account]

    def account(self, key: str, now_ns: int) -> int | None:
        """Tell whose key this is, `None` where it is nobody's (any more)."""
        for account, (name, until_ns) in self._keys.items():
            if name == key and until_ns > now_ns:
                return account
        return None

    def _check(self, account: int, key: str, now_ns: int) -> None:
        if self.account(key, now_ns) != account:
            raise DialectError(-1125, "This listenKey does not exist.")
