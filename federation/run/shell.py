"""Drive the loop over a Grid: messages out, replies in, versions to disk before anybody hears of them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from domain.draws import stream_seed
from domain.protocols import Clock
from federation.loop.events import (
    SHOW,
    Action,
    Announce,
    Arrived,
    Ask,
    ClientDown,
    ClientUp,
    Event,
    Failed,
    Hold,
    Passed,
    Reported,
    Restarted,
    Said,
    Store,
    Tell,
)
from federation.loop.merge import Loss
from federation.loop.round_loop import RoundLoop
from federation.loop.secure_loop import SecureLoop
from federation.loop.version import Version
from federation.run.config import FederationConfig
from federation.run.flower import Grid, Message, MessageType, RecordDict
from federation.run.messages import ask_content, update_of
from federation.run.secure_messages import SUM, part_of, told_content
from federation.run.store import REFUSED_MAX, Refused, VersionStore, read_refused
from federation.update import Update, plain

REPORTS_MAX = 256
Roster = Callable[[], Mapping[int, str]]
Told = Callable[[Version], None]


class RoundShell:
    """Own a loop's Grid, clock and store; `roster` names the regions of the nodes that are up."""

    def __init__(
        self,
        config: FederationConfig,
        store: VersionStore,
        grid: Grid,
        clock: Clock,
        roster: Roster,
        *,
        loss: Loss | None = None,
        announce: Told = lambda version: None,
    ) -> None:
        self.config, self.store, self._grid, self._clock = config, store, grid, clock
        self._roster, self._announce = roster, announce
        versions = store.newest(config.loop.staleness_max + 1)
        self.loop: RoundLoop | SecureLoop
        if config.secure:
            clip, step_s = config.secure_clip, config.secure_step_s
            self.loop = SecureLoop(config.loop, versions, clip=clip, step_s=step_s, loss=loss)
        else:
            self.loop = RoundLoop(config.loop, versions, store.held(), loss=loss)
        self.reports: deque[Reported] = deque(maxlen=REPORTS_MAX)
        self._refused = read_refused(store.folder)
        self.stop = threading.Event()
        self._nodes: dict[str, int] = {}
        self._sent: dict[str, Ask | Tell] = {}
        self._asks: list[tuple[Ask | Tell, Message]] = []
        self._step(Restarted(clock.now_ns()))

    def run(self) -> None:
        """Make versions until told to stop, or until there are as many as the config wants."""
        while not self.stop.is_set() and not self._enough():
            self.turn()
            self.stop.wait(self.config.poll_s)

    def turn(self) -> None:
        """See who is up, take what has come, let time pass, and ask."""
        before = self.loop.current.number
        self._see()
        for message in self._grid.pull_messages(list(self._sent)):
            self._receive(message)
        self._step(Passed(self._clock.now_ns()))
        if self.loop.current.number != before:
            self._see()  # who rests now that there is a version is not asked
        self._push()

    def _enough(self) -> bool:
        return 0 < self.config.versions_max <= self.loop.current.number

    def _see(self) -> None:
        """Tell the loop who has come and who has gone."""
        now_ns = self._clock.now_ns()
        here = {region: node for node, region in self._roster().items()}
        for region in [each for each in self._nodes if here.get(each) != self._nodes[each]]:
            del self._nodes[region]
            self._sent = {name: ask for name, ask in self._sent.items() if ask.region != region}
            self._step(ClientDown(region, now_ns))
        for region, node in here.items():
            if region not in self._nodes:
                self._nodes[region] = node
                self._step(ClientUp(region, now_ns))

    def _receive(self, message: Message) -> None:
        ask = self._sent.pop(message.metadata.reply_to_message_id, None)
        if ask is None:
            return
        now_ns = self._clock.now_ns()
        read = update_of(message) if isinstance(ask, Ask) else part_of(message, ask.step)
        if isinstance(read, str):
            self._step(Failed(ask.region, plain(read), now_ns))
        elif read.region != ask.region:
            self._step(Failed(ask.region, f"says that it is {read.region}", now_ns))
        elif isinstance(read, Update):
            self._step(Arrived(read, now_ns))
        else:
            self._step(Said(read.region, read.sum, read.step, read.part, now_ns))

    def _step(self, event: Event) -> None:
        self._carry_out(self.loop.step(event))

    def _carry_out(self, actions: Iterable[Action]) -> None:
        """Do what the loop wants, in order: what is stored is durable before the next line runs."""
        for action in actions:
            if isinstance(action, Hold):
                self.store.hold(action.update)
            elif isinstance(action, Store):
                self.store.store(action.version)
                self._pardon(action.version)
            elif isinstance(action, Announce):
                self._announce(self.loop.current)
            elif isinstance(action, Reported):
                self.reports.append(action)
                self._note(action)
            elif action.region in self._nodes and not self._enough():
                self._asks.append((action, self._message(action)))

    def _note(self, report: Reported) -> None:
        """Keep for each region why its work did not count the last time."""
        before = {region: each for region, each in self._refused.items() if region != report.region}
        new = Refused(report.version, report.reason, self._clock.now_ns())
        self._refused = dict([*before.items(), (report.region, new)][-REFUSED_MAX:])
        self.store.refuse(self._refused)

    def _pardon(self, version: Version) -> None:
        """Forget it of those who count now."""
        counted = {member.region for member in version.members}
        if not counted.isdisjoint(self._refused):
            self._refused = {region: each for region, each in self._refused.items() if region not in counted}
            self.store.refuse(self._refused)

    def _push(self) -> None:
        """Send what is still to be sent: not to who has gone since."""
        asks = [
            each for each in self._asks if self._nodes.get(each[0].region) == each[1].metadata.dst_node_id
        ]
        self._asks.clear()
        names = self._grid.push_messages([message for _, message in asks]) if asks else ()
        self._sent.update(zip(names, (ask for ask, _ in asks), strict=True))

    def _message(self, ask: Ask | Tell) -> Message:
        content, kind = RecordDict(), MessageType.TRAIN
        if isinstance(ask, Ask) or ask.step == SHOW:
            seed = stream_seed(self.config.seed, ask.region, ask.version, ask.attempt) >> 33
            content = ask_content(self.loop.versions[ask.version], ask.attempt, seed, self.config.train)
        if isinstance(ask, Tell):
            bounds = self.config.secure_clip, self.config.loop.examples_max
            content, kind = told_content(ask, content, *bounds), SUM
        return self._grid.create_message(
            content,
            kind,
            self._nodes[ask.region],
            str(ask.version),
            self.config.loop.lost_first_s,
        )
