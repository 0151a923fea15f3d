"""`swarm arb`: solve books of one's own, and find the best way from one asset to another."""

from __future__ import annotations

import argparse
import io
import os
from pathlib import Path
from typing import Any

LEGS_LEAST, LEGS_MOST = 2, 10
ROUTE_LEGS_MOST = 8
BPS_MAX = 10_000
SWAP_BPS_MAX = 1_000


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `swarm arb`; who has more to add to it does so by `arb_verbs`."""
    arb = commands.add_parser(
        "arb",
        help="find and size arbitrage in books, and the best way between two assets",
        description="Arbitrage over books: of a file (docs/arbitrage.md) or of the running swarm.",
    )
    verbs = arb.add_subparsers(title="commands", metavar="COMMAND", required=True)
    arb.set_defaults(arb_verbs=verbs)
    _solve(verbs)
    _route(verbs)


def arb_verbs(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
) -> argparse._SubParsersAction[argparse.ArgumentParser]:
    """Give the commands of `swarm arb`, for packages above this one to add theirs."""
    verbs: argparse._SubParsersAction[argparse.ArgumentParser] = commands.choices["arb"].get_default(
        "arb_verbs"
    )
    return verbs


def _solve(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = verbs.add_parser(
        "solve",
        help="every profitable cycle over the books of a file, with sizes and profit",
        description="Read a JSON list of books or of {from, to, rate}, and tell every cycle that gains.",
    )
    verb.add_argument("books", metavar="BOOKS.json", help="the books, or - for standard input")
    _shared(verb, "at most so many conversions, 2 to 10 (default 4)", _legs(LEGS_LEAST, LEGS_MOST))
    verb.add_argument(
        "--min-bps", type=_ppm(BPS_MAX), default=0, metavar="BPS", help="gain more than this (0)"
    )
    verb.add_argument("--from", dest="begin", metavar="ASSET", help="only cycles through it, beginning there")
    verb.add_argument(
        "--budget",
        type=_balance,
        action="append",
        default=[],
        metavar="[VENUE:]ASSET=AMOUNT",
        help="no leg pays more of it; may be given again",
    )
    verb.set_defaults(run=run_solve)


def _route(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = verbs.add_parser(
        "route",
        help="the best way to turn one asset into another",
        description="Turn HAVE into WANT by the best way through any assets and venues, by depth.",
    )
    verb.add_argument("have", metavar="HAVE", help="the asset to give")
    verb.add_argument("want", metavar="WANT", help="the asset to get")
    verb.add_argument("amount", metavar="AMOUNT", help="how much to give")
    verb.add_argument(
        "--books", metavar="FILE", help="books of a file, - for standard input (default: the swarm's)"
    )
    default = Path(os.environ.get("SWARM_STATE", ".swarm"))
    verb.add_argument("--state", type=Path, default=default, metavar="DIR", help=f"default {default}")
    verb.add_argument("--venue", action="append", metavar="VENUE", help="only there; may be given again")
    _shared(verb, "at most so many conversions, 1 to 8 (default 4)", _legs(1, ROUTE_LEGS_MOST))
    verb.set_defaults(run=run_route)


def _shared(verb: argparse.ArgumentParser, legs_help: str, legs: Any) -> None:
    verb.add_argument("--legs", type=legs, default=4, metavar="N", help=legs_help)
    verb.add_argument(
        "--swap-bps",
        type=_ppm(SWAP_BPS_MAX),
        default=0,
        metavar="BPS",
        help="what going on at another venue costs (default 0)",
    )
    verb.add_argument("--json", action="store_true", help="one JSON object")


def _legs(least: int, most: int) -> Any:
    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text[:9]) <= most:
            raise argparse.ArgumentTypeError(
                f"must be a whole number from {least} to {most}, not {text[:40]!r}"
            )
        return int(text)

    return read


def _ppm(most: int) -> Any:
    def read(text: str) -> int:
        from arbitrage.tool.entries import decimals_of
        from domain.errors import SwarmError

        try:
            value = decimals_of(text, "", zero=True).value
        except SwarmError as error:
            raise argparse.ArgumentTypeError(error.what) from error
        if value > most:
            raise argparse.ArgumentTypeError(f"must be up to {most} bps, not {text[:40]!r}")
        return int(-(-value * 100 // 1))

    return read


def _balance(text: str) -> tuple[tuple[str, str], Any]:
    from arbitrage.tool.entries import decimals_of
    from domain.errors import SwarmError

    place, equals, amount = text.rpartition("=")
    venue, _, asset = place.rpartition(":")
    if not equals or not asset:
        raise argparse.ArgumentTypeError(f"must be ASSET=AMOUNT or VENUE:ASSET=AMOUNT, not {text[:60]!r}")
    try:
        return (venue, asset), decimals_of(amount, "").value
    except SwarmError as error:
        raise argparse.ArgumentTypeError(error.what) from error


def run_solve(arguments: argparse.Namespace) -> int:
    """Read books, solve them, and show the answer."""
    import json

    from arbitrage.tool.answer import print_solution, solution_json
    from arbitrage.tool.books import read_books
    from arbitrage.tool.solve import Asked, named, solve
    from domain.errors import ExitCode

    _once([key for key, _ in arguments.budget])
    books = read_books(arguments.books)
    asked = Asked(
        arguments.legs, arguments.min_bps, arguments.swap_bps, arguments.begin, dict(arguments.budget)
    )
    named(books, asked)
    answer = solution_json(books, asked, solve(books, asked))
    if arguments.json:
        print(json.dumps(answer))
    else:
        print_solution(_console(), answer)
    return ExitCode.OK


def _once(keys: list[tuple[str, str]]) -> None:
    """Refuse two budgets of one thing: one of them would be forgotten."""
    from domain.errors import ExitCode, SwarmError

    for key in keys:
        if keys.count(key) > 1:
            name = ":".join(part for part in key if part)
            raise SwarmError(
                f"{name[:60]!a} is given twice", where="--budget", mend="give it once", code=ExitCode.USAGE
            )


def run_route(arguments: argparse.Namespace) -> int:
    """Find the best way on given books or the swarm's own, and show it."""
    import json

    from arbitrage.tool.books import read_books
    from arbitrage.tool.conversion import best_conversion
    from arbitrage.tool.conversion_answer import conversion_json, print_conversion
    from arbitrage.tool.live import live_books
    from domain.errors import ExitCode
    from hw.clock import SystemClock

    if arguments.books is not None:
        books = read_books(arguments.books)
    else:
        books = live_books(arguments.state, SystemClock().now_ns())
    found = best_conversion(
        books,
        arguments.have,
        arguments.want,
        arguments.amount,
        legs=arguments.legs,
        swap_ppm=arguments.swap_bps,
        venues=arguments.venue,
    )
    answer = conversion_json(books, found)
    if arguments.json:
        print(json.dumps(answer))
    else:
        print_conversion(_console(), answer)
    return ExitCode.OK


def _console() -> Any:
    import shutil
    import sys

    from rich.console import Console

    class Plain(Console):
        def on_broken_pipe(self) -> None:
            """Leave it to the command line, which ends quietly where nobody reads on."""
            raise BrokenPipeError

    # A name that the terminal has no letters for is written by its numbers.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    # Into a pipe, nothing is cut: whoever reads there has no edge.
    width = shutil.get_terminal_size().columns if os.isatty(1) else 240
    return Plain(width=width, highlight=False, soft_wrap=True)
