"""Start and end the venue process: config, keys and ports first, then journals, then sockets."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bus.journal import Journal
from domain.draws import stream_seed
from domain.errors import ConfigError
from hw.clock import SystemClock
from sim.exchange.config import ExchangeConfig, load_exchanges
from sim.exchange.exchange import Exchange
from sim.exchange.recovery import RecordedExchange
from sim.exchange.server import Stand, bind, serve
from sim.exchange.server_venue import Venue, read_keys
from sim.market.config import FlowConfig, price_config
from sim.market.prices import PriceProcess
from sim.market.view import anchor, crowd

# Replaying so many commands takes a third of a second per exchange.
SNAPSHOT_EVERY = 10_000


@dataclass(frozen=True)
class VenueSettings:
    """Say how to run the venue process."""

    state: Path
    config: Path
    port_base: int | None = None
    seed: int = 1
    speed: float = 1.0
    admin_token_env: str | None = None


def run_venue(settings: VenueSettings) -> int:
    """Run until SIGTERM or SIGINT."""
    configs = load_exchanges(settings.config)
    keys = [read_keys(config, os.environ) for config in configs]
    token = _admin_token(settings)
    with ExitStack() as held:
        sockets = bind(_ports(configs, settings.port_base))
        for one in sockets:
            held.callback(one.close)
        opened = [_opened(config, settings.state, held) for config in configs]
        clock = SystemClock(max(_latest_ns(one.exchange) for one in opened))
        venues = [
            Venue(config, one, clock, key) for config, one, key in zip(configs, opened, keys, strict=True)
        ]
        stands = _stands(settings, venues, sockets, token)
        # Everything alive now stays: later collections need not look at it.
        gc.collect()
        gc.freeze()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(stands))
        for venue in venues:
            venue.close()
    return 0


def _opened(config: ExchangeConfig, state: Path, held: ExitStack) -> RecordedExchange:
    name = f"exchange-{config.name}"
    journal = held.enter_context(Journal.open(state / "journal" / name, name))
    return RecordedExchange.recover(config, journal, SNAPSHOT_EVERY)


def _admin_token(settings: VenueSettings) -> str | None:
    if settings.admin_token_env is None:
        return None
    token = os.environ.get(settings.admin_token_env, "")
    if token == "":
        raise ConfigError(
            f"environment variable {settings.admin_token_env} is not set",
            where="swarm venue --admin",
            mend=f"export {settings.admin_token_env}=… with a token of your choice, or start without --admin",
        )
    return token


def _latest_ns(exchange: Exchange) -> int:
    """Find the newest time in a recovered exchange: the clock must not start before it."""
    known = [0]
    for account in range(len(exchange.config.accounts)):
        known.extend(order.updated_ns for order in exchange.open_orders(account))
    for market in exchange.instruments:
        known.extend(trade.now_ns for trade in exchange.public_trades(market.index, 1))
    return max(known)


def _ports(configs: Sequence[ExchangeConfig], base: int | None) -> list[tuple[str, int]]:
    return [
        (config.name, config.port if base is None else base + place) for place, config in enumerate(configs)
    ]


def _stands(
    settings: VenueSettings,
    venues: Sequence[Venue],
    sockets: Sequence[socket.socket],
    admin_token: str | None,
) -> list[Stand]:
    configs = [venue.config for venue in venues]
    # A restarted market goes on from its books with new draws, not with those it had before.
    seed = stream_seed(settings.seed, "after", max(venue.commands for venue in venues))
    prices = PriceProcess(
        price_config(configs, settings.speed), seed, tuple(config.name for config in configs)
    )
    anchor(prices, [venue.exchange for venue in venues])
    flow = FlowConfig().faster(settings.speed)
    return [
        Stand(venue, port, crowd(flow, venue.config, prices, seed), admin_token)
        for venue, port in zip(venues, sockets, strict=True)
    ]


async def _run(stands: Sequence[Stand]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, stop.set)
    await serve(stands, lambda: _say_ready(stands), stop)


def _say_ready(stands: Sequence[Stand]) -> None:
    named = " ".join(f"{stand.venue.config.name} {stand.url}" for stand in stands)
    sys.stdout.write(f"venue ready {named}\n")
    sys.stdout.flush()
