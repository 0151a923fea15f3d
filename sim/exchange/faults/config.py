"""What fault is wanted, where, when and how much of it."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator


class FaultKind(StrEnum):
    """What can go wrong."""

    DROP = "drop"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    DELAY = "delay"
    GAP = "gap"
    WRONG_CHECKSUM = "wrong_checksum"
    HALF_OPEN = "half_open"
    DISCONNECT = "disconnect"
    HTTP_5XX = "http_5xx"
    TIMEOUT_AFTER_ACCEPTANCE = "timeout_after_acceptance"
    BAN = "ban"
    CLOCK_STEP = "clock_step"
    MAINTENANCE = "maintenance"
    DELISTING = "delisting"
    TICK_SIZE_CHANGE = "tick_size_change"


class Door(StrEnum):
    """Where it goes wrong: market streams, an account's own events, REST, WebSocket requests."""

    STREAM = "stream"
    USER = "user"
    REST = "rest"
    WS_API = "ws_api"


_K, _D = FaultKind, Door
_SOCKETS = (_D.STREAM, _D.USER, _D.WS_API)
_REQUESTS = (_D.REST, _D.WS_API)
# Where each kind acts when no target is given; the doors it knows are these and no others.
DOORS: dict[FaultKind, tuple[Door, ...]] = {
    _K.DROP: (*_SOCKETS, _D.REST),
    _K.DUPLICATE: _SOCKETS,
    _K.REORDER: _SOCKETS,
    _K.DELAY: (*_SOCKETS, _D.REST),
    _K.GAP: (_D.STREAM,),
    _K.WRONG_CHECKSUM: (_D.STREAM,),
    _K.HALF_OPEN: _SOCKETS,
    _K.DISCONNECT: _SOCKETS,
    _K.HTTP_5XX: _REQUESTS,
    _K.TIMEOUT_AFTER_ACCEPTANCE: _REQUESTS,
    _K.BAN: _REQUESTS,
    _K.CLOCK_STEP: (),
    _K.MAINTENANCE: (),
    _K.DELISTING: (),
    _K.TICK_SIZE_CHANGE: (),
}
# What `amount` counts, what it is when not given, and its bounds.
AMOUNTS: dict[FaultKind, tuple[str, int, int, int]] = {
    _K.DUPLICATE: ("copies", 1, 1, 100),
    _K.REORDER: ("ms that a frame is held back", 150, 1, 60_000),
    _K.DELAY: ("ms", 500, 1, 600_000),
    _K.GAP: ("book updates missing in a row", 5, 1, 100_000),
    _K.HTTP_5XX: ("HTTP status", 503, 500, 599),
    _K.BAN: ("s to wait, as Retry-After tells", 0, 0, 1_000_000),
    _K.CLOCK_STEP: ("ms that the clock jumps", 5_000, -3_600_000, 3_600_000),
    _K.TICK_SIZE_CHANGE: ("configured ticks in the new one", 10, 1, 1_000_000_000),
}
_MARKET_KINDS = (_K.DELISTING, _K.TICK_SIZE_CHANGE)
# These are all or nothing: a share of a ban or of a clock would be no fault but a lottery.
_WHOLE_KINDS = (_K.CLOCK_STEP, _K.MAINTENANCE, *_MARKET_KINDS)


class FaultSpec(BaseModel):
    """One fault. `frac` of the frames or requests, or once each `every_s`, from `after_s` on for `for_s`.

    Without `target` it strikes at every door that its kind knows; without `symbol` or `account` at all of
    them. Without `for_s` it lasts until it is deleted. What `amount` counts depends on the kind.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: FaultKind
    target: Door | None = None
    symbol: str | None = Field(None, pattern=r"^[A-Z0-9]{2,20}(/[A-Z0-9]{1,20})?$")
    account: str | None = Field(None, min_length=1, max_length=64)
    frac: float = Field(1.0, gt=0, le=1)
    every_s: float | None = Field(None, gt=0, le=86_400)
    after_s: float = Field(0.0, ge=0, le=86_400)
    for_s: float | None = Field(None, gt=0, le=86_400)
    amount: int | None = None
    seed: int = Field(1, ge=0, lt=1 << 63)

    @model_validator(mode="after")
    def _consistent(self) -> FaultSpec:
        known = DOORS[self.kind]
        if self.target is not None and self.target not in known:
            doors = ", ".join(known) or "no single door: it strikes the whole exchange"
            raise ValueError(f"target {self.target} does not suit {self.kind}, which knows {doors}")
        if self.kind in _MARKET_KINDS and self.symbol is None:
            raise ValueError(f"{self.kind} needs a symbol")
        if self.kind in _WHOLE_KINDS and (self.frac != 1.0 or self.every_s is not None):
            raise ValueError(f"{self.kind} is all or nothing: no frac, no every_s")
        if self.every_s is not None and self.frac != 1.0:
            raise ValueError("frac and every_s exclude each other")
        self._check_amount()
        return self

    def _check_amount(self) -> None:
        if self.amount is None:
            return
        if self.kind not in AMOUNTS:
            raise ValueError(f"{self.kind} takes no amount")
        unit, _, least, most = AMOUNTS[self.kind]
        if not least <= self.amount <= most:
            raise ValueError(f"amount of {self.kind} ({unit}) is {least} to {most}, not {self.amount}")

    @property
    def doors(self) -> tuple[Door, ...]:
        """Name the doors it strikes at."""
        return DOORS[self.kind] if self.target is None else (self.target,)

    @property
    def size(self) -> int:
        """Give the amount, or what stands for it; 0 where the kind has none."""
        return AMOUNTS.get(self.kind, ("", 0, 0, 0))[1] if self.amount is None else self.amount


def spec_of(body: bytes) -> FaultSpec | str:
    """Read a fault, or say in one line what is wrong with it."""
    try:
        return FaultSpec.model_validate_json(body, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        text = first["msg"].removeprefix("Value error, ")
        return f"{field}: {text}" if field else text
