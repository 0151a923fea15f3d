"""`swarm arb moves`: what would bring inventory back, and the operator's word on it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from arbitrage.cli import arb_verbs
from coordinator.cli import add_operator

if TYPE_CHECKING:
    from domain.moves import MoveReport

VERBS = ("take", "drop")
OVER = ("arrived", "traded", "undone", "dropped")


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `moves` to `swarm arb`."""
    moves = add_operator(arb_verbs(commands), "moves", "what would bring inventory back; take or drop a move")
    moves.description = (
        "Without a verb, list the moves of all nodes. `take ID` says that you send this transfer now (nothing"
        " here can), or that this trade may be made; `drop ID` that it is not wanted, or was not sent."
    )
    moves.add_argument("verb", nargs="?", choices=VERBS, help="take: I send it now; drop: not this one")
    moves.add_argument("move", nargs="?", metavar="ID", help="the move, as the list names it")
    moves.add_argument(
        "--amount", metavar="N", help="what you send, with take (default: as much as is proposed)"
    )
    moves.add_argument("--region", help="list one region only (default: all)")
    moves.add_argument("--all", action="store_true", help="list also the latest that are over")
    moves.set_defaults(run=run_moves)


def run_moves(arguments: argparse.Namespace) -> int:
    """List moves, or say an operator's word on one and tell what became of it."""
    import asyncio

    import msgspec

    from coordinator.operator import Operator
    from domain.errors import ExitCode, SwarmError

    if arguments.verb is not None and arguments.move is None:
        mend = "name one that `swarm arb moves` lists"
        raise SwarmError(f"{arguments.verb} what?", where="swarm arb moves", mend=mend, code=ExitCode.USAGE)

    sent = _sent(arguments)

    async def ask() -> list[MoveReport]:
        async with Operator(arguments.state, arguments.coordinator, arguments.timeout) as operator:
            if arguments.verb is not None:
                return [await operator.move(arguments.move, arguments.verb, sent)]
            status = await operator.status()
            return [move for member in status.members if member.report for move in member.report.moves]

    moves = asyncio.run(ask())
    if arguments.verb is None:
        moves = [
            move
            for move in moves
            if arguments.region in (None, move.region) and (arguments.all or move.state not in OVER)
        ]
    print(msgspec.json.encode(moves).decode() if arguments.json else moves_text(moves))
    return ExitCode.OK


def _sent(arguments: argparse.Namespace) -> int:
    """Read what an operator sends, in atoms: 0 where that is not told."""
    from domain.errors import ExitCode, SwarmError
    from domain.units import atoms

    if arguments.amount is None:
        return 0
    try:
        sent = atoms(arguments.amount)
    except (ValueError, ArithmeticError):
        sent = 0
    if arguments.verb != "take" or sent <= 0:
        what = f"--amount {arguments.amount[:40]!a} is no amount that can be sent"
        what = what if arguments.verb == "take" else "an amount goes with `take` only"
        mend = "`swarm arb moves take ID --amount 1.5`"
        raise SwarmError(what, where="swarm arb moves", mend=mend, code=ExitCode.USAGE)
    return sent


def moves_text(moves: list[MoveReport]) -> str:
    """Write moves for a terminal, each in two lines."""
    lines = []
    for one in moves:
        amount, cost = one.amount.rstrip("0").rstrip("."), one.cost.rstrip("0").rstrip(".")
        way = f"{one.from_venue} -> {one.to_venue}, costs {cost or '0'} {one.asset}"
        takes = "" if one.delay_s == 0 else f", takes {one.delay_s:.0f} s"
        note = f" ({one.note})" if one.note else ""
        lines.append(f"{one.move:<16} {one.state:<9} {one.kind} {amount} {one.asset}  {way}{takes}")
        lines.append(f"{'':<16} {one.reason}{note}")
    return "\n".join(lines) or "nothing is to be moved"
