"""The risk budget: what unexpired leases may use together never exceeds the total."""

from __future__ import annotations

from collections import deque


class BudgetBook:
    """Split a total over nodes.

    A node is counted at the largest of its unexpired leases, for it may not have heard of the latest. Budgets
    are per node and not per incarnation: a restarted node carries the same account and its positions.
    """

    def __init__(self, total_atoms: int, expected_nodes: int) -> None:
        self.total_atoms = total_atoms
        self._expected_nodes = expected_nodes
        self._leases: dict[str, deque[tuple[int, int]]] = {}

    def outstanding(self, node: str, now_ns: int) -> int:
        """Give the most that a node may believe it has."""
        leases = self._leases.get(node)
        while leases and leases[0][0] <= now_ns:
            leases.popleft()
        return leases[0][1] if leases else 0

    def outstanding_total(self, now_ns: int) -> int:
        """Give the most that all nodes may believe they have."""
        return sum(self.outstanding(node, now_ns) for node in self._leases)

    def holds_lease(self, node: str, now_ns: int) -> bool:
        """Tell whether a lease of this node may still be running."""
        self.outstanding(node, now_ns)
        return bool(self._leases.get(node))

    def share(self, node: str, now_ns: int) -> int:
        """Give what this node can have now: an even share, or what the others leave of it."""
        others = [name for name in self._leases if name != node and self.holds_lease(name, now_ns)]
        taken = sum(self.outstanding(name, now_ns) for name in others)
        even = self.total_atoms // max(self._expected_nodes, len(others) + 1)
        return max(0, min(even, self.total_atoms - taken))

    def lease(self, node: str, budget_atoms: int, expires_ns: int) -> None:
        """Count a lease from now on; smaller ones that end no later are covered by it."""
        leases = self._leases.setdefault(node, deque())
        while leases and leases[-1][1] <= budget_atoms and leases[-1][0] <= expires_ns:
            leases.pop()
        leases.append((expires_ns, budget_atoms))

    def end(self, node: str) -> None:
        """Take back the leases of a node that said it stopped."""
        self._leases.pop(node, None)
