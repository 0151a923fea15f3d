"""ONNX Runtime on a model made here from the tensors, with its buffers bound once."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from hw.inference.network import FAR, Floats, Network

OPSET, IR_VERSION = 17, 10


def model_bytes(network: Network) -> bytes:
    """Write a network as an ONNX model: `x` [n, features] to `probabilities` [n, classes]."""
    import onnx
    from onnx import helper, numpy_helper

    array, node = numpy_helper.from_array, helper.make_node
    numbers, nodes, last = [], [], len(network.layers) - 1
    # Steps that change nothing are left out.
    if network.mean.any() or (network.scale != 1).any():
        numbers += [array(network.mean, "mean"), array(network.scale, "scale")]
        nodes += [node("Sub", ["x", "mean"], ["off"]), node("Div", ["off", "scale"], ["h0"])]
    for number, (weight, bias) in enumerate(network.layers):
        numbers += [array(weight, f"w{number}"), array(bias, f"b{number}")]
        names = [f"h{number}" if nodes else "x", f"w{number}", f"b{number}"]
        nodes.append(node("Gemm", names, [f"s{number}"], transB=1))
        if number < last:
            nodes.append(node("Relu", [f"s{number}"], [f"h{number + 1}"]))
    nodes.append(node("Softmax", [f"s{last}"], ["probabilities"], axis=-1))
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", network.shape[0]])],
        [helper.make_tensor_value_info("probabilities", onnx.TensorProto.FLOAT, ["n", network.shape[-1]])],
        numbers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def session_of(network: Network) -> Any:
    """Open a session of one thread."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model_bytes(network), options, providers=["CPUExecutionProvider"])


def bound(session: Any, x: Floats, out: Floats) -> Any:
    """Bind buffers of one row, which must outlive what this gives."""
    binding = session.io_binding()
    for bind, name, array in (
        (binding.bind_input, "x", x),
        (binding.bind_output, "probabilities", out),
    ):
        bind(name, "cpu", 0, np.float32, (1, len(array)), array.ctypes.data)
    return binding


class OnnxSession:
    """Compute a network with ONNX Runtime."""

    name = "onnx"

    def __init__(self, network: Network) -> None:
        self._session, self._check = session_of(network), network.check
        self._mean, self._far = network.mean, network.scale * np.float32(FAR)
        self._x, self._out = (np.zeros(network.shape[at], np.float32) for at in (0, -1))
        self._binding = bound(self._session, self._x, self._out)

    def run(self, x: Floats, out: Floats, /) -> int:
        """Compute one row."""
        if not (np.abs(x - self._mean) <= self._far).all():
            out[:] = 1 / len(out)
            return 1
        self._x[:] = x
        self._session.run_with_iobinding(self._binding)
        out[:] = self._out
        return 0

    def batch(self, x: Floats, out: Floats) -> int:
        """Compute many rows."""
        self._check(x, out)
        if len(x) == 0:
            return 0
        near = (np.abs(x - self._mean) <= self._far).all(axis=1)
        (found,) = self._session.run(None, {"x": np.where(near[:, None], x, self._mean)})
        out[:] = np.where(near[:, None], found, np.float32(1 / out.shape[1]))
        return int(len(x) - near.sum())


def open_engine(network: Network) -> OnnxSession:
    """Give this engine for a network."""
    return OnnxSession(network)
