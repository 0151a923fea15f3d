import shutil
from pathlib import Path

import pytest

from deploy import plan as plan_module
from deploy.plan import plan, region_files
from domain.errors import ConfigError


@pytest.fixture
def regions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the region files that a test may spoil."""
    copied = tmp_path / "regions"
    shutil.copytree(plan_module.REGIONS, copied)
    monkeypatch.setattr(plan_module, "REGIONS", copied)
    return copied


def planned(state: Path) -> None:
    plan(state, seed=1, port_base=7070, only=None)


def test_a_region_that_is_named_twice_runs_once(regions: Path) -> None:
    assert region_files(["nyc", "tokyo", "nyc"]) == [
        regions / each / "region.toml" for each in ("nyc", "tokyo")
    ]


def test_a_region_in_the_folder_of_another_is_refused(regions: Path, tmp_path: Path) -> None:
    shutil.move(regions / "nyc", regions / "osaka")
    with pytest.raises(ConfigError, match="nyc is in the folder of osaka"):
        planned(tmp_path)


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        ({"frankfurt-1": "nyc-1"}, "node nyc-1"),
        ({'"frankfurt-x"': '"nyc-x"', "frankfurt-main": "nyc-main"}, "account nyc-main of nyc-x"),
        ({"frankfurt-main": "frankfurt-minor"}, "has no account frankfurt-minor"),
    ],
)
def test_two_regions_that_share_a_name_or_an_account_that_is_not_there_are_refused(
    spoilt: dict[str, str], words: str, regions: Path, tmp_path: Path
) -> None:
    path = regions / "frankfurt" / "region.toml"
    text = path.read_text(encoding="utf-8")
    for old, new in spoilt.items():
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=words):
        planned(tmp_path)


def test_who_learns_comes_last_and_the_swarm_can_be_without_it(tmp_path: Path) -> None:
    def made(**asked: bool) -> plan_module.Plan:
        return plan(tmp_path, seed=1, port_base=7070, only=["tokyo", "nyc"], **asked)

    def arguments(chosen: plan_module.Plan, name: str) -> str:
        return " ".join(chosen.children(lambda: 0)[name].arguments)

    assert not {"learner", "federation"} & set(made().children(lambda: 0))
    alone = made(learn=True)
    assert list(alone.children(lambda: 0))[-1] == "learner"
    assert "--federated" not in arguments(alone, "learner")
    beside = made(learn=True, federate=True)
    assert [name for name, child in beside.children(lambda: 0).items() if not child.vital] == [
        "learner",
        "federation",
    ]
    assert "--federated --regions tokyo nyc" in arguments(beside, "learner")
    assert "--paced --regions tokyo nyc" in arguments(beside, "federation")
    more = set(beside.ports()) - set(alone.ports())
    assert sorted(port for _, port in more) == [7131, 7132, 7133], "a SuperLink and two nodes"
