"""REST calls are signed as Kraken says, go in the order of their nonces, and end."""

from __future__ import annotations

import asyncio
import base64

import pytest

from domain.errors import ExitCode, SwarmError
from market.venues.kraken.faults import Refusal, lost_session, refusal, taken, unclear, wrong
from market.venues.kraken.rest import RestClient, signature
from tests.market.venue_server import in_loop
from tests.market.venues.kraken.scripted import KEY, bad, good, scripted


def test_the_signature_is_the_one_of_krakens_guide() -> None:
    secret = base64.b64decode(
        "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="
    )
    body = "nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25"
    assert signature(secret, "/0/private/AddOrder", 1616492376594, body) == (
        "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="
    )


@in_loop
async def test_private_calls_go_one_after_another_with_rising_nonces() -> None:
    async with scripted() as venue, venue.client() as rest:
        await asyncio.gather(*(rest.private("BalanceEx", {"asset": "XBT"}) for _ in range(8)))
        nonces = [int(form["nonce"]) for form in venue.called("BalanceEx")]
        assert nonces == sorted(set(nonces)) and len(nonces) == 8


@in_loop
async def test_what_may_mend_itself_is_asked_again_and_at_last_the_venue_is_down() -> None:
    async with scripted() as venue, venue.client() as rest:
        answers = [bad("EAPI:Invalid nonce"), bad("EService:Busy", status=503), good({"token": "T"})]
        venue.rest["GetWebSocketsToken"] = lambda form: answers.pop(0)
        assert await rest.token() == "T"
        for answer in (bad("EAPI:Rate limit exceeded"), (200, "?"), (429, "{}"), (500, "")):
            venue.rest["GetWebSocketsToken"] = lambda form, answer=answer: answer  # type: ignore[misc]
            with pytest.raises(SwarmError, match="is down") as told:
                await rest.token()
            assert told.value.code == ExitCode.VENUE_DOWN and told.value.retryable


@pytest.mark.parametrize(
    "error", ["EAPI:Invalid key", "EAPI:Invalid signature", "EGeneral:Permission denied"]
)
def test_a_wrong_key_is_told_at_once(error: str) -> None:
    @in_loop
    async def run() -> None:
        async with scripted() as venue, venue.client() as rest:
            venue.rest["BalanceEx"] = lambda form: bad(error)
            with pytest.raises(SwarmError) as told:
                await rest.private("BalanceEx")
            assert told.value.code == ExitCode.WRONG_KEY and len(venue.called("BalanceEx")) == 1

    run()


@in_loop
async def test_a_refusal_is_final_and_a_warning_is_none() -> None:
    async with scripted() as venue, venue.client() as rest:
        venue.rest["BalanceEx"] = lambda form: (200, {"error": ["WGeneral:Danger"], "result": {"a": 1}})
        assert await rest.private("BalanceEx") == b'{"a": 1}'
        with pytest.raises(SwarmError, match="Unknown method") as told:
            await rest.private("NoSuchCall")
        assert told.value.code == ExitCode.CONFIG


@in_loop
async def test_unreadable_answers_are_the_venues_trouble() -> None:
    async with scripted() as venue, venue.client() as rest:
        for name in ("GetWebSocketsToken", "Assets"):
            venue.rest[name] = lambda form: good(5)
        with pytest.raises(SwarmError, match="is down"):
            await rest.token()
        with pytest.raises(SwarmError, match="cannot be read"):
            await rest.names()


@in_loop
async def test_a_time_that_cannot_be_read_is_waited_for_and_a_key_tells_what_it_may() -> None:
    async with scripted() as venue, venue.client(start_timeout_s=0.1) as rest:
        assert await rest.can_withdraw() is None
        for permissions, may in ((["query-funds"], False), (["query-funds", "withdraw-funds"], True)):
            venue.rest["GetApiKeyInfo"] = lambda form, told=permissions: good({"permissions": told})  # type: ignore[misc]
            assert await rest.can_withdraw() is may
        venue.rest["GetApiKeyInfo"] = lambda form: good("?")
        assert await rest.can_withdraw() is None
        venue.rest["GetApiKeyInfo"] = lambda form: bad("EService:Busy")
        with pytest.raises(SwarmError, match="is down"):
            await rest.can_withdraw()
        venue.rest["Time"] = lambda form: good("noon")
        with pytest.raises(SwarmError, match="cannot be read"):
            await rest.wait_up()


def test_a_secret_that_is_no_base64_is_left_to_the_venue_to_refuse() -> None:
    @in_loop
    async def run() -> None:
        async with scripted() as venue:
            client = RestClient(venue.config(), venue.client().clock, (KEY, "wrong"))
            async with client as rest:
                assert await rest.private("BalanceEx") != b""

    run()


def test_errors_are_told_apart() -> None:
    assert refusal("EOrder:Insufficient funds") == Refusal.FUNDS
    assert refusal("EFunding:Something") == Refusal.OTHER
    for text in (
        "EService:Unavailable",
        "EOrder:Rate limit exceeded",
        "ESession:Invalid session",
        "",
        "what?",
    ):
        assert unclear(text)
    for text in (
        "EService:Market in cancel_only mode",
        "EOrder:Insufficient funds",
        "EGeneral:Invalid arguments",
    ):
        assert not unclear(text)
    assert lost_session("ESession:Invalid session") and not lost_session("EOrder:Unknown order")
    assert wrong("EAPI:Invalid key") and not wrong("EAPI:Rate limit exceeded")
    assert taken("EGeneral:Invalid arguments:cl_ord_id not unique")
    assert taken("EGeneral:Invalid arguments:cl_ord_id is already in use")
    assert not taken("EGeneral:Invalid arguments:cl_ord_id")
