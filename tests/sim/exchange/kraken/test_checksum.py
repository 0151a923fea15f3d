"""The book checksum, against the example of Kraken's own guide."""

from __future__ import annotations

from domain.instrument import Instrument
from sim.exchange.kraken.checksum import book_checksum

# docs.kraken.com, "Book checksum (WebSocket v2)": BTC/USD, checksum 3310070434.
ASKS = (
    "45285.2 0.00100000 45286.4 1.54571953 45286.6 1.54571109 45289.6 1.54560911 45290.2 0.15890660 "
    "45291.8 1.54553491 45294.7 0.04454749 45296.1 0.35380000 45297.5 0.09945542 45299.5 0.18772827"
)
BIDS = (
    "45283.5 0.10000000 45283.4 1.54582015 45282.1 0.10000000 45281.0 0.10000000 45280.3 1.54592586 "
    "45279.0 0.07990000 45277.6 0.03310103 45277.5 0.30000000 45277.3 1.54602737 45276.6 0.15445238"
)


def test_the_guides_example_comes_out() -> None:
    market = Instrument.of(0, "k", "BTC", "USD", tick="0.1", lot="0.00000001")
    sides = []
    for text in (BIDS, ASKS):
        words = text.split()
        sides.append(
            [
                (market.tick.count(p), market.lot.count(q))
                for p, q in zip(words[::2], words[1::2], strict=True)
            ]
        )
    assert book_checksum(market, *sides) == 3310070434


def test_an_empty_book_has_a_checksum_too() -> None:
    market = Instrument.of(0, "k", "BTC", "USD", tick="0.1", lot="0.00000001")
    assert book_checksum(market, [], []) == 0


def test_a_tick_that_is_no_power_of_ten_counts_in_its_own_decimals() -> None:
    market = Instrument.of(0, "k", "BTC", "USD", tick="0.5", lot="0.1")
    other = Instrument.of(0, "k", "BTC", "USD", tick="0.1", lot="0.1")
    assert book_checksum(market, [(3, 1)], []) == book_checksum(other, [(15, 1)], [])
