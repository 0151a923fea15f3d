"""How one venue account is reached, and the two locks in front of real money."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from domain.errors import ConfigError
from market.venues.keys import credentials

LIVE_WORD = "real-money"
# A tenth of what is traded: whatever is more is a figure in another unit.
FEE_PPM_MAX = 100_000
_URLS = ("rest_url", "stream_url", "api_url")
_PLAIN_NAME = re.compile(r"[a-z0-9._-]+")
# A simulated venue stands on this machine or in our own network: any other place may take real money.
_OWN_SUFFIXES = (".local", ".internal", ".localhost", ".lan", ".svc", ".test")


class VenueConfig(BaseModel):
    """State a venue's addresses, account and time-outs; secrets by name of a variable or a Vault path only.

    A venue with a dead-man switch cancels our orders `dead_man_s` after our last sign of life; 0 is never.
    Where `snapshot_levels` is absent the adapter chooses how deep books are.
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
    api_key_env: str = ""
    api_secret_env: str = ""
    api_password_env: str = ""
    vault_path: str | None = None
    simulated: bool = True
    live: bool = False
    maker_fee_ppm: int | None = Field(None, ge=-FEE_PPM_MAX, le=FEE_PPM_MAX)
    taker_fee_ppm: int | None = Field(None, ge=-FEE_PPM_MAX, le=FEE_PPM_MAX)
    connect_timeout_s: float = Field(5.0, gt=0, le=600)
    start_timeout_s: float = Field(10.0, gt=0, le=3_600)
    request_timeout_s: float = Field(2.0, gt=0, le=600)
    rest_timeout_s: float = Field(5.0, gt=0, le=600)
    ping_idle_s: float = Field(3.0, gt=0, le=600)
    ping_reply_s: float = Field(3.0, gt=0, le=600)
    backoff_min_s: float = Field(0.1, gt=0, le=3_600)
    backoff_max_s: float = Field(10.0, gt=0, le=3_600)
    recv_window_ms: int = Field(2_000, ge=1, le=60_000)
    in_flight_max: int = Field(256, ge=1, le=1 << 16)
    snapshot_levels: int | None = Field(None, ge=5, le=5_000)
    snapshot_concurrency: int = Field(4, ge=1, le=64)
    rest_attempts: int = Field(5, ge=1, le=1_000)
    dead_man_s: float = Field(60.0, ge=0, le=86_400)

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        named = self.api_key_env != "" and self.api_secret_env != ""
        if named == (self.vault_path is not None):
            raise ValueError("name both api_key_env and api_secret_env, or vault_path alone")
        if self.dialect == "ccxt" and self.exchange is None:
            raise ValueError("dialect ccxt needs the exchange's name at ccxt in exchange")
        if self.dialect != "ccxt" and self.exchange is not None:
            raise ValueError(f"exchange is for dialect ccxt alone, and dialect is {self.dialect}")
        if self.backoff_max_s < self.backoff_min_s:
            raise ValueError(
                f"backoff_max_s {self.backoff_max_s:g} is below backoff_min_s {self.backoff_min_s:g}"
            )
        for field in _URLS:
            check_port(field, getattr(self, field))
        return self

    def reached_at(self, host_port: str) -> Self:
        """Move a simulated venue to another host and port; a real one stays where it is."""
        if not self.simulated:
            raise self._refusal("only a simulated venue can be moved from the command line")
        moved = {field: urlsplit(getattr(self, field))._replace(netloc=host_port).geturl() for field in _URLS}
        return self.model_copy(update=moved)

    def credentials(self) -> tuple[str, str]:
        """Read key and secret from the environment, or from Vault."""
        return credentials(self)

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


def check_port(what: str, url: str) -> None:
    """Refuse an address whose port is none."""
    try:
        _ = urlsplit(url).port
    except ValueError:
        raise ValueError(f"{what}: the port of {url[:80]} is no number up to 65535") from None


def _is_real(url: str) -> bool:
    host = (urlsplit(url).hostname or "").lower().rstrip(".")
    try:
        return ip_address(host).is_global
    except ValueError:
        # Whoever connects may read other letters as these (UTS 46: "api。binance。com" has dots), and a name
        # of digits (8.8.8.8 as one number) as an address.
        plain = _PLAIN_NAME.fullmatch(host) is not None
        return not plain or host[:1].isdigit() or ("." in host and not host.endswith(_OWN_SUFFIXES))
