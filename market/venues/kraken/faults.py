"""What Kraken's error texts mean for what was asked: refused, unknown, try again, or a wrong key."""

from __future__ import annotations

from enum import IntEnum


class Refusal(IntEnum):
    """Number the venue's texts, which have no numbers of their own; ours, for "never sent", is above zero."""

    OTHER = -1
    UNKNOWN_ORDER = -2
    FUNDS = -3
    POST_ONLY = -4
    TOO_SMALL = -5
    PRICE = -6
    TOO_MANY = -7
    MARKET_CLOSED = -8
    PERMISSION = -9
    ARGUMENTS = -10


_REFUSALS = (
    ("EOrder:Unknown order", Refusal.UNKNOWN_ORDER),
    ("EOrder:Insufficient", Refusal.FUNDS),
    ("EOrder:Post only", Refusal.POST_ONLY),
    ("EOrder:Order minimum", Refusal.TOO_SMALL),
    ("EOrder:Cost minimum", Refusal.TOO_SMALL),
    ("EOrder:Invalid price", Refusal.PRICE),
    ("EOrder:Tick size", Refusal.PRICE),
    ("EOrder:Orders limit", Refusal.TOO_MANY),
    ("EService:Market in", Refusal.MARKET_CLOSED),
    ("EGeneral:Permission denied", Refusal.PERMISSION),
    ("EGeneral:Invalid arguments", Refusal.ARGUMENTS),
)
# After these nobody can tell whether the venue acted; a limited order is one of them.
_UNCLEAR = (
    "EService:",
    "EOrder:Rate limit",
    "EAPI:Rate limit",
    "EAuth:Rate limit",
    "EAuth:Too many",
    "EGeneral:Internal error",
    "EGeneral:Too many requests",
    "EGeneral:Temporary lockout",
    "EDatabase:",
)
_SESSION = ("ESession:", "EAPI:Invalid token", "EAuth:Invalid token")
_WRONG_KEY = ("EAPI:Invalid key", "EAPI:Invalid signature", "EGeneral:Permission denied", "EAuth:Account")
_TAKEN = ("not unique", "in use", "already", "duplicate")


def refusal(text: str) -> Refusal:
    """Number a refusal."""
    return next((number for start, number in _REFUSALS if text.startswith(start)), Refusal.OTHER)


def unclear(text: str) -> bool:
    """Tell whether an error leaves open what became of the request; a text of another kind does too."""
    if text.startswith("EService:Market in"):
        return False
    return not text.startswith("E") or text.startswith(_UNCLEAR) or lost_session(text)


def lost_session(text: str) -> bool:
    """Tell whether the connection's token is not taken any more."""
    return text.startswith(_SESSION)


def wrong(text: str) -> bool:
    """Tell whether the account's key is what is refused."""
    return text.startswith(_WRONG_KEY)


def taken(text: str) -> bool:
    """Tell whether a client id is refused because an open order has it: what was sent is there already."""
    lower = text.lower()
    return "cl_ord_id" in lower and any(word in lower for word in _TAKEN)
