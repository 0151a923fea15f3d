"""The region's side of a secure sum: four answers, between which its secrets lie in its own folder."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from federation.loop.events import DEAL, SEND, SHOW, UNCOVER, Part
from federation.privacy.blur import blurred
from federation.privacy.leaving import STEP_RECORD, unlisted_summed
from federation.privacy.secure_mean import words_of
from federation.privacy.secure_sum import Secrets, SecureClient, SecureSumFailed
from federation.run.config import RegionSettings, Scalar
from federation.run.flower import RecordDict
from federation.run.learning import learn
from federation.run.messages import config_of, fields_of, refusal_content, tensors_of
from federation.run.region_folder import DUE_FILE
from federation.run.secure_messages import (
    ALIVE,
    CLIP,
    EXAMPLES_MAX,
    bytes_of,
    part_content,
    peers_of,
)
from federation.run.store import write_durably
from federation.run.trainer import Trained, Trainer

SUM_FILE = "sum.secrets"


class Kept(msgspec.Struct):
    """What a region keeps between the steps of one sum."""

    sum: str
    secrets: Secrets
    words: bytes


def answer_sum(asked: RecordDict, region: RegionSettings, trainer: Trainer) -> RecordDict:
    """Do one step of a sum; what is kept of it is on disk before the answer leaves."""
    config = config_of(asked)
    name, step = str(config["sum"]), str(config["step"])
    try:
        part = (
            _show(asked, config, name, region, trainer) if step == SHOW else _go_on(asked, name, step, region)
        )
    except SecureSumFailed as error:
        return refusal_content(region.region, str(error)[:200])
    except ValueError:  # a key or a number that no honest side sends; its words may quote what was learnt
        return refusal_content(region.region, f"what was sent to {step} does not fit")
    content = part_content(region.region, name, step, part)
    peers = bytes_of(asked, "peers") if step == DEAL else part if isinstance(part, dict) else {}
    assert not (odd := unlisted_summed(fields_of(content), step, peers)), (
        f"not on the list of what leaves: {odd}"
    )
    return content


def _show(
    asked: RecordDict, config: dict[str, Scalar], name: str, region: RegionSettings, trainer: Trainer
) -> Part:
    """Train, write the clipped step as words, and show the keys of a new part; an older part is over."""
    learnt = learn(asked, region, trainer)
    if isinstance(learnt, str):
        raise SecureSumFailed(learnt)
    client = SecureClient(region.region)
    words = _words(learnt, asked, float(config[CLIP]), int(config[EXAMPLES_MAX]))
    _keep(region.state / SUM_FILE, Kept(name, client.held, words))
    return client.keys()


def _words(learnt: Trained, asked: RecordDict, clip: float, examples_max: int) -> bytes:
    base = list(tensors_of(asked).values())
    arrays = blurred(list(learnt.tensors.values()), base, clip, 0.0, np.random.default_rng(0))
    return words_of(arrays, base, min(learnt.examples, examples_max)).tobytes()


def _go_on(asked: RecordDict, name: str, step: str, region: RegionSettings) -> Part:
    path = region.state / SUM_FILE
    kept = _kept(path)
    if kept is None or kept.sum != name:
        raise SecureSumFailed(f"{region.region} takes no part in this sum")
    client = SecureClient(region.region, kept.secrets)
    if step == UNCOVER:
        alive = asked.config_records["config"][ALIVE]
        shares = client.uncover(str(each) for each in (alive if isinstance(alive, list) else ()))
        path.unlink()  # what could uncover more is gone before anything is uncovered
        (region.state / DUE_FILE).unlink(missing_ok=True)
        return shares
    part: Part
    if step == DEAL:
        part = client.deal(peers_of(asked))
    elif step == SEND:
        part = client.masked(np.frombuffer(kept.words, np.uint64), bytes_of(asked, STEP_RECORD[DEAL]))
        kept.words = b""
    else:
        raise SecureSumFailed(f"there is no step {step[:20]}")
    _keep(path, kept)
    return part


def _keep(path: Path, kept: Kept) -> None:
    """Write what only this region may read; a step that was done stays done, also after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, msgspec.msgpack.encode(kept), mode=0o600)


def _kept(path: Path) -> Kept | None:
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=Kept)
    except (OSError, msgspec.DecodeError):
        return None
