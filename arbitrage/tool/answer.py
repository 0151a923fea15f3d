"""Tell what `swarm arb solve` found: as one JSON object of a stable shape, and for people."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from arbitrage.size.reprice import paid_asset
from arbitrage.size.sizing import NoTicket, NoTicketReason
from arbitrage.ticket import Hop, Leg, Ticket
from arbitrage.tool.books import Books
from arbitrage.tool.several import Several
from arbitrage.tool.solve import LEGS_LEAST, Asked, Found, Solution
from domain.units import decimal_text

SCHEMA = 1
ROWS_MAX = 40
SAYINGS = {
    NoTicketReason.NOT_PROFITABLE: "the touch earns {figure} ppm, asked are {limit}",
    NoTicketReason.NO_DEPTH: "{figure} lots in the book, the market's least is {limit}",
    NoTicketReason.BALANCE: "the balance pays for {figure} lots, the market's least is {limit}",
    NoTicketReason.SIZE_TOO_SMALL: "{figure} lots, the market's least is {limit}",
    NoTicketReason.NOTIONAL_TOO_SMALL: "worth {figure} atoms, the market's least is {limit}",
    NoTicketReason.BELOW_THRESHOLD: "in whole lots it earns {figure} atoms, asked are more than {limit}",
    NoTicketReason.BAD_BOOK: "a level is not above zero or not in order",
    NoTicketReason.OUT_OF_BOUNDS: "a fee of all there is, or amounts beyond bounds",
    NoTicketReason.ONE_BOOK_TWICE: "it passes one book twice: its own two sides are no arbitrage",
}
NO_BOUND = "nothing bounds its size: give --budget"


def solution_json(books: Books, asked: Asked, solution: Solution) -> dict[str, Any]:
    """Give the answer as plain values; amounts are decimal strings, exact to the last digit."""
    cycles = [_cycle(books, found, asked.swap_ppm) for found in solution.cycles]
    by_legs: dict[str, list[int]] = {}
    for place, cycle in sorted(enumerate(cycles), key=lambda one: int(one[1]["legs"])):
        by_legs.setdefault(str(cycle["legs"]), []).append(place)
    return {
        "schema": SCHEMA,
        "source": books.source,
        "markets": len(books.instruments),
        "assets": len(books.decimals),
        "venues": len({market.venue for market in books.instruments}),
        "asked": {
            "legs": asked.legs,
            "min_bps": decimal_text(asked.min_ppm, 2),
            "swap_bps": decimal_text(asked.swap_ppm, 2),
            "from": asked.begin,
        },
        "quarantined": [_broken(books, market) for market in books.broken],
        "ignored": [{"entry": entry, "why": "it turns an asset into itself"} for entry in books.selves],
        "profitable": len(cycles),
        "complete": solution.complete,
        "complete_to_legs": solution.legs,
        "proved_none": solution.none_at_all,
        "best": cycles[0] if cycles else None,
        "most": _most(books, solution),
        "several": _several(books, solution.several),
        "by_legs": by_legs,
        "cycles": cycles,
        "longer": _sequence(books, solution.longer),
        "shortest": _sequence(books, solution.shortest),
    }


def _most(books: Books, solution: Solution) -> dict[str, Any] | None:
    most = solution.most
    if most is None:
        return None
    tickets = sum(isinstance(one.ticket, Ticket) for one in solution.cycles)
    return {
        "cycle": most.place,
        "profit": books.text(most.asset, int(most.profit)),
        "asset": most.asset,
        "valued": most.valued,
        "tickets": tickets,
    }


def _several(books: Books, several: Several | None) -> dict[str, Any] | None:
    if several is None:
        return None
    asset, bound, gap_frac = several.asset, several.bound, several.gap_frac
    return {
        "asset": asset,
        "earned": books.text(asset, int(several.earned)),
        "bound": None if bound is None else books.text(asset, math.ceil(bound)),
        "gap_frac": None if gap_frac is None else round(gap_frac, 6),
        "weighed": several.weighed,
        "left_out": several.left_out,
        "tickets": [
            {"cycle": place, "ticket": ticket_json(books, ticket)} for place, ticket in several.tickets
        ],
    }


def _broken(books: Books, market: int) -> dict[str, Any]:
    each = books.instruments[market]
    return {
        "entry": books.entries[market],
        "venue": each.venue,
        "symbol": each.symbol,
        "why": "its best bid is above its best ask: a crossed book is broken",
    }


def _sequence(books: Books, found: Found | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"legs": len(found.path) - 1, "product": float(found.product), "path": list(found.path)}


def _cycle(books: Books, found: Found, swap_ppm: int) -> dict[str, Any]:
    ticket, product = found.ticket, found.product
    return {
        "legs": len(found.cycle.hops),
        "path": list(found.path),
        "product": float(product),
        "product_exact": f"{product.numerator}/{product.denominator}",
        "profit_bps": float((product - 1) * 10_000),
        "hops": [hop_json(books, hop) for hop in found.cycle.hops],
        "ticket": ticket_json(books, ticket) if isinstance(ticket, Ticket) else None,
        "no_ticket": None if isinstance(ticket, Ticket) else no_ticket_json(ticket),
    }


def hop_json(books: Books, hop: Hop) -> dict[str, Any]:
    """Tell one conversion: where, what into what, at which rate after the fee."""
    market, rate = books.instruments[hop.market], books.rate(hop.market, hop.side) or Fraction(0)
    return {
        "entry": books.entries[hop.market],
        "venue": market.venue,
        "symbol": market.symbol,
        "side": "BUY" if hop.side > 0 else "SELL",
        "from": paid_asset(hop.side, market),
        "to": paid_asset(-hop.side, market),
        "rate": float(rate),
    }


def ticket_json(books: Books, ticket: Ticket) -> dict[str, Any]:
    """Tell a ticket in decimal strings."""

    def text(count: int) -> str:
        return books.text(ticket.asset, count)

    return {
        "asset": ticket.asset,
        "in": text(ticket.in_atoms),
        "out": text(ticket.out_atoms),
        "dust": text(ticket.dust_atoms),
        "swap": text(ticket.swap_atoms),
        "profit": text(ticket.profit_atoms),
        "profit_bps": float(Fraction(ticket.profit_atoms * 10_000, ticket.in_atoms)),
        "legs": [leg_json(books, leg) for leg in ticket.legs],
    }


def leg_json(books: Books, leg: Leg) -> dict[str, Any]:
    """Tell one order in decimal strings."""
    market = books.instruments[leg.instrument]
    pays, gets = paid_asset(leg.side, market), paid_asset(-leg.side, market)
    return {
        "entry": books.entries[leg.instrument],
        "venue": market.venue,
        "symbol": market.symbol,
        "side": "BUY" if leg.side > 0 else "SELL",
        "size": market.lot.text(leg.size_lots),
        "price": market.tick.text(leg.price_ticks),
        "pay": books.text(pays, leg.pay_atoms),
        "pay_asset": pays,
        "get": books.text(gets, leg.get_atoms),
        "get_asset": gets,
    }


def no_ticket_json(reason: NoTicket | None) -> dict[str, Any]:
    """Tell why a cycle has no ticket."""
    if reason is None:
        return {"reason": "NO_BOUND", "says": NO_BOUND, "leg": None}
    says = SAYINGS[reason.reason].format(figure=reason.figure, limit=reason.limit)
    return {"reason": reason.reason.name, "says": says, "leg": reason.leg if reason.leg >= 0 else None}


def print_solution(console: Console, answer: dict[str, Any]) -> None:
    """Show the answer: what was left out, the best cycle's orders, then every cycle by length."""
    arrow = arrow_of(console)
    for one in answer["quarantined"]:
        console.print(
            f"quarantined entry {one['entry']}: {escape(one['venue'] + ' ' + one['symbol'])}: {one['why']}"
        )
    for one in answer["ignored"]:
        console.print(f"ignored entry {one['entry']}: {one['why']}")
    console.print(escape(headline(answer)))
    if answer["best"] is not None:
        _print_best(console, answer["best"])
        _print_most(console, answer)
        _print_several(console, answer["several"])
        _print_cycles(console, answer)
    for name, said in (("longer", "a longer one"), ("shortest", "the shortest sequence")):
        if (one := answer[name]) is not None:
            path = escape(arrow.join(one["path"]))
            console.print(f"{said}: {path}, product {one['product']:.12g}", highlight=False)


