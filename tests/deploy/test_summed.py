"""A terminal without a line for every agent shows them summed up, and no order is lost from sight."""

import msgspec

from deploy.summed import fitted
from domain.lifecycle import Lifecycle
from domain.report import AgentReport, OrderCounts
from domain.steering import MemberStatus, SwarmStatus
from tests.deploy.test_table import report


def agent(name: str, strategy: str, intended: int, life: Lifecycle = Lifecycle.ACTIVE) -> AgentReport:
    counts = OrderCounts(intended, intended, 0, intended, 1 if intended else 0, 0)
    return AgentReport(
        1, name, strategy, "tokyo-x", "BTCUSDT", int(life), counts, 0, 0, 0, "0 BTC", float(intended), 0.0
    )


AGENTS = (
    agent("tokyo-mm", "market_maker", 9),
    agent("tokyo-mom", "momentum", 4),
    agent("tokyo-ml", "learned", 2),
    agent("tokyo-eye-a", "learned", 0),
    agent("tokyo-eye-b", "learned", 0, Lifecycle.WARMING),
    agent("tokyo-arb-a", "arbitrage", 3),
    agent("tokyo-arb-b", "arbitrage", 5, Lifecycle.HALTED),
)


def status() -> SwarmStatus:
    told = msgspec.structs.replace(report(1, 2), agents=AGENTS)
    members = (
        MemberStatus("tokyo-1", "tokyo", "ok", 0.1, 3, False, True, told),
        MemberStatus("nyc-1", "nyc", "lost", 9.0, 1, False, False, None),
    )
    return SwarmStatus(1, False, (), members, 20.0, -2.5, {}, 1, "")


def rows(shown: SwarmStatus) -> dict[str, tuple[int, int]]:
    told = shown.members[0].report
    assert told is not None
    return {each.name: (each.orders.intended, each.lifecycle) for each in told.agents}


def test_with_lines_enough_everybody_is_shown() -> None:
    assert list(rows(fitted(status(), 9))) == [each.name for each in AGENTS]


def test_those_that_rest_are_summed_up_first_then_strategies_then_all() -> None:
    resting = rows(fitted(status(), 8))
    assert list(resting) == ["tokyo-mm", "tokyo-mom", "tokyo-ml", "2 learned", "2 arbitrage"]
    assert resting["2 arbitrage"] == (8, Lifecycle.HALTED), "who is held back is seen"
    assert resting["2 learned"] == (0, Lifecycle.WARMING)
    assert list(rows(fitted(status(), 6))) == ["tokyo-mm", "tokyo-mom", "3 learned", "2 arbitrage"]
    assert rows(fitted(status(), 3)) == {"7 agents": (23, Lifecycle.HALTED)}
    assert rows(fitted(status(), 0)) == {"7 agents": (23, Lifecycle.HALTED)}
