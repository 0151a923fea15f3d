"""One venue account, whole: market data, orders and account as one async context."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from domain.events import Event
from domain.instrument import Instrument
from domain.protocols import Clock
from market.venues.binance.account import AccountReader
from market.venues.binance.gateway import OrderGateway
from market.venues.binance.replies import OrderReader
from market.venues.binance.rest import RestClient
from market.venues.binance.stream import MarketStream
from market.venues.config import VenueConfig
from market.venues.keys import refuse_withdrawals
from market.venues.quota import Quotas
from market.venues.session import VenueSession
from market.venues.venue import AccountTruth


class BinanceVenue(VenueSession):
    """Connect a node to one account of a venue that speaks Binance's spot dialect.

    Binance has no dead-man switch for spot (its countdown cancels futures only), so `dead_man_s` does nothing
    here: the orders of a node that is gone stand until another node of the account cancels them.
    """

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
        super().__init__(config, instruments, deliver, live_word)
        credentials = config.credentials()
        self.rest = RestClient(config, clock, credentials, quotas)
        self.stream = MarketStream(config, self.instruments, self.rest, clock, self._deliver)
        self.gateway = OrderGateway(config, self.instruments, credentials, self.rest, clock, self._deliver)
        self._join()

    async def _prepare(self) -> None:
        refuse_withdrawals(self.config, await self.rest.can_withdraw())
        await self.rest.learn_limits(self.instruments[0].symbol)

    @property
    def bad_frames(self) -> int:
        """Count frames that could not be read, on both links."""
        return self.stream.wire.bad_frames + self.gateway.bad_frames


open_venue = BinanceVenue


async def account_truth(config: VenueConfig, clock: Clock) -> AccountTruth:
    """Ask for the venue's own word on an account."""
    async with RestClient(config, clock, config.credentials()) as rest:
        await rest.wait_up()
        return await AccountReader(rest, (), OrderReader(())).truth()
