"""What a node may do: its lease, the halt latch, and the state of life that follows for an agent."""

from __future__ import annotations

from agents.agent import Agent
from agents.config import AuthorityConfig
from domain.control_events import HaltSet, LeaseGranted
from domain.ids import EPOCH_MAX
from domain.lifecycle import Lifecycle
from risk.gate import Gate


class Mandate:
    """Hold leases to their expiry on the node's own clock, and halts until a later command lifts them."""

    __slots__ = (
        "fence_epoch",
        "fetch_timeout_ns",
        "halt_command_id",
        "halt_reason",
        "lapsed_ns",
        "move_answer",
        "move_command_id",
        "reconcile_ns",
        "reduce_only_ns",
        "seen_epoch",
        "stopping",
    )

    def __init__(self, config: AuthorityConfig) -> None:
        self.reduce_only_ns = round(config.reduce_only_s * 1e9)
        self.reconcile_ns, self.fetch_timeout_ns = (
            round(config.reconcile_s * 1e9),
            round(config.fetch_timeout_s * 1e9),
        )
        self.seen_epoch = self.fence_epoch = self.lapsed_ns = self.halt_command_id = 0
        self.halt_reason, self.stopping = "", False
        self.move_command_id, self.move_answer = 0, ""

    @property
    def heard(self) -> tuple[int, str]:
        """Give the last command on a move that was heard, and what it was answered."""
        return self.move_command_id, self.move_answer

    def started(self, gate: Gate) -> None:
        """Begin a life: no lease, and none of an epoch that an earlier life may have used."""
        self.fence_epoch, self.stopping, self.lapsed_ns = self.seen_epoch, False, 0
        gate.epoch = gate.expires_ns = gate.budget_atoms = 0
        gate.reduce_only = False

    def grant(self, gate: Gate, event: LeaseGranted) -> bool:
        """Take a lease of a new life's epoch, or its renewal; tell whether it counts."""
        epoch = event.epoch
        if epoch <= self.fence_epoch or epoch < gate.epoch or epoch > EPOCH_MAX:
            return False
        self.seen_epoch = max(self.seen_epoch, epoch)
        gate.epoch, gate.expires_ns, gate.budget_atoms = epoch, event.expires_ns, event.budget_atoms
        if event.expires_ns > event.local_ts_ns:
            gate.reduce_only, self.lapsed_ns = False, 0
        return True

    def lapse(self, gate: Gate, now_ns: int) -> bool:
        """Tell, once, that the lease ran out."""
        if gate.epoch == 0 or gate.reduce_only or now_ns < gate.expires_ns:
            return False
        gate.reduce_only, self.lapsed_ns = True, now_ns
        return True

    def flatten(self, now_ns: int) -> bool:
        """Tell whether the lease has been gone for so long that positions must go too."""
        return self.lapsed_ns > 0 and now_ns - self.lapsed_ns >= self.reduce_only_ns

    def halt(self, gate: Gate, event: HaltSet) -> bool:
        """Latch a halt, or lift it by a later command; tell whether anything changed."""
        if event.command_id < self.halt_command_id:
            return False
        if event.halted == gate.halted or (not event.halted and event.command_id == self.halt_command_id):
            self.halt_command_id = event.command_id
            return False
        gate.halted, self.halt_command_id, self.halt_reason = event.halted, event.command_id, event.reason
        return True

    def lifecycle(self, agent: Agent, gate: Gate) -> int:
        """Give the state of life that an agent must be in."""
        account = agent.market.account
        if gate.halted or agent.fault != "":
            return int(Lifecycle.HALTED)
        if self.stopping or not account.link_up or not account.ready or gate.epoch == 0:
            return int(Lifecycle.WARMING if agent.warm_left > 0 else Lifecycle.STANDBY)
        if gate.reduce_only:
            return int(Lifecycle.REDUCE_ONLY)
        return int(Lifecycle.WARMING if agent.warm_left > 0 else Lifecycle.ACTIVE)
