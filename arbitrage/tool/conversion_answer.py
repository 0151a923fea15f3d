"""Tell what `swarm arb route` found: as one JSON object of a stable shape, and for people."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from arbitrage.tool.answer import arrow_of, leg_json
from arbitrage.tool.books import Books
from arbitrage.tool.conversion import Conversion
from arbitrage.tool.way import Way

SCHEMA = 1


def conversion_json(books: Books, found: Conversion) -> dict[str, Any]:
    """Give the answer as plain values; amounts are decimal strings, exact to the last digit."""
    best = found.best
    split_net = sum(way.net_atoms for way in found.split)
    split_in = sum(way.in_atoms for way in found.split)
    better = best is None or split_net > best.net_atoms
    return {
        "schema": SCHEMA,
        "source": books.source,
        "from": found.have,
        "to": found.want,
        "amount": books.text(found.have, found.amount_atoms),
        "complete": found.complete,
        "best": None if best is None else _way(books, found, best),
        "direct": None if found.direct is None else _way(books, found, found.direct),
        "better_than_direct_bps": _bps(best, found.direct),
        "split": {
            "ways": [_way(books, found, way) for way in found.split],
            "out": books.text(found.want, split_net),
            "in": books.text(found.have, split_in),
            "unused": books.text(found.have, found.amount_atoms - split_in),
            "better_than_best_bps": _gain(split_net, best.net_atoms)
            if best is not None and best.in_atoms == split_in
            else None,
        }
        if len(found.split) > 1 and better
        else None,
    }


def _way(books: Books, found: Conversion, way: Way) -> dict[str, Any]:
    given, net = way.in_atoms, way.net_atoms
    scale = Fraction(10 ** books.decimals[found.have], 10 ** books.decimals[found.want])
    return {
        "in": books.text(found.have, given),
        "out": books.text(found.want, net),
        "swap": books.text(found.want, way.swap_atoms),
        "unused": books.text(found.have, found.amount_atoms - given),
        "rate": float(Fraction(net, given) * scale),
        "legs": [leg_json(books, leg) for leg in way.legs],
    }


def _bps(best: Way | None, direct: Way | None) -> float | None:
    """Compare two ways in basis points, where both take the same amount."""
    if best is None or direct is None or best.in_atoms != direct.in_atoms:
        return None
    return _gain(best.net_atoms, direct.net_atoms)


def _gain(mine: int, other: int) -> float:
    return float(Fraction(mine - other, other) * 10_000) if other > 0 else 0.0


def print_conversion(console: Console, answer: dict[str, Any]) -> None:
    """Show the best way, the direct market beside it, and a split where that gives more."""
    have, want, best = answer["from"], answer["to"], answer["best"]
    if not answer["complete"]:
        console.print(
            "not every way could be looked at: there may be a better one; ask for fewer legs or venues"
        )
    if best is None:
        found = "no way" if answer["complete"] else "no way was found"
        console.print(escape(f"{found} from {answer['amount']} {have} to {want} over these books"))
        return
    arrow = arrow_of(console)
    console.print(escape(_told(answer, best, arrow)))
    console.print(_table(best))
    if answer["direct"] is None:
        console.print(escape(f"no market trades {have} against {want}, or none takes this amount"))
    elif answer["direct"]["legs"] != best["legs"]:
        direct, gain = answer["direct"], answer["better_than_direct_bps"]
        less = f" for the {direct['in']} {have} that it takes" if gain is None else f": {gain:.2f} bps less"
        console.print(escape(f"the best single market gives {direct['out']} {want}{less}"))
    if answer["split"] is not None:
        split = answer["split"]
        gain = split["better_than_best_bps"]
        more = f", {gain:.2f} bps more" if gain is not None else ""
        told = (
            f"split over {len(split['ways'])} ways: {split['in']} {have} become {split['out']} {want}{more}"
        )
        console.print(escape(told))
        if split["unused"] != "0":
            console.print(escape(f"{split['unused']} {have} are not used: depth, lots or minimums end there"))
        for way in split["ways"]:
            console.print(escape(_told(answer, way, arrow, whole=False)))
            console.print(_table(way))


def _told(answer: dict[str, Any], way: dict[str, Any], arrow: str, *, whole: bool = True) -> str:
    path = arrow.join([way["legs"][0]["pay_asset"], *(leg["get_asset"] for leg in way["legs"])])
    text = f"{path}: {way['in']} {answer['from']} become {way['out']} {answer['to']}, rate {way['rate']:.10g}"
    if way["swap"] != "0":
        text += f", {way['swap']} {answer['to']} of it already off for swaps"
    if whole and way["unused"] != "0":
        text += f"; {way['unused']} {answer['from']} are not used: depth, lots or minimums end there"
    return text


def _table(way: dict[str, Any]) -> Table:
    table = Table("leg", "venue", "market", "side", "size", "price or better", "pays", "gets")
    for place, leg in enumerate(way["legs"]):
        pays, gets = f"{leg['pay']} {leg['pay_asset']}", f"{leg['get']} {leg['get_asset']}"
        cells = (leg["venue"], leg["symbol"], leg["side"], leg["size"], leg["price"], pays, gets)
        table.add_row(str(place + 1), *(escape(cell) for cell in cells))
    return table
