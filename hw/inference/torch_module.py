"""torch: what the model was trained with, and batches on a GPU where there is one."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hw.inference.network import FAR, Floats, Network

# Fewer rows than these are done before a GPU has got them.
GPU_ROWS_MIN = 4_096
# Rows that are on the device at once.
ROWS_MAX = 262_144


class Forward(torch.nn.Module):
    """The network as a module."""

    mean: Tensor
    scale: Tensor

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(network.mean.copy()))
        self.register_buffer("scale", torch.from_numpy(network.scale.copy()))
        self.weights = torch.nn.ParameterList(torch.from_numpy(weight.copy()) for weight, _ in network.layers)
        self.biases = torch.nn.ParameterList(torch.from_numpy(bias.copy()) for _, bias in network.layers)
        self._last = len(network.layers) - 1

    def layers(self) -> list[tuple[Tensor, Tensor]]:
        """Give each layer's weight and bias."""
        return list(zip(self.weights, self.biases, strict=True))

    def forward(self, x: Tensor) -> Tensor:
        """Give probabilities."""
        h = (x - self.mean) / self.scale
        for number, (weight, bias) in enumerate(self.layers()):
            h = functional.linear(h, weight, bias)
            if number < self._last:
                h = functional.relu(h)
        return torch.softmax(h, -1)


class TorchModule:
    """Compute a network with torch."""

    name = "torch"

    def __init__(self, network: Network, device: str | None = None) -> None:
        self._module, self._check = Forward(network).eval(), network.check
        self._mean, self._far = network.mean, network.scale * np.float32(FAR)
        name = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._device = torch.device(name)
        self._far_module = Forward(network).eval().to(self._device)

    def run(self, x: Floats, out: Floats, /) -> int:
        """Compute one row, always on the CPU."""
        if not (np.abs(x - self._mean) <= self._far).all():
            out[:] = 1 / len(out)
            return 1
        with torch.inference_mode():
            out[:] = self._module(torch.from_numpy(x)).numpy()
        return 0

    def batch(self, x: Floats, out: Floats) -> int:
        """Compute many rows, on the GPU where there is one and the rows are worth the way."""
        self._check(x, out)
        near = (np.abs(x - self._mean) <= self._far).all(axis=1)
        rows = np.where(near[:, None], x, self._mean)
        worth = len(x) >= GPU_ROWS_MIN
        module, device = (self._far_module, self._device) if worth else (self._module, torch.device("cpu"))
        with torch.inference_mode():
            for start in range(0, len(x), ROWS_MAX):
                part = torch.from_numpy(rows[start : start + ROWS_MAX]).to(device)
                out[start : start + ROWS_MAX] = module(part).cpu().numpy()
        out[~near] = 1 / out.shape[1]
        return int(len(x) - near.sum())


def open_engine(network: Network) -> TorchModule:
    """Give this engine for a network."""
    return TorchModule(network)
