"""One Kraken account, whole: market data, orders and account as one async context."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from domain.events import Event
from domain.instrument import Instrument
from domain.protocols import Clock
from market.venues.config import VenueConfig
from market.venues.kraken.account import AccountReader
from market.venues.kraken.gateway import OrderGateway
from market.venues.kraken.replies import OrderReader
from market.venues.kraken.rest import RestClient
from market.venues.kraken.stream import MarketStream
from market.venues.quota import Quotas
from market.venues.session import VenueSession
from market.venues.venue import AccountTruth


class KrakenVenue(VenueSession):
    """Connect a node to one account of Kraken's spot exchange."""

    rest: RestClient
    stream: MarketStream
    gateway: OrderGateway

    def __init__(
        self,
        config: VenueConfig,
        instruments: Sequence[Instrument],
        clock: Clock,
        deliver: Callable[[Event], None],
        *,
        live_word: str | None = None,
        quotas: Quotas | None = None,
    ) -> None:
        del quotas  # Kraken counts by account and market, never by address
        super().__init__(config, instruments, deliver, live_word)
        self.rest = RestClient(config, clock, config.credentials())
        self.stream = MarketStream(config, self.instruments, self.rest, clock, self._deliver)
        self.gateway = OrderGateway(config, self.instruments, self.rest, clock, self._deliver)
        self._join()

    @property
    def bad_frames(self) -> int:
        """Count frames that could not be read, on both links."""
        return self.stream.wire.bad_frames + self.gateway.bad_frames

    async def _prepare(self) -> None:
        self.gateway.account.names = await self.rest.names()


open_venue = KrakenVenue


async def account_truth(config: VenueConfig, clock: Clock) -> AccountTruth:
    """Ask for the venue's own word on an account."""
    async with RestClient(config, clock, config.credentials()) as rest:
        await rest.wait_up()
        reader = AccountReader(rest, OrderReader(()))
        reader.names = await rest.names()
        return await reader.truth()
