import asyncio
from typing import Any

import pytest

from agents.config import HotConfig
from agents.record import recover
from agents.rehearsal import EPOCH_PASSES, Rehearsal, keep_warm
from agents.shell import NodeShell
from bus.journal_memory import MemoryJournal
from domain.ids import client_id_parts
from domain.market_events import BookSnapshot, FeedUp
from domain.order import OrderIntent
from hw.clock import SystemClock
from tests.agents.builders import VENUE, agent_table, config, instrument

BID, ASK = 6_800_000, 6_800_002


def rehearsal(strategy: str = "market_maker") -> Rehearsal:
    """Build one with a market and a strategy of the product's own."""
    return Rehearsal(config(agent_table(strategy=strategy)), (instrument(),))


def test_every_pass_has_orders_to_show() -> None:
    rehearsed = rehearsal()
    seen: list[OrderIntent] = []
    assert not rehearsed.begun
    rehearsed.begin(BID, ASK)
    assert rehearsed.begun
    for _ in range(50):
        before = len(seen)
        rehearsed.play(seen.append)
        assert len(seen) > before
    assert rehearsed.passes == 50
    assert {type(intent) for intent in seen} == {OrderIntent}


def test_a_rehearsal_stays_as_small_as_it_is() -> None:
    rehearsed = rehearsal()
    rehearsed.begin(BID, ASK)
    for _ in range(200):
        rehearsed.play(lambda intent: None)
    desk = rehearsed.node.desk
    assert not desk.working and desk.fills == 0 and desk.gate.in_flight == 0
    assert rehearsed.node.pipeline.ticks >= 200


def test_nothing_that_could_be_sent_is_shown() -> None:
    rehearsed = rehearsal()
    seen: list[OrderIntent] = []
    rehearsed.begin(BID, ASK)
    rehearsed.play(seen.append)
    assert not any(hasattr(shown, "epoch") for shown in seen)


def test_ids_are_of_a_new_epoch_before_they_run_out() -> None:
    rehearsed = rehearsal()
    rehearsed.begin(BID, ASK)
    rehearsed.play(lambda intent: None)
    (agent,) = rehearsed.node.desk.agents.values()
    assert client_id_parts(agent.id_base)[1] == 1
    rehearsed.passes = EPOCH_PASSES - 1
    rehearsed.play(lambda intent: None)
    assert client_id_parts(agent.id_base)[1] == 2


def test_the_market_in_the_reporting_currency_is_rehearsed() -> None:
    agents = agent_table(1, symbol="ETHBTC"), agent_table(2, symbol="BTCUSDT")
    markets = instrument(0, "ETH", "BTC"), instrument(1)
    assert Rehearsal(config(*agents), markets).instrument is markets[1]
    assert Rehearsal(config(agents[0]), markets).instrument is markets[0]


@pytest.mark.parametrize("touch", [(1, 2), (3, 4), (BID, ASK + 5_000)])
def test_any_touch_can_be_rehearsed_with(touch: tuple[int, int]) -> None:
    rehearsed = rehearsal()
    rehearsed.begin(*touch)
    for _ in range(3):
        rehearsed.play(lambda intent: None)
    assert rehearsed.node.pipeline.stale() == []


@pytest.mark.parametrize("spin", [False, True])
def test_a_warm_loop_plays_at_its_pace_and_lets_others_work(spin: bool) -> None:
    played = []

    async def run() -> None:
        done = asyncio.Event()

        def play() -> None:
            played.append(1)
            if len(played) == 3:
                done.set()

        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            warm = tasks.create_task(keep_warm(HotConfig(spin=spin, rehearse_us=100), play))
            await done.wait()
            warm.cancel()

    asyncio.run(run())
    assert len(played) == 3


def test_a_loop_that_only_spins_plays_nothing() -> None:
    turns = []

    async def run() -> None:
        async with asyncio.TaskGroup() as tasks:
            warm = tasks.create_task(keep_warm(HotConfig(spin=True), lambda: turns.append(-1)))
            for turn in range(100):
                await asyncio.sleep(0)
                turns.append(turn)
            warm.cancel()

    asyncio.run(run())
    assert turns == list(range(100))


class Shown:
    """A venue as far as a rehearsal needs one."""

    def __init__(self) -> None:
        self.name, self.instruments = VENUE, (instrument(),)
        self.read = 0
        self.intents: list[OrderIntent] = []

    def reread(self) -> None:
        self.read += 1

    def rehearse(self, intent: OrderIntent) -> None:
        self.intents.append(intent)

    def fetch_book(self, index: int) -> None:
        assert index == 0

    def prefer(self, instruments: list[int]) -> None:
        assert instruments == [0]


def hot_shell(venue: Shown, told: list[str]) -> NodeShell:
    """Build a shell that is asked to rehearse, on a journal in memory."""
    region = config(agent_table(strategy="market_maker"), hot={"rehearse_us": 100})
    journal: Any = MemoryJournal("test-1")
    recorder, _ = recover(journal, region, venue.instruments)
    shell = NodeShell(region, recorder, journal, SystemClock(), told.append)
    attached: Any = venue
    shell.attach(attached)
    return shell


def priced(shell: NodeShell) -> None:
    """Give a shell's market a price."""
    shell.deliver(FeedUp(VENUE, 1))
    shell.deliver(BookSnapshot(0, 1, 1, 1, ((BID, 5),), ((ASK, 5),)))


def test_a_shell_rehearses_once_its_market_has_a_price_and_records_nothing_of_it() -> None:
    venue = Shown()
    shell = hot_shell(venue, [])
    shell._rehearse()
    assert shell.rehearsal is not None and not shell.rehearsal.begun
    priced(shell)
    state, events = shell.node.state(), shell.journal.events
    for _ in range(4):
        shell._rehearse()
    assert venue.read == 3 and len(venue.intents) >= 3
    assert (shell.node.state(), shell.journal.events) == (state, events)


def test_a_rehearsal_that_fails_is_let_go_and_the_node_lives_on(monkeypatch: pytest.MonkeyPatch) -> None:
    venue, told = Shown(), list[str]()
    shell = hot_shell(venue, told)
    priced(shell)
    shell._rehearse()

    def failing(intent: OrderIntent) -> None:
        raise ValueError("no such frame")

    monkeypatch.setattr(venue, "rehearse", failing)
    shell._rehearse()
    shell._rehearse()
    assert shell.rehearsal is None
    assert [line for line in told if "rehears" in line] == ["no more rehearsals: ValueError no such frame"]


def test_a_shell_that_is_not_asked_to_has_no_rehearsal() -> None:
    journal: Any = MemoryJournal("test-1")
    recorder, _ = recover(journal, config(), (instrument(),))
    assert NodeShell(config(), recorder, journal, SystemClock(), print).rehearsal is None
