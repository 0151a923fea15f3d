"""The messages of a secure sum: four steps, each with a record of its own."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from federation.loop.events import DEAL, SEND, SHOW, Part, Tell
from federation.privacy.fixed_point import Words
from federation.privacy.leaving import STEP_RECORD
from federation.privacy.masks import KEY_BYTES
from federation.privacy.secure_sum import Keys
from federation.run.flower import ConfigRecord, ConfigRecordValues, Message, RecordDict
from federation.run.messages import CONFIG, FORM, FORM_KNOWN, REFUSED, odd_form
from federation.update import REGION

SUM = "train.sum"
ALIVE, CLIP, EXAMPLES_MAX = "alive", "clip", "examples_max"
PEERS_MAX, BYTES_MAX = 64, 1 << 12  # of names in a record, and of what one says, words aside
SEAL, MASK, MASKED = "seal", "mask", "masked"


class Read(msgspec.Struct, frozen=True):
    """What a region answered in one step."""

    region: str
    sum: str
    step: str
    part: Part


def told_content(tell: Tell, content: RecordDict, clip: float, examples_max: int) -> RecordDict:
    """Say what a region is to do next; `content` is what it is to train from, in the first step."""
    config: dict[str, ConfigRecordValues] = dict(content.config_records.get(CONFIG, {}))
    config |= {FORM: FORM_KNOWN, "sum": tell.sum, "step": tell.step, ALIVE: list(tell.alive)}
    if tell.step == SHOW:
        config |= {CLIP: clip, EXAMPLES_MAX: examples_max}
    content[CONFIG] = ConfigRecord(config)
    if tell.step == DEAL:
        content["peers"] = _record({name: keys.seal + keys.mask for name, keys in tell.peers.items()})
    if tell.step == SEND:
        content[STEP_RECORD[DEAL]] = _record(tell.boxes)
    return content


def peers_of(content: RecordDict) -> dict[str, Keys]:
    """Read everybody's keys."""
    both = bytes_of(content, "peers")
    return {name: Keys(each[:KEY_BYTES], each[KEY_BYTES:]) for name, each in both.items()}


def part_content(region: str, name: str, step: str, part: Part) -> RecordDict:
    """Say a region's part of a step, and nothing beside it: no count, no figure."""
    if isinstance(part, Keys):
        record = _record({SEAL: part.seal, MASK: part.mask})
    elif isinstance(part, np.ndarray):
        record = _record({MASKED: part.astype("<u8").tobytes()})
    else:
        record = _record(part)
    told = ConfigRecord({FORM: FORM_KNOWN, "region": region, "sum": name, "step": step})
    return RecordDict({CONFIG: told, STEP_RECORD[step]: record})


def part_of(message: Message, step: str) -> Read | str:
    """Read a region's part of a step, or say what is wrong with it: any reply may be broken or hostile."""
    if message.has_error():
        return f"failed: {message.error.reason}"
    try:
        told = message.content.config_records[CONFIG]
        if REFUSED in told:
            return f"refused: {str(told[REFUSED])[:200]}"
        if (odd := odd_form(told)) is not None:
            return f"an unreadable reply: {odd}"
        region, name, said = told["region"], told["sum"], told["step"]
        holds = bytes_of(message.content, STEP_RECORD[step])
        part = _part(step, holds)
    except Exception as error:  # whatever a stranger's bytes make a decoder raise
        return f"an unreadable reply: {type(error).__name__}: {str(error)[:200]}"
    if (
        not isinstance(region, str)
        or not isinstance(name, str)
        or said != step
        or REGION.fullmatch(region) is None
    ):
        return "an unreadable reply: a field has the wrong form"
    return Read(region, name, step, part)


def bytes_of(content: RecordDict, record: str) -> dict[str, bytes]:
    """Read a record that holds bytes under names, and nothing else."""
    found: dict[str, bytes] = {}
    for name, value in content.config_records[record].items():
        if not isinstance(value, bytes) or (name != MASKED and len(value) > BYTES_MAX):
            raise ValueError(f"{record} holds what is no short run of bytes")
        found[name] = value
    if len(found) > PEERS_MAX:
        raise ValueError(f"{record} holds {len(found)} names")
    return found


def _part(step: str, holds: Mapping[str, bytes]) -> Part:
    if step == SHOW:
        return Keys(holds[SEAL], holds[MASK])
    if step == SEND:
        words: Words = np.frombuffer(holds[MASKED], "<u8").astype(np.uint64)
        return words
    return holds


def _record(values: Mapping[str, bytes]) -> ConfigRecord:
    return ConfigRecord(dict(values))
