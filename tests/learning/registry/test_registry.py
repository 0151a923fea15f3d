"""Versions are kept by hash, promoted through gates, rolled back in one step, and refused when damaged."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from domain.errors import ExitCode, SwarmError
from learning.registry.blob import write_blob
from learning.registry.gates import OFFLINE
from learning.registry.manifest import Gate
from learning.registry.pointer import Pointer
from learning.registry.registry import Registry
from tests.learning.registry.versions import ALIVE, PASSED, champions, exported, manifest, registry


def states(made: Registry) -> dict[str, str]:
    return {model: known.state for model, known in made.states().items()}


def test_a_registry_that_is_not_there_serves_nothing(tmp_path: Path) -> None:
    made = Registry(tmp_path / "models")
    assert made.pointer() == Pointer() and made.states() == {} and made.history() == []
    assert not (tmp_path / "models").exists()


def test_what_is_put_comes_back_as_it_was(tmp_path: Path) -> None:
    made = registry(tmp_path)
    model = made.put(exported(3), manifest(log_loss=0.9))
    back = made.get(model)
    assert (back.kind, back.config) == ("mlp", exported(3).config)
    assert list(back.tensors) == list(exported(3).tensors)
    for name, tensor in exported(3).tensors.items():
        np.testing.assert_array_equal(back.tensors[name], tensor)
    shown = made.show(model)
    assert (shown.model, shown.metrics, shown.gates) == (model, {"log_loss": 0.9}, PASSED)
    assert states(made) == {model: "candidate"} and len(model) == 32


def test_putting_the_same_again_changes_nothing(tmp_path: Path) -> None:
    made = registry(tmp_path)
    model = made.put(exported(), manifest())
    assert made.put(exported(), manifest(gates=())) == model
    assert len(made.history()) == 1 and made.show(model).gates == PASSED


def test_a_version_goes_from_candidate_to_canary_to_champion_to_retired(tmp_path: Path) -> None:
    made = registry(tmp_path)
    first, second = champions(made, 1), made.put(exported(2), manifest())
    made.promote(second, "canary", share_ppm=250_000)
    pointer = made.pointer()
    assert (pointer.champion, pointer.canary, pointer.canary_ppm) == (first[0], second, 250_000)
    made.promote(second, "champion", ALIVE)
    assert states(made) == {first[0]: "retired", second: "champion"}
    pointer = made.pointer()
    assert (pointer.champion, pointer.canary, pointer.canary_ppm) == (second, "", 0)
    assert pointer.previous == first[0] and pointer.generation == len(made.history())


def test_a_second_canary_retires_the_first_and_a_share_can_be_changed(tmp_path: Path) -> None:
    made = registry(tmp_path)
    champions(made, 1)
    one, two = (made.put(exported(seed), manifest()) for seed in (2, 3))
    made.promote(one, "canary")
    made.promote(two, "canary")
    made.promote(two, "canary", share_ppm=500_000)
    assert (states(made)[one], states(made)[two]) == ("retired", "canary")
    assert made.pointer().canary_ppm == 500_000


def refusal(made: Registry, model: str, to: str, gates: tuple[Gate, ...] = ()) -> str:
    before = made.pointer()
    with pytest.raises(SwarmError) as caught:
        made.promote(model, to, gates)
    assert made.pointer() == before
    assert caught.value.code in (ExitCode.NOT_PROMOTED, ExitCode.BAD_DATA)
    return str(caught.value)


@pytest.mark.parametrize("name", OFFLINE)
def test_a_gate_that_was_not_passed_or_not_tried_holds_a_version_back(tmp_path: Path, name: str) -> None:
    made = registry(tmp_path)
    without = tuple(gate for gate in PASSED if gate.name != name)
    model = made.put(exported(), manifest(without))
    assert f"gate {name} was never tried" in refusal(made, model, "champion")
    assert f"gate {name} was not passed: 9, limit 4" in refusal(
        made, model, "champion", (Gate(name, False, 9.0, 4.0, "x"),)
    ).replace("x: ", "")
    made.judge(model, [Gate(name, True, 3.0, 4.0)])
    made.promote(model, "champion")
    assert made.pointer().champion == model


def test_turns_are_kept(tmp_path: Path) -> None:
    made = registry(tmp_path)
    first, second = champions(made, 1, 2)
    third = made.put(exported(3), manifest())
    assert "a candidate cannot become champion" in refusal(made, third, "champion", ALIVE)
    assert "a retired cannot become canary" in refusal(made, first, "canary")
    assert "a champion cannot become canary" in refusal(made, second, "canary")
    assert "can be made 'king'" in refusal(made, third, "king")
    assert "no version 'nobody'" in refusal(made, "nobody", "canary")
    made.promote(third, "canary")
    assert "gate live was never tried" in refusal(made, third, "champion")


def test_gates_against_a_champion_that_is_gone_do_not_count(tmp_path: Path) -> None:
    made = registry(tmp_path)
    champions(made, 1)
    late = made.put(exported(9), manifest())
    champions(made, 2)
    assert "gate finite was never tried" in refusal(made, late, "canary")
    made.judge(late, PASSED)
    made.promote(late, "canary")
    assert made.pointer().canary == late


def test_what_was_said_of_a_version_before_it_was_a_canary_is_not_live(tmp_path: Path) -> None:
    made = registry(tmp_path)
    champions(made, 1)
    early = made.put(exported(2), manifest((*PASSED, *ALIVE)))
    made.judge(early, ALIVE)
    made.promote(early, "canary", ALIVE)
    assert "gate live was never tried" in refusal(made, early, "champion")
    made.promote(early, "canary", share_ppm=900_000)
    made.judge(early, ALIVE)
    made.promote(early, "champion")
    assert made.pointer().champion == early


def test_a_share_that_cannot_be_is_refused(tmp_path: Path) -> None:
    made = registry(tmp_path)
    model = made.put(exported(), manifest())
    for share in (0, -1, 1_000_001):
        with pytest.raises(SwarmError, match=f"cannot serve {share} ppm"):
            made.promote(model, "canary", share_ppm=share)


def test_a_rollback_is_one_step_and_withdraws_the_canary(tmp_path: Path) -> None:
    made = registry(tmp_path)
    first, second, third = champions(made, 1, 2, 3)
    canary = made.put(exported(4), manifest())
    made.promote(canary, "canary")
    assert made.rollback("it lost money") == second
    pointer = made.pointer()
    assert (pointer.champion, pointer.canary, pointer.previous) == (second, "", first)
    assert states(made) == {first: "retired", second: "champion", third: "retired", canary: "retired"}
    assert made.history()[-1].reason == "it lost money"
    assert made.rollback("again") == first
    with pytest.raises(SwarmError, match="no version before this one"):
        made.rollback("and again")
    assert made.pointer().champion == first


def test_a_canary_can_be_withdrawn_and_a_champion_cannot(tmp_path: Path) -> None:
    made = registry(tmp_path)
    (champion,) = champions(made, 1)
    canary = made.put(exported(2), manifest())
    made.promote(canary, "canary")
    made.retire(canary, "worse")
    assert made.pointer().canary == "" and states(made)[canary] == "retired"
    with pytest.raises(SwarmError, match="is the champion"):
        made.retire(champion, "worse")


def test_a_manifest_of_another_model_is_not_taken(tmp_path: Path) -> None:
    made = registry(tmp_path)
    with pytest.raises(SwarmError, match="the manifest is of 'feed'"):
        made.put(exported(), msgspec.structs.replace(manifest(), model="feed"))
    with pytest.raises(SwarmError, match="the manifest says kind 'ridge'"):
        made.put(exported(), msgspec.structs.replace(manifest(), kind="ridge"))
    assert made.states() == {}


def damaged(made: Registry, model: str) -> str:
    """Refuse a version by name, with the champion going on."""
    champion = made.pointer().champion
    with pytest.raises(SwarmError) as caught:
        made.get(model)
    with pytest.raises(SwarmError):
        made.promote(model, "canary")
    assert caught.value.code == ExitCode.BAD_DATA and model[:8] in str(caught.value)
    assert made.pointer().champion == champion and made.get(champion).kind == "mlp"
    return caught.value.what


def test_what_is_damaged_is_refused_by_name_and_the_champion_goes_on(tmp_path: Path) -> None:
    made = registry(tmp_path)
    champions(made, 1)
    model = made.put(exported(2), manifest())
    blob, file = tmp_path / f"blobs/{model}.safetensors", tmp_path / f"manifests/{model}.json"
    good, text = blob.read_bytes(), file.read_bytes()
    for wrong in (good[:-1], b"", good[:40] + b"\x00" + good[41:], write_blob(exported(3))):
        blob.write_bytes(wrong)
        assert "its hash is another" in damaged(made, model)
    blob.unlink()
    assert "it is gone" in damaged(made, model)
    blob.write_bytes(good)
    for wrong, word in (
        (text.replace(model.encode(), b"f" * 32), "it is of 'ffff"),
        (text[:-9], "corrupt"),
        (text.replace(b'"format": 1', b'"format": 2'), "written in format 2, newer than 1"),
        (text.replace(b'"source"', b'"sauce"'), "corrupt"),
    ):
        file.write_bytes(wrong)
        assert word in damaged(made, model)
    file.write_bytes(text.replace(b'"tokyo"', b'"kyoto"'))
    with pytest.raises(SwarmError, match="its hash is not the history's"):
        made.show(model)
    file.write_bytes(text)
    made.promote(model, "canary")


def test_the_oldest_versions_are_pruned_but_never_one_that_may_serve(tmp_path: Path) -> None:
    made = registry(tmp_path, retired_max=2, candidates_max=3)
    names = champions(made, *range(6))
    kept = states(made)
    assert [model for model in names if model in kept] == names[2:]
    assert (kept[names[5]], kept[names[4]]) == ("champion", "retired")
    with pytest.raises(SwarmError, match="no version"):
        made.get(names[0])
    more = [made.put(exported(seed), manifest()) for seed in range(10, 16)]
    assert [model for model, state in states(made).items() if state == "candidate"] == more[3:]
    stems = {path.stem for folder in ("blobs", "manifests") for path in (tmp_path / folder).iterdir()}
    assert stems == set(states(made))
    for back in (names[4], names[3], names[2]):
        assert made.rollback("test") == back
