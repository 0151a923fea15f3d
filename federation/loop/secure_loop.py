"""The loop where nobody sees an update: versions from sums under masks, each a round with a deadline.

A region trains before it shows its keys, so that who is slow or dead is known before anybody masks anything;
the three steps that follow are short, and who is lost in them is made up for by the others' shares.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import cast

import msgspec

from federation.loop.config import LoopConfig
from federation.loop.deadline import deadline_ns, lost_ns, with_duration
from federation.loop.events import (
    DEAL,
    SEND,
    SHOW,
    UNCOVER,
    Action,
    Announce,
    ClientDown,
    ClientUp,
    Event,
    Failed,
    Part,
    Passed,
    Reported,
    Restarted,
    Said,
    Store,
    Tell,
)
from federation.loop.merge import Counted, Loss, Regressed, champion_of, merged
from federation.loop.remembered import Remembered
from federation.loop.version import Member, Version
from federation.privacy.fixed_point import Words
from federation.privacy.secure_mean import mean_of_words, word_count
from federation.privacy.secure_sum import CLIENTS_MIN, Keys, SecureServer, SecureSumFailed
from federation.update import RejectedUpdate, Update
from federation.vetting.history import norm, step_of
from federation.vetting.vet import vet

ROUNDING = 1.001  # a clipped step is rounded to floats, and its words to integers
STEP_SLACK, TOOK_MAX = 4.0, 32
NEXT = {SHOW: DEAL, DEAL: SEND, SEND: UNCOVER}


class Told(msgspec.Struct, frozen=True):
    """What a region is busy with."""

    sum: str
    step: str
    at_ns: int


class SecureLoop:
    """Decide who takes part in a sum, when its steps are over and what its mean is worth; no clock, no I/O.

    What cannot be known of one region is known of the sum: that it is finite, no longer than the clip that
    every region keeps to, over a likely count of examples, and no worse on the hold-out.
    """

    def __init__(
        self,
        config: LoopConfig,
        versions: Sequence[Version],
        *,
        clip: float,
        step_s: float,
        loss: Loss | None = None,
    ) -> None:
        assert versions, "a line begins with a first version"
        self.config, self._clip, self._step_ns = config, clip, int(step_s * 1e9)
        self._loss = None if loss is None else Remembered(loss)
        self.versions = {each.number: each for each in versions}
        self.current = versions[-1]
        self.up: dict[str, None] = {}
        self.told: dict[str, Told] = {}
        self.sum, self.step_name = "", SHOW
        self._server, self._said = SecureServer(), dict[str, Part]()
        self._members: tuple[str, ...] = ()
        self._left_out: list[RejectedUpdate] = []
        self._took_ns: deque[int] = deque(maxlen=TOOK_MAX)
        self._durations_ns = dict(self.current.durations_ns)
        self._attempt, self._opened_ns, self._told_ns = 0, 0, 0
        self._not_before_ns: dict[str, int] = {}
        self._too_few = -1

    def step(self, event: Event) -> list[Action]:
        """Take one event and answer what is to be done, in order."""
        actions: list[Action] = []
        now_ns = self._told_ns = max(event.now_ns, self._told_ns)
        if isinstance(event, ClientUp):
            self.up[event.region] = None
        elif isinstance(event, ClientDown):
            self.up.pop(event.region, None)
            self.told.pop(event.region, None)
        elif isinstance(event, Said):
            self._hear(event, now_ns, actions)
        elif isinstance(event, Failed):
            self.told.pop(event.region, None)
            self._leave_out(event.region, event.reason, now_ns, actions)
        elif isinstance(event, Restarted):
            self.up.clear()
            self.told.clear()
            self.sum = ""
        self._lose(now_ns, actions)
        while self.sum and self._over(now_ns):
            self._go_on(now_ns, actions)
        if not self.sum and isinstance(event, Passed):  # by then all who came together are up
            self._open(now_ns, actions)
        return actions

    def _hear(self, said: Said, now_ns: int, actions: list[Action]) -> None:
        """Take a region's part; one that comes after its step was over is too late to count."""
        told = self.told.get(said.region)
        if told is None or (told.sum, told.step) != (said.sum, said.step):
            return
        del self.told[said.region]
        if said.step == SHOW:
            took_ns = now_ns - told.at_ns
            self._durations_ns = with_duration(self._durations_ns, said.region, took_ns)
        else:
            self._took_ns.append(now_ns - told.at_ns)
        if (said.sum, said.step) != (self.sum, self.step_name):
            return
        wrong = self._server.wrong(said.part, word_count(self.current.arrays))
        if wrong is None:
            self._said[said.region] = said.part
        else:
            self._leave_out(said.region, wrong, now_ns, actions)

    def _lose(self, now_ns: int, actions: list[Action]) -> None:
        for region, told in list(self.told.items()):
            if now_ns - told.at_ns >= lost_ns(self.config, self._durations_ns.get(region, ())):
                del self.told[region]
                self._leave_out(region, "did not answer", now_ns, actions)

    def _over(self, now_ns: int) -> bool:
        """Tell whether all have done the step, or enough have and its time is over."""
        if not any((each.sum, each.step) == (self.sum, self.step_name) for each in self.told.values()):
            return True
        if self.step_name == SHOW:
            usual_ns = deadline_ns(self.config, self.up, self._durations_ns)
            return now_ns >= self._opened_ns + usual_ns and len(self._said) >= CLIENTS_MIN
        return now_ns >= self._opened_ns + self._patience_ns()

    def _patience_ns(self) -> int:
        """Wait for a step of messages by how long such steps took before, and no longer than told."""
        if not self._took_ns:
            return self._step_ns
        usual_ns = int(STEP_SLACK * max(self._took_ns))
        return min(self._step_ns, max(usual_ns, int(self.config.deadline_min_s * 1e9)))

    def _open(self, now_ns: int, actions: list[Action]) -> None:
        """Begin a sum among those who are up, rested and not busy; among fewer than three nobody hides."""
        if len(self.up) < CLIENTS_MIN:
            if self._too_few != len(self.up):
                reason = f"a secure sum needs {CLIENTS_MIN} regions, and {len(self.up)} are up"
                actions += [Reported(region, self.current.number, reason) for region in sorted(self.up)]
            self._too_few = len(self.up)
            return
        self._too_few = -1
        ready = [
            region
            for region in self.up
            if region not in self.told and now_ns >= self._not_before_ns.get(region, now_ns)
        ]
        if len(ready) >= CLIENTS_MIN:
            self.sum = f"{self.current.hash[:16]}-{self._attempt}-{now_ns}"
            self._server = SecureServer()
            self._begin([self._tell(region, SHOW) for region in ready], now_ns, actions)

    def _tell(self, region: str, step: str) -> Tell:
        return Tell(region, self.current.number, self._attempt, self.sum, step)

    def _begin(self, tells: Sequence[Tell], now_ns: int, actions: list[Action]) -> None:
        tells = [tell for tell in tells if tell.region in self.up]
        if not tells:
            raise SecureSumFailed("nobody is left")
        self.step_name, self._said, self._opened_ns = tells[0].step, {}, now_ns
        self._members = tuple(sorted(tell.region for tell in tells))
        for tell in tells:
            self.told[tell.region] = Told(tell.sum, tell.step, now_ns)
            actions.append(tell)

    def _go_on(self, now_ns: int, actions: list[Action]) -> None:
        """Give what was said to those who said it, for their next step; too few of them make no sum."""
        try:
            if self.step_name == UNCOVER:
                shares = cast(Mapping[str, Mapping[str, bytes]], self._said)
                self._make(self._server.total(shares), now_ns, actions)
            else:
                self._begin(self._next(), now_ns, actions)
        except (SecureSumFailed, ValueError) as error:  # shares that do not fit are a ValueError
            self._refuse(f"no sum: {error}", now_ns, actions)

    def _next(self) -> list[Tell]:
        step, said = NEXT[self.step_name], dict(sorted(self._said.items()))
        tells = {region: self._tell(region, step) for region in said}
        if step == DEAL:
            peers = self._server.meet(cast(Mapping[str, Keys], said))
            return [msgspec.structs.replace(each, peers=peers) for each in tells.values()]
        if step == SEND:
            boxes = self._server.pass_on(cast(Mapping[str, Mapping[str, bytes]], said))
            return [msgspec.structs.replace(tells[region], boxes=boxes[region]) for region in boxes]
        alive = tuple(self._server.survivors(cast(Mapping[str, Words], said)))
        return [msgspec.structs.replace(tells[region], alive=alive) for region in alive]

    def _make(self, total: Words, now_ns: int, actions: list[Action]) -> None:
        """Make the sum's mean a version, if it passes what can be asked of a sum."""
        alive, current = self._server.alive, self.current
        arrays, examples = mean_of_words(total, current.arrays)
        if examples > self.config.examples_max * len(alive):
            raise ValueError(f"{examples:g} examples of {len(alive)} regions")
        update = Update(
            "all", current.hash, arrays, round(examples), names=current.names, attempt=self._attempt
        )
        made = self._judged(update, now_ns)
        if isinstance(made, str):
            self._refuse(made, now_ns, actions)
            return
        members = tuple(Member(each, current.number, self._attempt, None, None, 0) for each in alive)
        counted = {**current.counted, **dict.fromkeys(alive, (current.number, self._attempt))}
        best = self.versions.get(current.champion)
        champion = champion_of(made, best, self._loss)
        self.current = msgspec.structs.replace(made, members=members, counted=counted, champion=champion)
        kept = [self.current, *([best] if best is not None and best.number == champion else [])]
        self.versions = {each.number: each for each in kept}
        self._left_out.clear()
        self.sum, self._attempt = "", 0
        actions += [Store(self.current), Announce(self.current.number)]

    def _judged(self, update: Update, now_ns: int) -> Version | str:
        """Give the version that a sum's mean makes, or say what is wrong with the sum."""
        current, vetting = self.current, self.config.vetting
        rejected = vet(
            update, current.arrays, current.history, self._loss, names=current.names, config=vetting
        )
        if rejected is not None:
            return rejected.reason
        length = norm(step_of(update.arrays, current.arrays))
        if length > self._clip * ROUNDING:
            return f"step of {length:.3g} where every region's is clipped to {self._clip:g}"
        best = self.versions.get(current.champion)
        counted = [Counted(update, current)]
        made = merged(
            self.config, current, counted, self._left_out, self._durations_ns, now_ns, self._loss, best
        )
        return made.reason if isinstance(made, Regressed) else made

    def _refuse(self, reason: str, now_ns: int, actions: list[Action]) -> None:
        """End a sum that became no version: whose fault it was, nobody can tell, so all are named."""
        whose = f"the sum of {', '.join(self._members)}: {reason}"
        for region in self._members:
            self._leave_out(region, whose, now_ns, actions)
        self.sum, self._attempt = "", self._attempt + 1

    def _leave_out(self, region: str, reason: str, now_ns: int, actions: list[Action]) -> None:
        kept = [each for each in self._left_out if each.region != region]
        self._left_out = [*kept, RejectedUpdate(region, reason)]
        self._not_before_ns[region] = now_ns + int(self.config.retry_s * 1e9)
        actions.append(Reported(region, self.current.number, reason))
