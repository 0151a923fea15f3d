"""The continuous loop: versions without end, from whoever answers, never waiting for the dead."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from federation.loop.config import LoopConfig
from federation.loop.deadline import deadline_ns, lost_ns, with_duration
from federation.loop.events import (
    Action,
    Announce,
    Arrived,
    Ask,
    ClientDown,
    ClientUp,
    Event,
    Failed,
    Hold,
    Reported,
    Restarted,
    Store,
)
from federation.loop.merge import Counted, Loss, Regressed, champion_of, merged
from federation.loop.remembered import Remembered
from federation.loop.version import Version
from federation.update import RejectedUpdate, Update
from federation.vetting.vet import vet


class Asked(msgspec.Struct, frozen=True):
    """What a region is busy with."""

    version: int
    attempt: int
    at_ns: int


class RoundLoop:
    """Decide what is asked, what counts and when a version is made; a value without clock or I/O.

    `versions` are the newest ones that the store has, oldest first, and the champion among them; `held` are
    updates that were kept and not yet counted.
    """

    def __init__(
        self,
        config: LoopConfig,
        versions: Sequence[Version],
        held: Sequence[Update] = (),
        *,
        loss: Loss | None = None,
    ) -> None:
        assert versions, "a line begins with a first version"
        self.config = config
        self._loss = None if loss is None else Remembered(loss)
        self.versions = {each.number: each for each in versions}
        self.current = versions[-1]
        self.up: dict[str, None] = {}
        self.asked: dict[str, Asked] = {}
        self.buffer: dict[str, Counted] = {}
        self._held = list(held)
        self._left_out: list[RejectedUpdate] = []
        self._spoilt: dict[str, None] = {}
        self._durations_ns = dict(self.current.durations_ns)
        self._attempts: dict[str, tuple[int, int]] = {}
        self._not_before_ns: dict[str, int] = {}
        self._opened_ns = self.current.made_ns
        self._told_ns = 0

    def step(self, event: Event) -> list[Action]:
        """Take one event and answer what is to be done, in order."""
        actions: list[Action] = []
        now_ns = self._told_ns = max(event.now_ns, self._told_ns)
        if isinstance(event, ClientUp):
            self.up[event.region] = None
        elif isinstance(event, ClientDown):
            self.up.pop(event.region, None)
            self.asked.pop(event.region, None)
        elif isinstance(event, Arrived):
            self._take(event.update, now_ns, actions)
        elif isinstance(event, Failed):
            self.asked.pop(event.region, None)
            self._leave_out(RejectedUpdate(event.region, event.reason), now_ns, actions)
        elif isinstance(event, Restarted):
            self._restart(now_ns, actions)
        if self._due(now_ns):
            self._make(now_ns, actions)
        self._ask(now_ns, actions)
        return actions

    def wake_ns(self) -> int | None:
        """Give when time alone will change something; `None` while only an event can."""
        times = [self._deadline_ns()] if self.buffer else []
        times += [at for region, at in self._not_before_ns.items() if region in self.up]
        times += [asked.at_ns + self._lost_ns(region) for region, asked in self.asked.items()]
        return min(times, default=None)

    def _restart(self, now_ns: int, actions: list[Action]) -> None:
        self.up.clear()
        self.asked.clear()
        self._opened_ns = now_ns
        held, self._held = self._held, []
        for update in held:
            self._accept(update, now_ns, actions, stored=True)

    def _take(self, update: Update, now_ns: int, actions: list[Action]) -> None:
        region = update.region
        base = self._base(update)
        asked = self.asked.get(region)
        if asked is not None and base is not None and asked.version == base.number:
            if update.attempt > asked.attempt:
                self._set_aside(region, f"try {update.attempt}, which nobody asked for", now_ns, actions)
                return
            if update.attempt == asked.attempt:
                del self.asked[region]
                self._durations_ns = with_duration(self._durations_ns, region, now_ns - asked.at_ns)
        self._accept(update, now_ns, actions, stored=False)

    def _accept(self, update: Update, now_ns: int, actions: list[Action], *, stored: bool) -> None:
        base = self._base(update)
        if base is None or self.current.number - base.number > self.config.staleness_max:
            reason = f"learnt from {update.base[:8]}, which is unknown or too old"
            self._set_aside(update.region, reason, now_ns, actions)
            return
        if self._replayed(update, base):
            reason = f"a replay: version {base.number} was counted already"
            self._set_aside(update.region, reason, now_ns, actions)
            return
        rejected = vet(
            update,
            base.arrays,
            self.current.history,
            self._loss,
            names=self.current.names,
            config=self.config.vetting,
        )
        if rejected is not None:
            self._attempts[update.region] = (base.number, update.attempt + 1)
            self._spoilt[update.region] = None
            self._leave_out(rejected, now_ns, actions)
            return
        self.buffer[update.region] = Counted(update, base)
        if not stored:
            actions.append(Hold(update))

    def _base(self, update: Update) -> Version | None:
        return next((each for each in self.versions.values() if each.hash == update.base), None)

    def _replayed(self, update: Update, base: Version) -> bool:
        """Tell whether this, or something later, of the region was counted or is about to be."""
        place = (base.number, update.attempt)
        if place <= tuple(self.current.counted.get(update.region, (-1, -1))):
            return True
        waiting = self.buffer.get(update.region)
        return waiting is not None and place <= (waiting.base.number, waiting.update.attempt)

    def _leave_out(self, rejected: RejectedUpdate, now_ns: int, actions: list[Action]) -> None:
        self._left_out = [each for each in self._left_out if each.region != rejected.region] + [rejected]
        self._not_before_ns[rejected.region] = now_ns + int(self.config.retry_s * 1e9)
        self._report(rejected.region, rejected.reason, actions)

    def _set_aside(self, region: str, reason: str, now_ns: int, actions: list[Action]) -> None:
        """Do not wait for what a region was asked for: what came instead is none of it."""
        self.asked.pop(region, None)
        self._spoilt[region] = None
        self._not_before_ns[region] = now_ns + int(self.config.retry_s * 1e9)
        self._report(region, reason, actions)

    def _report(self, region: str, reason: str, actions: list[Action]) -> None:
        actions.append(Reported(region, self.current.number, reason))

    def _due(self, now_ns: int) -> bool:
        if not self.buffer:
            return False
        # Who sent what cannot count is not waited for: else it would hold up every version to its deadline.
        everybody = max(1, len((self.up.keys() - self._spoilt.keys()) | self.buffer.keys()))
        wanted = min(self.config.buffer or everybody, everybody)
        return len(self.buffer) >= wanted or now_ns >= self._deadline_ns()

    def _deadline_ns(self) -> int:
        return self._opened_ns + deadline_ns(self.config, self.up, self._durations_ns)

    def _lost_ns(self, region: str) -> int:
        return lost_ns(self.config, self._durations_ns.get(region, ()))

    def _make(self, now_ns: int, actions: list[Action]) -> None:
        counted = [self.buffer[region] for region in sorted(self.buffer)]
        self.buffer.clear()
        self._spoilt.clear()
        made = merged(
            self.config,
            self.current,
            counted,
            self._left_out,
            self._durations_ns,
            now_ns,
            self._loss,
            self.versions.get(self.current.champion),
        )
        self._opened_ns = now_ns
        if isinstance(made, Regressed):
            for each in counted:
                region = each.update.region
                self._attempts[region] = (each.base.number, each.update.attempt + 1)
                self._leave_out(RejectedUpdate(region, made.reason), now_ns, actions)
            return
        best = self.versions.get(self.current.champion)
        self.current = msgspec.structs.replace(made, champion=champion_of(made, best, self._loss))
        self.versions[made.number] = self.current
        self._forget()
        self._left_out.clear()
        actions += [Store(self.current), Announce(made.number)]

    def _forget(self) -> None:
        oldest = self.current.number - self.config.staleness_max
        for number in [each for each in self.versions if each < oldest and each != self.current.champion]:
            del self.versions[number]

    def _ask(self, now_ns: int, actions: list[Action]) -> None:
        for region in [each for each in self.up if self._lost(each, now_ns)]:
            self._report(region, "did not answer", actions)
            del self.asked[region]
        for region in self.up:
            if (
                region in self.asked
                or region in self.buffer
                or now_ns < self._not_before_ns.get(region, now_ns)
            ):
                continue
            self._not_before_ns.pop(region, None)
            if (
                not self.asked and not self.buffer
            ):  # nobody was at work: what was waited for is not their time
                self._opened_ns = now_ns
            attempt = self._attempt(region)
            self.asked[region] = Asked(self.current.number, attempt, now_ns)
            actions.append(Ask(region, self.current.number, attempt))

    def _lost(self, region: str, now_ns: int) -> bool:
        asked = self.asked.get(region)
        return asked is not None and now_ns - asked.at_ns >= self._lost_ns(region)

    def _attempt(self, region: str) -> int:
        """Count the tries at the current version that did not count."""
        version, attempt = self._attempts.get(region, (-1, 0))
        return attempt if version == self.current.number else 0
