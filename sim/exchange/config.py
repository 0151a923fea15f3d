"""What an exchange is made of, and how a TOML file says it."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from domain.errors import ConfigError
from domain.instrument import Instrument
from domain.units import PPM, atoms

INT64_MAX = (1 << 63) - 1
NOTIONAL_ATOMS_MAX = 1 << 62


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Model = TypeVar("Model", bound=_Frozen)


class MarketConfig(_Frozen):
    """One market. `volatility_day_frac` is the standard deviation of a day's return."""

    base: str
    quote: str
    tick: str
    lot: str
    size_min: str = "0"
    size_max: str
    notional_min: str = "0"
    start_price: str
    volatility_day_frac: float = Field(default=0.04, gt=0, lt=1)

    @property
    def symbol(self) -> str:
        """Name the market as the dialect does."""
        return self.base + self.quote

    @model_validator(mode="after")
    def _exact(self) -> MarketConfig:
        instrument = self.instrument(0, "check", 0, 0)
        start_ticks = instrument.tick.count(self.start_price)
        if start_ticks <= 0 or instrument.size_lots_max < instrument.size_lots_min:
            raise ValueError("start_price must be above zero and size_max at least size_min")
        if instrument.notional_atoms(start_ticks, instrument.size_lots_max) > NOTIONAL_ATOMS_MAX:
            raise ValueError("size_max × start_price does not fit the largest notional")
        if instrument.size_lots_max * instrument.lot_atoms > NOTIONAL_ATOMS_MAX:
            raise ValueError("size_max does not fit 64-bit atoms")
        return self

    def instrument(self, index: int, venue: str, maker_fee_ppm: int, taker_fee_ppm: int) -> Instrument:
        """Build the market's instrument."""
        return Instrument.of(
            index,
            venue,
            self.base,
            self.quote,
            tick=self.tick,
            lot=self.lot,
            size_min=self.size_min,
            size_max=self.size_max,
            notional_atoms_min=atoms(self.notional_min),
            maker_fee_ppm=maker_fee_ppm,
            taker_fee_ppm=taker_fee_ppm,
        )


class AccountConfig(_Frozen):
    """One account. An `unlimited` one is never short; without key names nobody can log in to it.

    `can_withdraw` is what its key may do besides; here nothing can ever be withdrawn.
    """

    name: str = Field(min_length=1)
    api_key_env: str | None = None
    api_secret_env: str | None = None
    unlimited: bool = False
    balances: dict[str, str] = Field(default_factory=dict)
    maker_fee_ppm: int | None = Field(default=None, ge=0, lt=PPM)
    taker_fee_ppm: int | None = Field(default=None, ge=0, lt=PPM)
    open_orders_max: int | None = Field(default=None, ge=1)
    can_withdraw: bool = False

    @model_validator(mode="after")
    def _whole(self) -> AccountConfig:
        if (self.api_key_env is None) != (self.api_secret_env is None):
            raise ValueError("api_key_env and api_secret_env come together")
        for asset, text in self.balances.items():
            if not 0 <= atoms(text) <= NOTIONAL_ATOMS_MAX:
                raise ValueError(f"the balance of {asset} does not fit 64-bit atoms: {text}")
        return self


class LimitsConfig(_Frozen):
    """What one address and one account may ask of the Binance dialect; by default what Binance itself allows.

    More than `offences_minute` refused requests within a minute ban an address, for `ban_s` at first.
    """

    weight_minute: int = Field(default=6_000, ge=1)
    requests_5m: int = Field(default=61_000, ge=1)
    connections_5m: int = Field(default=300, ge=1)
    orders_10s: int = Field(default=100, ge=1)
    orders_day: int = Field(default=200_000, ge=1)
    offences_minute: int = Field(default=10, ge=1)
    ban_s: int = Field(default=120, ge=1)
    ban_s_max: int = Field(default=259_200, ge=1)


