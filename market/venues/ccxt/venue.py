"""One account at any exchange of ccxt, whole: market data, orders and account as one async context."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from domain.events import Event
from domain.instrument import Instrument
from domain.protocols import Clock
from market.venues.ccxt.account import Account
from market.venues.ccxt.client import Client, Refused
from market.venues.ccxt.gateway import CcxtGateway
from market.venues.ccxt.own_orders import OwnOrders
from market.venues.ccxt.reading import UNREADABLE
from market.venues.ccxt.stream import CcxtStream
from market.venues.config import VenueConfig
from market.venues.keys import refuse_withdrawals
from market.venues.quota import Quotas
from market.venues.session import VenueSession
from market.venues.venue import AccountTruth


class CcxtVenue(VenueSession):
    """Connect a node to one account through ccxt, REST and streams."""

    stream: CcxtStream
    gateway: CcxtGateway

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
        self._client = Client(config, clock, quotas)
        self.rest = self._client
        self.stream = CcxtStream(config, self.instruments, self._client, clock, self._deliver)
        self.gateway = CcxtGateway(config, self.instruments, self._client, clock, self._deliver)
        self._join()

    @property
    def bad_frames(self) -> int:
        """Count messages that could not be read, on all streams."""
        return self.stream.bad_frames + self.gateway.bad_frames + self._client.gate.bad_frames

    async def _prepare(self) -> None:
        """Take no key that can withdraw; only some exchanges tell."""
        refuse_withdrawals(self.config, await self._can_withdraw())

    async def _can_withdraw(self) -> bool | None:
        exchange = self._client.exchange
        try:
            if exchange.id.startswith("binance"):
                told = await self._client.ask("the key's rights", exchange.sapi_get_account_apirestrictions)
                can = told["enableWithdrawals"]
                return can if isinstance(can, bool) else None
            if exchange.id == "kraken":
                told = await self._client.ask("the key's rights", exchange.private_post_getapikeyinfo)
                return "withdraw-funds" in told["result"]["permissions"]
        except (Refused, *UNREADABLE):
            pass
        return None


open_venue = CcxtVenue


async def account_truth(config: VenueConfig, clock: Clock) -> AccountTruth:
    """Ask for the exchange's own word on an account."""
    async with Client(config, clock) as client:
        await client.wait_up()
        return await Account(client, (), OwnOrders()).truth()