def headline(answer: dict[str, Any]) -> str:
    """Say in one line what was found."""
    asked, count = answer["asked"], answer["profitable"]
    counted = (("market", answer["markets"]), ("asset", answer["assets"]), ("venue", answer["venues"]))
    markets, assets, venues = (f"{many:,} {word}{'s' * (many != 1)}" for word, many in counted)
    among = f"{markets} of {assets} at {venues}"
    gain = f" of more than {asked['min_bps']} bps" if asked["min_bps"] != "0.00" else ""
    through = f" through {asked['from']}" if asked["from"] else ""
    if count == 0 and answer["proved_none"]:
        return f"no profitable cycle{gain}{through} of any length among {among}: proved, to a billionth"
    legs = answer["complete_to_legs"]
    walked = f"all of up to {legs} legs were" if legs >= LEGS_LEAST else "not even those of two legs were all"
    if count == 0 and not answer["complete"]:
        return (
            f"no profitable cycle{gain}{through} of up to {asked['legs']} legs was found among {among},"
            f" but there are more ways than can be walked: {walked}"
        )
    if count == 0:
        return f"no profitable cycle{gain}{through} of up to {legs} legs among {among}"
    more = "" if answer["complete"] else f" ({walked} walked; there are more)"
    return f"{count:,} profitable cycle{'s' * (count > 1)}{gain}{through} among {among}{more}"


