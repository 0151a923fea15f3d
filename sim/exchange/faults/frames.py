"""What can be told of an outgoing frame at a glance, in every dialect; used only while a fault is active."""

from __future__ import annotations

import re

import msgspec

from sim.exchange.faults.config import Door

_SYMBOL = re.compile(rb'"s(?:ymbol)?":"([A-Z0-9/]{2,41})"')
_BOOK = re.compile(rb'"e":"depthUpdate"|"channel":"book","type":"update"')
_CHECKSUM = re.compile(rb'("checksum":)(\d+)')
_USER = re.compile(
    rb'^\{"subscriptionId"|"e":"(?:executionReport|outboundAccountPosition|balanceUpdate)"'
    rb'|"channel":"(?:executions|balances)"'
)
# A price, as the first text of a pair or a number after its name.
_PRICE = re.compile(rb'(\[")(\d)|("price":"?)(\d)')


class Frame(msgspec.Struct, frozen=True):
    """One outgoing message. `link` numbers its connection, `account` is "" for nobody."""

    link: int
    door: Door
    symbol: str
    book: bool
    account: str
    payload: bytes


def plain(symbol: str) -> str:
    """Write a symbol without what dialects put between its assets."""
    return symbol.replace("/", "")


def read_frame(link: int, door: Door, account: str, payload: bytes) -> Frame:
    """Look at a message: whose it is, which market it is about, and whether it moves a book."""
    found = _SYMBOL.search(payload)
    if door != Door.STREAM:
        door = Door.USER if _USER.search(payload[:400]) else Door.WS_API
    symbol = plain(found.group(1).decode()) if found else ""
    return Frame(link, door, symbol, _BOOK.search(payload) is not None, account, payload)


def spoiled(payload: bytes) -> bytes:
    """Make the checksum wrong; a dialect without one gets a price that is no number.

    A wrong level under no checksum could not be noticed by anybody, so TCP's own is assumed to hold: what
    a broken middlebox leaves of such a frame is not readable.
    """
    found = _CHECKSUM.search(payload)
    if found is not None:
        wrong = (int(found.group(2)) ^ 1) & 0xFFFFFFFF
        return payload[: found.start(2)] + b"%d" % wrong + payload[found.end(2) :]
    return _PRICE.sub(lambda one: (one.group(1) or one.group(3)) + b"x", payload, count=1)
