"""Secure sums over the Grid's own messages: what the server gets of a region tells nothing but the sum."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from federation.loop.events import DEAL, SEND, SHOW, UNCOVER, Tell
from federation.loop.version import first_version
from federation.privacy.leaving import PEER, SUMMED, unlisted_summed
from federation.privacy.secure_mean import words_of
from federation.privacy.secure_sum import Keys, SecureClient
from federation.run.client import answer, app
from federation.run.config import FederationConfig, region_settings
from federation.run.flower import ConfigRecord, Error, Message, RecordDict
from federation.run.grid import LocalGrid
from federation.run.messages import ask_content, fields_of, tensors_of
from federation.run.region_folder import LEDGER_FILE
from federation.run.secure_client import SUM_FILE, answer_sum
from federation.run.secure_messages import part_content, part_of, told_content
from federation.run.server import open_shell
from tests.federation.aggregation.flowers import messages, update
from tests.federation.building import REGIONS, federation, region, regions, shell
from tests.federation.run.test_client import SECRET, everything, talkative
from tests.federation.trainers import first_tensors, softmax

PATIENT = {"deadline_min_s": 60.0}
ROUND = ("show", "deal", "send", "uncover")


class Tapped(LocalGrid):
    """Keep every message that the server sends and gets."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.sent: dict[str, Message] = {}
        self.got: list[tuple[Message, Message]] = []

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Send, and keep."""
        listed = list(messages)
        names = super().push_messages(listed)
        self.sent |= dict(zip(names, listed, strict=True))
        return names

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """Get, and keep with what was asked."""
        found = super().pull_messages(message_ids)
        self.got += [(self.sent[each.metadata.reply_to_message_id], each) for each in found]
        return found


def run(root: Path, versions: int = 1, **settings: Any) -> tuple[Any, Tapped]:
    grid = Tapped(app, regions(root, secure=True, **settings))
    made = open_shell(federation(root, secure=True, versions_max=versions, loop=PATIENT), grid)
    made.run()
    grid.close()
    return made, grid


def steps(grid: Tapped, step: str) -> list[tuple[Message, Any]]:
    found = [(asked, reply.content) for asked, reply in grid.got]
    return [(asked, content) for asked, content in found if content["config"].get("step") == step]


def test_three_regions_make_the_same_versions_under_masks_as_in_the_open(tmp_path: Path) -> None:
    made, grid = run(tmp_path / "masked", versions=3)
    plain, other = shell(tmp_path / "open", versions_max=3, loop=PATIENT)
    plain.run()
    other.close()
    assert [len(steps(grid, step)) for step in ROUND] == [9, 9, 9, 9]
    for number in (1, 2, 3):
        mine, theirs = made.store.version(number), plain.store.version(number)
        for a, b in zip(mine.arrays, theirs.arrays, strict=True):
            np.testing.assert_allclose(a, b, atol=2e-6)
        assert mine.loss is not None and theirs.loss is not None
        assert mine.loss == pytest.approx(theirs.loss, abs=1e-5)
    assert [member.region for member in made.store.version(3).members] == sorted(REGIONS)


def test_no_single_update_can_be_read_from_all_that_the_server_gets(tmp_path: Path) -> None:
    """The server has every message; the truth it has not: what each region really learnt."""
    _, grid = run(tmp_path)
    version = first_version(("bias", "weight"), [first_tensors()["bias"], first_tensors()["weight"]])
    masked, truth = {}, {}
    for _, content in steps(grid, "send"):
        masked[content["config"]["region"]] = np.frombuffer(content["words"]["masked"], "<u8")
    for asked, content in steps(grid, "show"):
        name = content["config"]["region"]
        given = region_settings({**region(tmp_path, name, 1 + REGIONS.index(name)), "secure": False})
        plain: Any = answer(asked.content, given, softmax)
        arrays = list(tensors_of(plain).values())
        truth[name] = words_of(arrays, version.arrays, int(plain["metrics"]["num-examples"]))
        sent = b"".join(everything(reply.content) for _, reply in grid.got)
        assert all(array.tobytes() not in sent for array in arrays)
        assert all(word.tobytes() not in sent for word in truth[name] if abs(word.view(np.int64)) > 1 << 16)
    total, zero = sum(truth.values()), np.zeros(1, np.uint64)
    for name in REGIONS:
        # What is left of it must not be found by taking from it any mix of what the server knows.
        for guess in (zero, truth[name], total, *(masked[each] for each in REGIONS if each != name)):
            left = masked[name] - guess
            ones = np.unpackbits(
                np.ascontiguousarray(np.broadcast_to(left, masked[name].shape)).view(np.uint8)
            )
            assert 0.4 < ones.mean() < 0.6
    pooled = np.concatenate([masked[name] for name in REGIONS]).view(np.int64).astype(float)
    alike = np.corrcoef(
        pooled, np.concatenate([truth[name] for name in REGIONS]).view(np.int64).astype(float)
    )
    assert abs(alike[0, 1]) < 5 / np.sqrt(len(pooled))


def test_words_under_masks_are_as_likely_as_any_others() -> None:
    """With the same words again and again, every byte that leaves is drawn evenly."""
    same, seen = np.full(512, 12345, np.uint64), []
    for _ in range(8):
        clients = {name: SecureClient(name) for name in REGIONS}
        keys = {name: each.keys() for name, each in clients.items()}
        dealt = {name: each.deal(keys) for name, each in clients.items()}
        box = {dealer: boxes["nyc"] for dealer, boxes in dealt.items()}
        seen.append(clients["nyc"].masked(same, box))
    counts = np.bincount(np.concatenate(seen).view(np.uint8), minlength=256)
    expected = counts.sum() / 256
    chi_square = float(((counts - expected) ** 2 / expected).sum())
    assert 150 < chi_square < 385  # 255 degrees of freedom: outside with one in a hundred thousand


def test_only_what_is_listed_leaves_in_any_step_and_no_row_does(tmp_path: Path) -> None:
    made, grid = run(tmp_path, trainer=f"{__name__}:taking_along")
    assert made.loop.current.number == 1
    listed = {(field.record, field.name) for field in SUMMED}
    halves = {each for name in REGIONS for each in halves_of(tmp_path / name / "rows.npz")}
    for _, reply in grid.got:
        told = {(record, name) for record, name, _ in fields_of(reply.content)}
        assert {(record, PEER if record in ("boxes", "shares") else name) for record, name in told} <= listed
        sent = everything(reply.content)
        forms = (np.float32(SECRET).tobytes(), np.float64(SECRET).tobytes())
        assert not any(form in sent for form in forms) and not any(half in sent for half in halves)
        for word in (str(tmp_path), "position", "fill", "order_id", "norm", "num-examples", "m.log_loss"):
            assert word.encode() not in sent
        assert not list(reply.content.array_records) and not list(reply.content.metric_records)


def taking_along(*given: Any) -> Any:
    """Train, and try to take along what must stay."""
    return talkative(*given)


def halves_of(path: Path) -> list[bytes]:
    """Give rows by halves: single numbers are so short that masks hit upon one now and then."""
    with np.load(path) as held:
        return [half.tobytes() for half in held["x"].reshape(-1, 2)]


def test_the_list_of_a_sum_names_what_is_not_on_it() -> None:
    good = part_content("nyc", "s", DEAL, {"tokyo": b"x"})
    assert unlisted_summed(fields_of(good), DEAL, ["tokyo"]) == []
    assert unlisted_summed(fields_of(good), DEAL, ["nyc"]) == ["boxes.tokyo"]
    assert unlisted_summed(fields_of(good), SEND, ["tokyo"]) == ["boxes.tokyo"]
    assert all(len(field.why) > 8 for field in SUMMED)


def test_a_region_that_answers_under_masks_only_refuses_to_answer_in_the_open(tmp_path: Path) -> None:
    made = open_shell(federation(tmp_path), grid := LocalGrid(app, regions(tmp_path, secure=True)))
    while len(made.reports) < 3:
        made.turn()
    grid.close()
    assert {each.reason for each in made.reports} == {"refused: this region answers under masks only"}


def test_a_region_taken_down_in_the_middle_is_made_up_for(tmp_path: Path) -> None:
    grid = Tapped(app, regions(tmp_path, secure=True))
    config = {"secure": True, "secure_step_s": 0.3, "loop": {**PATIENT, "retry_s": 0.0}}
    made = open_shell(federation(tmp_path, **config), grid)
    while made.loop.current.number < 1:
        made.turn()
        if len(steps(grid, "deal")) == 3:
            grid.take_down("nyc")
    assert {member.region for member in made.loop.current.members} <= {"frankfurt", "tokyo", "nyc"}
    assert len(made.loop.current.members) >= 2
    for _ in range(3):
        made.turn()
    assert made.loop.current.number == 1 and "needs 3 regions, and 2 are up" in made.reports[-1].reason
    grid.bring_up("nyc")
    while made.loop.current.number < 2:
        made.turn()
    assert len(made.loop.current.members) == 3
    grid.close()


def asked(step: str, name: str = "s1", **more: Any) -> RecordDict:
    tensors = first_tensors()
    version = first_version(("bias", "weight"), [tensors["bias"], tensors["weight"]])
    content = ask_content(version, 0, 7, {"steps": 3}) if step == SHOW else RecordDict()
    return told_content(Tell("nyc", 0, 0, name, step, **more), content, 5.0, 100)


def test_no_step_is_done_twice_and_secrets_are_the_owners_and_go(tmp_path: Path) -> None:
    settings = region_settings(region(tmp_path, "nyc", 1, secure=True))
    others = {name: SecureClient(name) for name in ("frankfurt", "tokyo")}
    shown = answer_sum(asked(SHOW), settings, softmax)
    keys = {"nyc": Keys(**shown["keys"])} | {name: each.keys() for name, each in others.items()}
    deal = asked(DEAL, peers=keys)
    boxes = dict(answer_sum(deal, settings, softmax)["boxes"])
    again = answer_sum(deal, settings, softmax)
    assert again["config"]["refused"] == "nyc does not deal among 3"
    dealt = {name: each.deal(keys)["nyc"] for name, each in others.items()} | {"nyc": boxes["nyc"]}
    send = asked(SEND, boxes=dealt)
    path = settings.state / SUM_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    sent: Any = answer_sum(send, settings, softmax)
    assert len(sent["words"]["masked"]) == 8 * 16
    assert answer_sum(send, settings, softmax)["config"]["refused"] == "nyc does not send to 3"
    one = answer_sum(asked(UNCOVER, alive=("nyc",)), settings, softmax)
    assert one["config"]["refused"] == "nyc does not uncover for 1"
    uncover = asked(UNCOVER, alive=("nyc", "tokyo"))
    assert set(answer_sum(uncover, settings, softmax)["shares"]) == {"frankfurt", "nyc", "tokyo"}
    assert not path.exists()
    assert answer_sum(uncover, settings, softmax)["config"]["refused"] == "nyc takes no part in this sum"


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (asked(DEAL, "another"), "takes no part"),
        (asked("undress"), "no step undress"),
        (asked(SEND, boxes={"nyc": b""}), "does not send to 1"),
        (
            asked(DEAL, peers={"nyc": Keys(b"", b""), "a": Keys(b"", b""), "b": Keys(b"", b"")}),
            "does not deal",
        ),
    ],
)
def test_what_no_honest_server_sends_is_refused_by_name(
    tmp_path: Path, content: RecordDict, word: str
) -> None:
    settings = region_settings(region(tmp_path, "nyc", 1, secure=True))
    answer_sum(asked(SHOW), settings, softmax)
    assert word in str(answer_sum(content, settings, softmax)["config"]["refused"])


def test_a_future_form_is_refused_and_a_trainer_is_told_nothing_of_sums(tmp_path: Path) -> None:
    settings = region_settings(region(tmp_path, "nyc", 1, secure=True))
    seen: list[dict[str, Any]] = []

    def watched(store: Path, tensors: Any, config: Any, seed: int) -> Any:
        seen.append(dict(config))
        return softmax(store, tensors, config, seed)

    assert "keys" in answer_sum(asked(SHOW), settings, watched)
    assert sorted(seen[0]) == ["attempt", "base", "seed", "steps", "version"]
    future: Any = asked(SHOW)
    future["config"]["form"] = 2
    told = answer_sum(future, settings, watched)
    assert "form 2, and form 1 is known here" in str(told["config"]["refused"]) and len(seen) == 1


def test_a_key_that_agrees_with_nobody_is_refused_without_its_words(tmp_path: Path) -> None:
    settings = region_settings(region(tmp_path, "nyc", 1, secure=True))
    mine = Keys(**answer_sum(asked(SHOW), settings, softmax)["keys"])
    peers = {"nyc": mine, "a": Keys(bytes(32), bytes(32)), "b": SecureClient("b").keys()}
    told = answer_sum(asked(DEAL, peers=peers), settings, softmax)
    assert told["config"]["refused"] == "what was sent to deal does not fit"


def test_the_budget_holds_under_masks_too(tmp_path: Path) -> None:
    given = region(tmp_path, "nyc", 1, secure=True, clip=1.0, noise=3.0, epsilon_max=2.0)
    settings = region_settings(given)
    node = LocalGrid(app, {"nyc": given})
    told = []
    for place in range(9):
        ask = node.create_message(asked(SHOW, f"s{place}"), "train.sum", 2, "0")
        told.append(node.send_and_receive([ask])[0].content)
    node.close()
    lines = (settings.state / LEDGER_FILE).read_bytes().count(b"\n")
    assert 0 < lines == sum("keys" in each for each in told) < 9
    assert "budget is spent" in str(told[-1]["config"]["refused"])


def reply(content: RecordDict | Error) -> Message:
    return Message(content, reply_to=messages([update("x", 1, 1)])[0])


@pytest.mark.parametrize(
    ("step", "record", "changed"),
    [
        (SHOW, {"keys": {"seal": b"x"}}, {}),
        (SHOW, {"keys": {"seal": b"x", "mask": 5}}, {}),
        (DEAL, {"boxes": {f"r{i}": b"x" for i in range(99)}}, {}),
        (DEAL, {"boxes": {"nyc": b"x" * 9999}}, {}),
        (SEND, {"words": {"masked": b"not eight"}}, {}),
        (UNCOVER, {"keys": {}}, {}),
        (DEAL, {"boxes": {"nyc": b"x"}}, {"region": "../x"}),
        (DEAL, {"boxes": {"nyc": b"x"}}, {"step": "send"}),
        (DEAL, {"boxes": {"nyc": b"x"}}, {"sum": 7}),
        (DEAL, {"boxes": {"nyc": b"x"}}, {"form": 2}),
    ],
)
def test_a_part_that_cannot_be_read_is_said(step: str, record: Any, changed: dict[str, Any]) -> None:
    told = ConfigRecord({"form": 1, "region": "nyc", "sum": "s", "step": step, **changed})
    records = {name: ConfigRecord(values) for name, values in record.items()}
    read = part_of(reply(RecordDict({"config": told, **records})), step)
    assert isinstance(read, str) and read.startswith("an unreadable reply")


def test_a_failure_is_said_and_a_part_is_read_back() -> None:
    assert part_of(reply(Error(1, "it broke")), SHOW) == "failed: it broke"
    words = np.arange(5, dtype=np.uint64)
    read = part_of(reply(part_content("nyc", "s", SEND, words)), SEND)
    assert not isinstance(read, str) and isinstance(read.part, np.ndarray)
    np.testing.assert_array_equal(read.part, words)


@pytest.mark.parametrize("loop", [{"aggregator": "krum"}, {"aggregator": "median"}, {"buffer": 2}])
def test_what_needs_single_updates_or_a_buffer_is_refused_with_secure_sums(loop: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="secure sums"):
        FederationConfig.model_validate({"secure": True, "loop": loop})
    FederationConfig.model_validate({"loop": loop})
