"""How one venue account is reached, and the two locks in front of real money."""

from __future__ import annotations

import os
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from domain.errors import ConfigError, ExitCode, SwarmError

LIVE_WORD = "real-money"
_REAL_HOSTS = ("binance.com", "binance.us", "binance.vision", "binance.je", "tokocrypto.com")


class VenueConfig(BaseModel):
    """State a venue's addresses, account and time-outs; secrets by environment variable name only.

    `dialect` names the adapter, `exchange` the exchange that a universal adapter is to speak to.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    dialect: Literal["binance", "kraken", "ccxt"] = "binance"
    exchange: str | None = Field(None, pattern=r"^[a-z0-9]+$")
    rest_url: str = Field(pattern=r"^https?://[^/\s]+")
    stream_url: str = Field(pattern=r"^wss?://[^/\s]+")
    api_url: str = Field(pattern=r"^wss?://[^/\s]+")
    account: str
    api_key_env: str
    api_secret_env: str
    simulated: bool = True
    live: bool = False
    maker_fee_ppm: int | None = None
    taker_fee_ppm: int | None = None
    connect_timeout_s: float = Field(5.0, gt=0)
    start_timeout_s: float = Field(10.0, gt=0)
    request_timeout_s: float = Field(2.0, gt=0)
    rest_timeout_s: float = Field(5.0, gt=0)
    ping_idle_s: float = Field(3.0, gt=0)
    ping_reply_s: float = Field(3.0, gt=0)
    backoff_min_s: float = Field(0.1, gt=0)
    backoff_max_s: float = Field(10.0, gt=0)
    recv_window_ms: int = Field(2_000, ge=1, le=60_000)
    in_flight_max: int = Field(256, ge=1)
    snapshot_levels: int = Field(1_000, ge=5, le=5_000)
    snapshot_concurrency: int = Field(4, ge=1)
    rest_attempts: int = Field(5, ge=1)

    def reached_at(self, host_port: str) -> Self:
        """Move a simulated venue to another host and port; a real one stays where it is."""
        if not self.simulated:
            raise self._refusal("only a simulated venue can be moved from the command line")
        moved = {
            field: urlsplit(getattr(self, field))._replace(netloc=host_port).geturl()
            for field in ("rest_url", "stream_url", "api_url")
        }
        return self.model_copy(update=moved)

    def credentials(self) -> tuple[str, str]:
        """Read key and secret from the environment."""
        return self._secret(self.api_key_env), self._secret(self.api_secret_env)

    def _secret(self, variable: str) -> str:
        value = os.environ.get(variable, "")
        if value == "":
            raise SwarmError(
                f"environment variable {variable} is not set",
                where=self.name,
                mend=f"export {variable} with the account's key before starting",
                code=ExitCode.WRONG_KEY,
            )
        return value

    def check_live(self, live_word: str | None) -> None:
        """Refuse real money unless the config and the command line both ask for it."""
        urls = (self.rest_url, self.stream_url, self.api_url)
        real = [url for url in urls if _is_real(url)]
        if self.simulated:
            if real or self.live:
                other = real[0] if real else "live = true"
                raise self._refusal(f"config says simulated, but {other} does not")
            return
        if not self.live or live_word != LIVE_WORD:
            raise self._refusal(
                f"{self.rest_url} is not simulated, and trading there was not asked for twice"
            )
        plain = [url for url in urls if urlsplit(url).scheme not in ("https", "wss")]
        if plain:
            raise self._refusal(f"{plain[0]} would send keys in the clear")

    def _refusal(self, what: str) -> ConfigError:
        mend = f"real money needs simulated = false, live = true, https, wss, and {LIVE_WORD} in the call"
        return ConfigError(what, where=self.name, mend=mend)


def _is_real(url: str) -> bool:
    host = (urlsplit(url).hostname or "").lower().rstrip(".")
    return any(host == real or host.endswith("." + real) for real in _REAL_HOSTS)
