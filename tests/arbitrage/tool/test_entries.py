"""Whatever is wrong with the tool's input is told in one line: what, where and how to mend it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbitrage.tool.books import books_of
from arbitrage.tool.entries import Decimals, decimals_of, entries
from domain.errors import ExitCode, SwarmError
from tests.arbitrage.tool_builders import Tool, book, tool

__all__ = ["tool"]

GOOD = book("BTC/USDT", [("100", "1")], [("101", "2")])
RATE = {"from": "A", "to": "B", "rate": "2"}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in GOOD.items() if key != name}


BAD: list[tuple[Any, str, str]] = [
    ("", "it is not JSON", "line 1 column 1"),
    ("[", "it is not JSON", "line 1 column 2"),
    ("{}", "it is an object, not a list", "books.json"),
    ('"x"', "it is a text, not a list", "books.json"),
    ("[" * 100_000, "it is nested too deeply", "books.json"),
    ([1], "it is a number, not an object", "entry 0"),
    ([RATE, None], "it is null, not an object", "entry 1"),
    ([RATE, {**RATE, "note": 1}], "unknown field 'note'", "entry 1"),
    ([{**GOOD, "taker_fee": "1"}], "unknown field 'taker_fee'", "entry 0"),
    ([{"from": "A", "to": "B"}], 'the field "rate" is missing', "entry 0"),
    ([{}], 'the field "venue" is missing', "entry 0"),
    *[([without(name)], f'the field "{name}" is missing', "entry 0") for name in GOOD],
    ('[{"from":"A","to":"B","rate":NaN}]', "'NaN' is not a decimal number", "entry 0, rate"),
    ('[{"from":"A","to":"B","rate":-Infinity}]', "'-Infinity' is not a decimal number", "entry 0, rate"),
    ('[{"from":"A","to":"B","rate":1e400}]', "'1e400' is out of range", "entry 0, rate"),
    ('[{"from":"A","to":"B","rate":' + "9" * 5000 + "}]", "a number of more than 60 digits", "entry 0, rate"),
    ('[{"from":"A","to":"B","rate":1,"rate":2}]', "the field 'rate' is given twice", "books.json"),
    ([{**RATE, "rate": "1e400"}], "'1e400' is out of range", "entry 0, rate"),
    ([{**RATE, "rate": "9e-15"}], "'9e-15' is out of range", "entry 0, rate"),
    ([{**RATE, "rate": "1.1e14"}], "'1.1e14' is out of range", "entry 0, rate"),
    ([{**GOOD, "bids": [["1e15", "1"]]}], "'1e15' is out of range", "entry 0, bids[0], price"),
    ([{**GOOD, "bids": [["1", "1.1e30"]]}], "'1.1e30' is out of range", "entry 0, bids[0], size"),
    ([{**RATE, "rate": "1e9999999"}], "'1e9999999' is not a decimal number", "entry 0, rate"),
    ([{**RATE, "rate": "-1"}], "'-1' is below zero", "entry 0, rate"),
    ([{**RATE, "rate": 0}], "it is zero", "entry 0, rate"),
    ([{**RATE, "rate": "abc"}], "'abc' is not a decimal number", "entry 0, rate"),
    ([{**RATE, "rate": "1_0"}], "'1_0' is not a decimal number", "entry 0, rate"),
    ([{**RATE, "rate": "١"}], "is not a decimal number", "entry 0, rate"),
    ([{**RATE, "rate": "1,5"}], "'1,5' is not a decimal number", "entry 0, rate"),
    ([{**RATE, "rate": ""}], "'' is not a decimal number", "entry 0, rate"),
    ([{**RATE, "rate": "."}], "'.' is not a decimal number", "entry 0, rate"),
    ([{**RATE, "rate": None}], "null is not a decimal number", "entry 0, rate"),
    ([{**RATE, "rate": True}], "a truth value is not a decimal number", "entry 0, rate"),
    ([{**RATE, "rate": ["1"]}], "a list is not a decimal number", "entry 0, rate"),
    ([{**RATE, "from": ""}], "'' is not a name", "entry 0, from"),
    ([{**RATE, "from": "a\nb"}], "is not a name", "entry 0, from"),
    ([{**RATE, "to": {}}], "an object is not a name", "entry 0, to"),
    ([{**RATE, "to": "x" * 65}], "is not a name", "entry 0, to"),
    ([{**GOOD, "base": "USDT"}], "base and quote are both 'USDT'", "entry 0"),
    ([{**GOOD, "bids": "100"}], "it is a text, not a list", "entry 0, bids"),
    ([{**GOOD, "bids": [["100"]]}], "a level of 1 values", "entry 0, bids[0]"),
    ([{**GOOD, "asks": [["101", "1"], {"p": 1}]}], "a level of an object", "entry 0, asks[1]"),
    ([{**GOOD, "asks": [["101", "1"], ["102", "0"]]}], "it is zero", "entry 0, asks[1], size"),
    ([{**GOOD, "asks": [["-5", "1"]]}], "'-5' is below zero", "entry 0, asks[0], price"),
    ([{**GOOD, "asks": [["1", "1"]] * 10_001}], "it has 10,001 levels", "entry 0, asks"),
    ([{**GOOD, "taker_bps": "-10000"}], "a fee of all there is, or more", "entry 0, taker_bps"),
    ([{**GOOD, "taker_bps": "9999.999"}], "a fee of all there is, or more", "entry 0, taker_bps"),
    ([{**GOOD, "size_min": "-1"}], "give zero, or a number above it", "entry 0, size_min"),
    ([{**GOOD, "size_min": "3", "size_max": "2"}], "no order fits", "entry 0, size_min"),
    (
        [{**GOOD, "asks": [["101", "1"], ["102", "1"], ["101.0", "2"]]}],
        "the price of level 0 again",
        "entry 0, asks[2]",
    ),
    ([{**GOOD, "taker_bps": "9999", "bids": [["1e-13", "1"]]}], "nobody's price", "entry 0, bids"),
    ([{**GOOD, "taker_bps": "9999", "asks": [["1e13", "1"]]}], "nobody's price", "entry 0, asks"),
    ([{**GOOD, "taker_bps": "10000"}], "a fee of all there is", "entry 0, taker_bps"),
    ([{**GOOD, "fee_in": "base"}], "'base' is unknown", "entry 0, fee_in"),
    ([{**GOOD, "tick": "0"}], "it is zero", "entry 0, tick"),
    ([{**GOOD, "tick": "0.3"}], "the price 100 is no whole number of ticks of 0.3", "entry 0, bids"),
    ([GOOD, RATE, GOOD], "'x BTCUSDT' is the book of entry 0 again", "entry 2"),
]


@pytest.mark.parametrize(("data", "what", "where"), BAD, ids=range(len(BAD)))
def test_bad_input_is_one_line_that_names_the_place(tool: Tool, data: Any, what: str, where: str) -> None:
    code, out, errors = tool.run("solve", tool.file(data))
    assert (code, out) == (ExitCode.BAD_DATA, "")
    assert errors.count("\n") == 1 and errors.startswith("swarm: ") and len(errors) < 500
    assert what in errors and where in errors and "): " in errors, errors


def test_a_file_that_cannot_be_read_is_named(
    tool: Tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, what in (
        (tmp_path / "none.json", "no such file"),
        (tmp_path, "is a directory"),
        ("a\0b", "null byte"),
    ):
        code, _, errors = tool.run("solve", str(name))
        assert code == ExitCode.CONFIG and what in errors and errors.count("\n") == 1
    kept = Path(tool.file("[]"))

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(kept))

    monkeypatch.setattr(Path, "open", refuse)
    code, _, errors = tool.run("solve", str(kept))
    assert code == ExitCode.CONFIG and "permission denied" in errors


def test_bytes_that_are_no_text_and_too_many_are_refused(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(tool.file("[]"))
    path.write_bytes(b"\xff\xfe[")
    code, _, errors = tool.run("solve", str(path))
    assert code == ExitCode.BAD_DATA and "it is not UTF-8 text" in errors and "byte 0" in errors
    monkeypatch.setattr("arbitrage.tool.books.BYTES_MAX", 2)
    code, _, errors = tool.run("solve", str(path))
    assert code == ExitCode.BAD_DATA and "larger than" in errors
    monkeypatch.setattr("arbitrage.tool.entries.ENTRIES_MAX", 1)
    with pytest.raises(SwarmError, match="it has 2 entries"):
        entries(b"[1, 2]", "x")


@pytest.mark.parametrize(
    "words",
    [
        ["solve"],
        ["solve", "x", "--legs", "0"],
        ["solve", "x", "--legs", "1"],
        ["solve", "x", "--legs", "99"],
        ["solve", "x", "--legs", "four"],
        ["solve", "x", "--legs", "²"],
        ["solve", "x", "--min-bps", "nan"],
        ["solve", "x", "--min-bps", "10001"],
        ["solve", "x", "--swap-bps", "-1"],
        ["solve", "x", "--swap-bps", "1001"],
        ["solve", "x", "--budget", "USDT"],
        ["solve", "x", "--budget", "=5"],
        ["solve", "x", "--budget", "USDT=0"],
        ["route", "A", "B"],
        ["route", "A", "B", "1", "--legs", "9"],
        ["nonsense"],
        [],
    ],
)
def test_a_wrong_call_is_one_line_and_a_number(tool: Tool, words: list[str]) -> None:
    code, out, errors = tool.run(*words)
    assert (code, out) == (ExitCode.USAGE, "") and errors.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--from", "EUR"], "no book knows the asset 'EUR'"),
        (["--budget", "EUR=1"], "no book knows the asset 'EUR'"),
        (["--budget", "z:USDT=1"], "no book knows the venue 'z'"),
    ],
)
def test_a_name_that_no_book_knows_is_told_with_those_that_are(
    tool: Tool, words: list[str], what: str
) -> None:
    code, _, errors = tool.run("solve", tool.file([GOOD]), *words)
    assert code == ExitCode.USAGE and what in errors and ("BTC, USDT" in errors or "known are x" in errors)


def test_numbers_are_read_exactly_however_they_are_written() -> None:
    assert (
        decimals_of("0.250", "x")
        == Decimals(25, 2)
        == decimals_of("25e-2", "x")
        == decimals_of(" +.25 ", "x")
    )
    assert decimals_of("1E+3", "x") == Decimals(1000, 0) == decimals_of("1000.", "x")
    assert decimals_of("0e99", "x", zero=True) == Decimals(0, 0) == decimals_of("-0", "x", zero=True)
    assert json.loads("1.10") == 1.1
    (entry,) = entries(b'[{"from": 1, "to": 2, "rate": 1.10}]', "x")
    assert entry == (0, "1", "2", Decimals(11, 1))


def test_prices_at_the_edge_of_what_there_may_be_are_solved(tool: Tool) -> None:
    given = [{"from": "A", "to": "B", "rate": "1e14"}, {"from": "B", "to": "A", "rate": "1e-14"}]
    assert tool.solve(given)["best"] is None
    given[1]["rate"] = "1.5e-14"
    assert tool.solve(given)["best"]["product_exact"] == "3/2"
    huge = [book("A/B", [("1e14", "1e30")]), book("A/B", [], [("9e13", "1e30")], venue="y")]
    assert tool.solve(huge)["best"]["ticket"]["in"] == "9" + "0" * 29


def test_levels_may_come_in_any_order(tool: Tool) -> None:
    books = books_of(
        entries(json.dumps([book("A/B", [("1", "1"), ("3", "2")], [("9", "1"), ("4", "2")])]).encode(), "x"),
        "x",
    )
    assert books.depth(0).bids[:, 0].tolist() == [3, 1] and books.depth(0).asks[:, 0].tolist() == [4, 9]


def test_sizes_are_cut_to_whole_lots_and_levels_below_one_are_none() -> None:
    given = [book("A/B", [("3", "2.9"), ("2", "0.9")], lot="1", tick="0.5")]
    books = books_of(entries(json.dumps(given).encode(), "x"), "x")
    assert books.depth(0).bids.tolist() == [[6, 2]]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*GOOD, *RATE, "x"]), inner, max_size=9)
    ),
    max_leaves=12,
)


def read_or_refused(data: bytes) -> None:
    """Read data, or be told in one line that it is bad."""
    refused: SwarmError | None = None
    try:
        entries(data, "x")
    except SwarmError as error:
        refused = error
    assert refused is None or (refused.code == ExitCode.BAD_DATA and "\n" not in str(refused))


@settings(max_examples=60, deadline=None)
@given(st.lists(json_values | st.fixed_dictionaries(dict.fromkeys(RATE, json_values)), max_size=3))
def test_no_json_at_all_is_more_than_bad_data(data: list[Any]) -> None:
    read_or_refused(json.dumps(data).encode())


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_at_all_are_more_than_bad_data(data: bytes) -> None:
    read_or_refused(data)