class ExchangeConfig(_Frozen):
    """One exchange. Accounts and markets are known by their place in these lists.

    `open_orders_max` bounds an account's open orders on one market; `engine_orders_max` all orders resting on
    one. Ended orders, trades per account and market, and public trades per market are kept up to `*_kept`,
    the oldest dropped first; unlimited accounts keep `unlimited_kept` of each. `kraken_tier` says
    whose rate limits the Kraken dialect enforces.
    """

    name: str = Field(pattern=r"^[a-z0-9-]+$")
    port: int = Field(default=0, ge=0, le=65_535)
    dialect: Literal["binance", "kraken"] = "binance"
    kraken_tier: Literal["none", "starter", "intermediate", "pro"] = "pro"
    limits: LimitsConfig = LimitsConfig()
    seed: int = 1
    assets: tuple[str, ...]
    maker_fee_ppm: int = Field(default=200, ge=0, lt=PPM)
    taker_fee_ppm: int = Field(default=500, ge=0, lt=PPM)
    markets: tuple[MarketConfig, ...] = Field(min_length=1)
    accounts: tuple[AccountConfig, ...] = Field(min_length=1)
    open_orders_max: int = Field(default=200, ge=1)
    engine_orders_max: int = Field(default=1 << 18, ge=1, le=1 << 20)
    ended_orders_kept: int = Field(default=10_000, ge=1)
    account_trades_kept: int = Field(default=10_000, ge=1)
    public_trades_kept: int = Field(default=1_000, ge=1)
    unlimited_kept: int = Field(default=100, ge=1)

    @model_validator(mode="after")
    def _consistent(self) -> ExchangeConfig:
        for what, names in (
            ("assets", self.assets),
            ("markets", tuple(market.symbol for market in self.markets)),
            ("accounts", tuple(account.name for account in self.accounts)),
        ):
            if len(set(names)) != len(names):
                raise ValueError(f"{what} has a name twice: {', '.join(names)}")
        for market in self.markets:
            if market.base not in self.assets or market.quote not in self.assets:
                raise ValueError(f"market {market.symbol} trades an asset that is not listed")
        for account in self.accounts:
            for asset in account.balances:
                if asset not in self.assets:
                    raise ValueError(f"account {account.name} holds {asset}, which is not listed")
        for asset in self.assets:
            if sum(atoms(each.balances.get(asset, "0")) for each in self.accounts) > INT64_MAX:
                raise ValueError(f"all balances of {asset} together do not fit 64-bit atoms")
        return self

    def instruments(self) -> tuple[Instrument, ...]:
        """Build every market's instrument, in order."""
        return tuple(
            market.instrument(index, self.name, self.maker_fee_ppm, self.taker_fee_ppm)
            for index, market in enumerate(self.markets)
        )

    def account_index(self, name: str) -> int:
        """Give an account's index by name."""
        return [account.name for account in self.accounts].index(name)

    def core_hash(self) -> str:
        """Hash what recorded commands depend on: not ports, dialects, limits, keys, seeds or volatility."""
        accounts = {"__all__": {"api_key_env", "api_secret_env", "can_withdraw"}}
        markets = {"__all__": {"volatility_day_frac"}}
        spoken = {"port": True, "seed": True, "dialect": True, "kraken_tier": True, "limits": True}
        plain = self.model_dump(exclude={**spoken, "accounts": accounts, "markets": markets})
        return hashlib.blake2b(msgspec.json.encode(plain, order="sorted"), digest_size=16).hexdigest()


class ExchangesFile(_Frozen):
    """Several exchanges: what `shared` says holds for each that does not say otherwise.

    `assets_more` and `markets_more` of an exchange come after those that hold for it.
    """

    shared: dict[str, Any] = Field(default_factory=dict)
    exchanges: tuple[dict[str, Any], ...] = Field(min_length=1)


def load_exchanges(path: Path) -> tuple[ExchangeConfig, ...]:
    """Read exchanges from a TOML file; an error names the file, the table and the field."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"cannot read: {error.strerror}", where=str(path), mend="give a readable file"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"not TOML: {error}", where=str(path), mend="correct the line") from None
    file = _checked(ExchangesFile, table, path, "")
    exchanges = tuple(
        _checked(ExchangeConfig, _joined(file.shared, own), path, f"exchanges[{place}]")
        for place, own in enumerate(file.exchanges)
    )
    names = [exchange.name for exchange in exchanges]
    if len(set(names)) != len(names):
        raise ConfigError(
            f"exchanges has a name twice: {', '.join(names)}", where=str(path), mend="rename one"
        )
    return exchanges


def _joined(shared: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    table = {**shared, **own}
    for name in ("assets", "markets"):
        if isinstance(more := table.get(f"{name}_more"), list):
            del table[f"{name}_more"]
            table[name] = [*table.get(name, ()), *more]
    return table


def _checked(model: type[Model], table: dict[str, Any], path: Path, prefix: str) -> Model:
    try:
        return model.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        field = prefix
        for part in first["loc"]:
            field += f"[{part}]" if isinstance(part, int) else f".{part}"
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigError(
            message, where=f"{path}: {field.lstrip('.') or 'whole file'}", mend="correct this field"
        ) from None
