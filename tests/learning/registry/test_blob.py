"""A model's file is the same bytes for the same model, and anything odd in one is refused."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import msgspec
import numpy as np
import pytest
from safetensors.numpy import save

from domain.errors import ExitCode, SwarmError
from learning.models.model import Exported
from learning.registry import blob as blob_module
from learning.registry.blob import SCHEMA, hash_of, read_blob, schema_of, write_blob
from learning.rows import features
from tests.learning.registry.versions import exported


def refused(blob: bytes) -> str:
    with pytest.raises(SwarmError) as caught:
        read_blob(blob)
    assert caught.value.code == ExitCode.BAD_DATA
    return caught.value.what


def test_the_schema_is_that_of_the_features() -> None:
    assert SCHEMA == features.SCHEMA and schema_of(write_blob(exported())) == SCHEMA


def test_the_same_model_has_the_same_name_and_another_has_another() -> None:
    blob = write_blob(exported())
    turned = Exported("mlp", exported().tensors, dict(reversed(exported().config.items())))
    assert write_blob(turned) == blob
    others = [
        write_blob(exported(1)),
        write_blob(msgspec.structs.replace(exported(), kind="ridge")),
        write_blob(msgspec.structs.replace(exported(), config={"rate": 0.25})),
    ]
    assert len({hash_of(each) for each in (blob, *others)} | {hash_of(blob, "f2")}) == 5


def test_tensors_keep_their_order_kind_and_layout() -> None:
    tensors: dict[str, Any] = {
        "z": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "a": np.frombuffer(b"tree", np.uint8),
        "m": np.zeros((0, 3), np.float64),
    }
    back = read_blob(write_blob(Exported("lightgbm", tensors, {"inputs": 16, "kind": "x", "rate": 0.5})))
    assert list(back.tensors) == ["z", "a", "m"]
    assert back.config == {"inputs": 16, "kind": "x", "rate": 0.5}
    for name, tensor in tensors.items():
        assert back.tensors[name].dtype == tensor.dtype
        np.testing.assert_array_equal(back.tensors[name], tensor)


def test_a_cut_or_changed_file_is_refused_at_any_place() -> None:
    blob = write_blob(exported())
    for end in range(0, len(blob), 37):
        assert "corrupt or cut off" in refused(blob[:end])
    header = int.from_bytes(blob[:8], "little")
    for at in range(0, 8 + header, 11):
        changed = blob[:at] + bytes([blob[at] ^ 0x41]) + blob[at + 1 :]
        # What is still a model, such as one with another digit in a setting, has another hash.
        with suppress(SwarmError):
            assert hash_of(write_blob(read_blob(changed))) != hash_of(blob)


def made(metadata: dict[str, str] | None, **tensors: Any) -> bytes:
    blob: bytes = save(tensors or exported().tensors, metadata=metadata)
    return blob


def said(**changes: Any) -> dict[str, str]:
    head = {"format": 1, "schema": "f1", "kind": "mlp", "config": {}, "names": list(exported().tensors)}
    return {"murmuration": json.dumps(head | changes)}


def test_what_others_or_later_programs_wrote_is_refused_by_name() -> None:
    assert read_blob(made(said())).kind == "mlp"
    assert "not a model of ours" in refused(made({"format": "pt"}))
    assert "corrupt or cut off" in refused(made(None))
    assert "format 2, newer than 1" in refused(made(said(format=2)))
    assert "made for features 'f2', not 'f1'" in refused(made(said(schema="f2")))
    assert "tensor 'l9.bias' is missing" in refused(made(said(names=[*exported().tensors, "l9.bias"])))
    assert "tensor 'norm.mean' is missing or not its own" in refused(
        made(said(names=["l0.bias", "l0.weight", "norm.scale"]))
    )
    assert "corrupt or cut off" in refused(made(said(names=5)))
    assert "tensor 'a' is float16" in refused(made(said(names=["a"]), a=np.zeros(2, np.float16)))


def test_a_model_that_is_too_large_or_no_numbers_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SwarmError, match="tensor 'a' is complex128"):
        write_blob(Exported("mlp", {"a": np.zeros(2, complex)}, {}))
    monkeypatch.setattr(blob_module, "BYTES_MAX", 64)
    with pytest.raises(SwarmError, match="bytes, over 64"):
        write_blob(exported())
    assert "bytes, over 64" in refused(b"x" * 65)
