"""A reply may be anything: what is wrong with it is said, and nothing is run."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from federation.loop.version import first_version
from federation.run.flower import Array, ArrayRecord, ConfigRecord, Error, Message, MetricRecord, RecordDict
from federation.run.messages import ask_content, refusal_content, reply_content, tensors_of, update_of
from federation.update import Update
from tests.federation.aggregation.flowers import messages, update

TENSORS = {"bias": np.zeros(3, np.float32)}


def reply(content: RecordDict | Error) -> Message:
    asked = messages([update("x", 1, 1)])[0]
    return Message(content, reply_to=asked)


def good(**changed: Any) -> RecordDict:
    content = reply_content(TENSORS, "nyc", "h", 0, 10, {"loss": 0.5})
    for record in ("config", "metrics"):
        for name in list(content[record]):
            if name in changed:
                content[record][name] = changed[name]
    return content


def test_a_good_reply_is_an_update() -> None:
    read = update_of(reply(good()))
    assert isinstance(read, Update)
    assert (read.region, read.base, read.examples, read.names) == ("nyc", "h", 10, ("bias",))
    assert read.metrics == {"loss": 0.5}


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"region": "../../etc"}, "wrong form"),
        ({"region": 5}, "wrong form"),
        ({"base": 1.5}, "wrong form"),
        ({"attempt": "x"}, "wrong form"),
        ({"attempt": True}, "wrong form"),
        ({"attempt": -1}, "wrong form"),
        ({"attempt": 2**63 - 1}, "wrong form"),
        ({"num-examples": 0.5}, "wrong form"),
        ({"form": 2}, "form 2, and form 1 is known here"),
        ({"form": "x"}, "form x"),
    ],
)
def test_a_field_of_the_wrong_form_is_said(changed: dict[str, Any], word: str) -> None:
    read = update_of(reply(good(**changed)))
    assert isinstance(read, str) and word in read


def pickled() -> RecordDict:
    """Build an array that would run code if it were unpickled."""
    data = io.BytesIO()
    np.save(data, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    content = good()
    content["arrays"] = ArrayRecord({"bias": Array("object", (1,), "numpy.ndarray", data.getvalue())})
    return content


def torn() -> RecordDict:
    content = good()
    content["arrays"] = ArrayRecord({"bias": Array("float32", (3,), "numpy.ndarray", b"\x93NUMPY\x01")})
    return content


@pytest.mark.parametrize(
    "content",
    [RecordDict(), RecordDict({"config": ConfigRecord({"region": "nyc"})}), pickled(), torn()],
    ids=["nothing", "half", "an object", "torn"],
)
def test_a_reply_that_cannot_be_read_is_said(content: RecordDict) -> None:
    read = update_of(reply(content))
    assert isinstance(read, str) and read.startswith("an unreadable reply")


def test_a_failure_and_a_refusal_are_said() -> None:
    failed = update_of(reply(Error(1, "it broke")))
    assert isinstance(failed, str) and "it broke" in failed
    assert update_of(reply(refusal_content("nyc", "no rows"))) == "refused: no rows"


def test_an_array_without_an_axis_goes_out_and_comes_back_as_it_is() -> None:
    first = first_version(("scale",), [np.array(1.5, np.float32)])
    assert tensors_of(ask_content(first, 0, 1, {}))["scale"].shape == ()


def test_too_many_figures_are_refused() -> None:
    content = good()
    content["metrics"] = MetricRecord({"num-examples": 3, **{f"m.{i}": 0.0 for i in range(99)}})
    assert "wrong form" in str(update_of(reply(content)))


def test_a_version_goes_out_with_its_place_and_its_arrays() -> None:
    version = first_version(("a",), [np.arange(3, dtype=np.float32)])
    content = ask_content(version, 2, 77, {"epochs": 3})
    assert dict(content["config"]) == {
        "epochs": 3,
        "form": 1,
        "base": version.hash,
        "version": 0,
        "attempt": 2,
        "seed": 77,
    }
    np.testing.assert_array_equal(tensors_of(content)["a"], version.arrays[0])
