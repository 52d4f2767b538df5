"""Cases: a network, its weights and its inputs, written to a folder that every competitor reads."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

Layer = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A network in the NTK parameterisation without biases, with standard normal weights and N standard normal inputs.

    Attributes:
        name: Name of the case.
        net: Layers, each {"kind": "dense", "units", "activation", "std"}, {"kind": "conv", "filters", "kernel",
            "activation", "std"} (square kernel, stride 1, padding "same"), {"kind": "residual", "layers"}
            (x + layers(x)) or {"kind": "average"} (over positions). Matrix products are scaled by std / √fan_in.
        inputs: Shape of one input.
        n: Number of inputs N.
        seed: Seed of weights and inputs.
        options: Further options of the competitors' routes.
    """

    name: str
    net: list[Layer]
    inputs: tuple[int, ...]
    n: int
    seed: int = 0
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def outputs(self) -> int:
        return int(self.net[-1]["units"])

    @property
    def parameters(self) -> int:
        return sum(math.prod(shape) for shape, _ in products(self.net, self.inputs))

    def describe(self) -> dict[str, Any]:
        """Return the sizes of the case as plain values."""
        return {
            "name": self.name,
            "net": self.net,
            "inputs": list(self.inputs),
            "n": self.n,
            "outputs": self.outputs,
            "parameters": self.parameters,
            "seed": self.seed,
            "options": self.options,
        }

    def write(self, folder: Path) -> Path:
        """Write case.json, x.npy and w0.npy, w1.npy, … (in the order of the layers), and return the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(self.seed)
        np.save(folder / "x.npy", rng.standard_normal((self.n, *self.inputs), np.float32))
        for i, (shape, _) in enumerate(products(self.net, self.inputs)):
            np.save(folder / f"w{i}.npy", rng.standard_normal(shape, np.float32))
        (folder / "case.json").write_text(json.dumps(asdict(self)), encoding="utf-8")
        return folder


def products(net: list[Layer], inputs: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], int]]:
    """Yield the kernel shape of every layer with weights, and the number of positions at which it is applied."""
    shape = inputs
    for layer in net:
        if layer["kind"] == "dense":
            yield (shape[-1], layer["units"]), math.prod(shape[:-1])
            shape = (*shape[:-1], layer["units"])
        elif layer["kind"] == "conv":
            yield (layer["kernel"], layer["kernel"], shape[-1], layer["filters"]), math.prod(shape[:-1])
            shape = (*shape[:-1], layer["filters"])
        elif layer["kind"] == "residual":
            yield from products(layer["layers"], shape)
        else:
            shape = shape[-1:]


def dense(width: int, depth: int, outputs: int, activation: str, std: float) -> list[Layer]:
    """Return a fully connected network with `depth` hidden layers and a linear output layer."""
    hidden = [{"kind": "dense", "units": width, "activation": activation, "std": std} for _ in range(depth)]
    return [*hidden, {"kind": "dense", "units": outputs, "activation": None, "std": 1.0}]


def residual_conv(channels: int, blocks: int, outputs: int) -> list[Layer]:
    """Return a convolution, residual blocks of two convolutions, the average over positions and a linear output."""
    conv = {"kind": "conv", "filters": channels, "kernel": 3, "activation": "relu", "std": math.sqrt(2.0)}
    last = conv | {"activation": None, "std": 1.0}
    body = [{"kind": "residual", "layers": [conv, last]} for _ in range(blocks)]
    return [conv, *body, {"kind": "average"}, {"kind": "dense", "units": outputs, "activation": None, "std": 1.0}]
