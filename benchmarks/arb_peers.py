"""The graphs of others, kept in step with ours: what they need to look for a cycle that gains."""

from __future__ import annotations

import math
from typing import Any

import networkx
import rustworkx

from arbitrage.graph.price_graph import PriceGraph

NOTHING = 1e3


class PeerGraph:
    """Know the edges of a price graph by the best rate from asset to asset, as weights that sum."""

    def __init__(self, graph: PriceGraph) -> None:
        self._graph, self._columns = graph, graph.columns
        self.edges = [
            (int(source), int(target), self.weight(pair))
            for pair, (source, target) in enumerate(self._columns.pairs[:, :2].tolist())
        ]

    def weight(self, pair: int) -> float:
        """Give what a pair weighs now."""
        top = float(self._columns.tops[pair])
        return -math.log(top) if top > 0 else NOTHING

    def pairs(self, market: int) -> tuple[int, int]:
        """Name the two pairs of a market."""
        selling, buying = self._columns.markets[market, 5:7].tolist()
        return selling, buying


class RustGraph(PeerGraph):
    """Be rustworkx's: weights are the edges' payloads, read by `float` itself."""

    def __init__(self, graph: PriceGraph) -> None:
        super().__init__(graph)
        self._peer: Any = rustworkx.PyDiGraph()
        self._peer.add_nodes_from(range(len(graph.assets)))
        self._places = self._peer.add_edges_from(self.edges)

    def follow(self, market: int) -> None:
        """Take the weights of a market's pairs over."""
        for pair in self.pairs(market):
            self._peer.update_edge_by_index(self._places[pair], self.weight(pair))

    def gaining(self) -> bool:
        """Look for any cycle that gains."""
        try:
            rustworkx.find_negative_cycle(self._peer, float)
        except ValueError:
            return False
        return True


class NetworkxGraph(PeerGraph):
    """Be networkx's, looked through from the asset of most pairs, which reaches all."""

    def __init__(self, graph: PriceGraph) -> None:
        super().__init__(graph)
        self._peer = networkx.DiGraph()
        self._peer.add_weighted_edges_from(self.edges)
        self._source = max(self._peer, key=self._peer.degree)

    def follow(self, market: int) -> None:
        """Take the weights of a market's pairs over."""
        for pair in self.pairs(market):
            source, target, _ = self.edges[pair]
            self._peer[source][target]["weight"] = self.weight(pair)

    def gaining(self) -> bool:
        """Look for any cycle that gains."""
        try:
            networkx.find_negative_cycle(self._peer, self._source)
        except networkx.NetworkXError:
            return False
        return True
