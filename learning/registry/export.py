"""A version as files to take elsewhere: the model, and beside it what is known of it."""

from __future__ import annotations

from pathlib import Path

from domain.errors import ExitCode, SwarmError
from learning.registry.blob import refused
from learning.registry.files import nothing, replace
from learning.registry.manifest import encode_manifest
from learning.registry.registry import Registry
from learning.registry.served import served


def export(registry: Registry, model: str, file: Path, form: str) -> list[Path]:
    """Write `file` and `file.json`, neither of which may be there yet."""
    beside = file.with_name(file.name + ".json")
    content, manifest = registry.blob(model), encode_manifest(registry.show(model))
    if form == "onnx":
        from hw.inference.forest import is_forest
        from hw.inference.network import network_of
        from hw.inference.onnx_session import model_bytes

        parts = served(registry.get(model))
        if len(parts) > 1:
            raise refused("a hedge is several models, and ONNX is written of one", "export safetensors")
        if is_forest(parts[0].tensors):
            raise refused("ONNX is written of networks, and these are trees", "export safetensors")
        content = model_bytes(network_of(parts[0].tensors))
    for path in (file, beside):
        if path.exists():
            raise SwarmError(
                "is there already", where=str(path), mend="name another file", code=ExitCode.USAGE
            )
    if not file.parent.is_dir():
        raise SwarmError("no such folder", where=str(file.parent), mend="make it first", code=ExitCode.USAGE)
    for path, text in ((file, content), (beside, manifest)):
        replace(path, text, nothing, path.name)
    return [file, beside]