def _print_best(console: Console, best: dict[str, Any]) -> None:
    ticket = best["ticket"]
    told = f"product {best['product']:.12g}"
    if ticket is None:
        told += f", no ticket: {best['no_ticket']['says']}"
    else:
        told += (
            f", {ticket['in']} in, {ticket['out']} out, {ticket['dust']} dust, {ticket['swap']} swap:"
            f" {ticket['profit']} {ticket['asset']} profit ({ticket['profit_bps']:.2f} bps)"
        )
    console.print(escape(f"best: {arrow_of(console).join(best['path'])}, {told}"), highlight=False)
    table = Table("leg", "venue", "market", "side", "size", "price or better", "pays", "gets", "rate")
    for place, hop in enumerate(best["hops"]):
        leg = ticket["legs"][place] if ticket else None
        cells = (
            (
                leg["size"],
                leg["price"],
                f"{leg['pay']} {leg['pay_asset']}",
                f"{leg['get']} {leg['get_asset']}",
            )
            if leg
            else ("", "", hop["from"], hop["to"])
        )
        row = (str(place + 1), hop["venue"], hop["symbol"], hop["side"], *cells, f"{hop['rate']:.8g}")
        table.add_row(*(escape(cell) for cell in row))
    console.print(table)


def _print_most(console: Console, answer: dict[str, Any]) -> None:
    """Say which cycle makes the most money, where that is not the best by product."""
    most = answer["most"]
    if most is None or most["cycle"] == 0:
        return
    cycle = answer["cycles"][most["cycle"]]
    ticket = cycle["ticket"]
    worth = "" if ticket["asset"] == most["asset"] else f", worth {most['profit']} {most['asset']}"
    left_out = most["tickets"] - most["valued"]
    unvalued = f"; {left_out} could not be valued" if left_out else ""
    text = f"most money: {arrow_of(console).join(cycle['path'])}, {ticket['profit']} {ticket['asset']} profit"
    console.print(escape(text + worth + unvalued), highlight=False)


def _print_several(console: Console, several: dict[str, Any] | None) -> None:
    """Say what several cycles earn together, beside the most that is possible, where several do."""
    if several is None or len(several["tickets"]) < 2:
        return
    text = f"together: {len(several['tickets'])} cycles, one after the other on what is left, earn"
    text += f" {several['earned']} {several['asset']}"
    if several["bound"] is None:
        text += "; what is possible was not found in time"
    else:
        gap = "" if several["gap_frac"] is None else f": a gap of {several['gap_frac']:.4f}"
        text += (
            f", and {several['weighed']} in parts of lots at most {several['bound']} {several['asset']}{gap}"
        )
    console.print(escape(text), highlight=False)


def arrow_of(console: Console) -> str:
    """Give what stands between two assets, in letters that the console has."""
    return " → " if console.encoding.lower().startswith("utf") else " > "


def _print_cycles(console: Console, answer: dict[str, Any]) -> None:
    table = Table("legs", "cycle", "product", "in", "profit", "bps")
    shown = [place for places in answer["by_legs"].values() for place in places]
    for place in shown[:ROWS_MAX]:
        cycle = answer["cycles"][place]
        ticket = cycle["ticket"]
        figures = ("", cycle["no_ticket"]["says"], "") if ticket is None else _figures(ticket)
        row = (
            str(cycle["legs"]),
            arrow_of(console).join(cycle["path"]),
            f"{cycle['product']:.10g}",
            *figures,
        )
        table.add_row(*(escape(cell) for cell in row))
    console.print(table)
    if len(shown) > ROWS_MAX:
        console.print(f"and {len(shown) - ROWS_MAX:,} more: --json has all")


def _figures(ticket: dict[str, Any]) -> tuple[str, str, str]:
    return (
        f"{ticket['in']} {ticket['asset']}",
        f"{ticket['profit']} {ticket['asset']}",
        f"{ticket['profit_bps']:.2f}",
    )
