"""What all architectures share: named seeds, checked inputs, two copies, the output scale."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypedDict

import keras
from attrs import frozen

from .. import layers
from ..errors import NtkbenchError
from ..layers.checks import positive
from ..seeds import seed_for
from ..types import Form

RANKS: dict[Form, int] = {"vector": 1, "image": 3, "sequence": 2}
AXES: dict[Form, str] = {"vector": "(d,)", "image": "(height, width, channels)", "sequence": "(steps, features)"}


class Common(TypedDict, total=False):
    """The parameters that `assemble` takes for an architecture."""

    seed: int
    init: str
    parameterization: str
    alpha: float
    two_copy: bool


@frozen
class Maker:
    """Makes the layers of one network: each has a role, which names it and fixes its seed.

    A weight depends on the network's seed and its layer's role only, so another layer moves no weight.
    parameterization: "ntk" or "standard", as layers know them, or "mean-field": "ntk", and `readout` divides by
    another √fan_in.
    """

    seed: int
    init: str = "gaussian"
    parameterization: str = "ntk"
    prefix: str = ""

    def dense(self, units: int, role: str, activation: Any = None, **options: Any) -> layers.Dense:
        """Return the dense layer of a role."""
        return layers.Dense(units, activation, **self._of(role) | {"init": self._dense_init}, **options)

    def conv(self, filters: int, role: str, activation: Any = None, **options: Any) -> layers.Conv2D:
        """Return the 3×3 convolution of a role."""
        return layers.Conv2D(filters, activation=activation, **self._of(role), **options)

    def attention(self, units: int, heads: int, role: str) -> layers.Attention:
        """Return the self-attention of a role."""
        return layers.Attention(units, heads, **self._of(role) | {"init": self._dense_init})

    @property
    def _dense_init(self) -> str:
        """A delta-orthogonal network has orthogonal dense layers: they have no taps to choose a centre from."""
        return "orthogonal" if self.init == "delta-orthogonal" else self.init

    def _of(self, role: str) -> dict[str, Any]:
        return {
            "name": self.prefix + role,
            "seed": seed_for(self.seed, role),
            "init": self.init,
            "parameterization": "ntk" if self.parameterization == "mean-field" else self.parameterization,
        }


Core = Callable[[Maker, Any], Any]


def assemble(
    core: Core,
    form: Form,
    input_shape: tuple[int, ...],
    *,
    seed: int,
    init: str = "gaussian",
    parameterization: str = "ntk",
    alpha: float = 1.0,
    two_copy: bool = False,
    output: str | None = None,
) -> keras.Model:
    """Return the model x → alpha · output(g(x)), where g = core(maker, x) is a network [N, O].

    two_copy: g becomes (g(w1; x) − g(w2; x)) / √2 with w2 = w1 at initialisation, so that g is exactly 0 there
    while its tangent kernel is that of one copy (Chizat, Oyallon, Bach 2019, arXiv 1812.07956).
    output: an activation behind the last layer.   form: what the input must be; its shape has no batch axis.
    Raises NtkbenchError for an input of another form.
    """
    if len(input_shape) != RANKS[form]:
        raise NtkbenchError(
            f"This architecture reads a {form} of shape {AXES[form]}, it got inputs of shape {tuple(input_shape)}; "
            f"use a data set in {form} form."
        )
    # A float32 input would round float64 data before the first layer sees them.
    x = keras.Input(tuple(input_shape), dtype=keras.config.dtype_policy().compute_dtype, name="x")
    f = core(Maker(seed, init, parameterization), x)
    if two_copy:
        twin = core(Maker(seed, init, parameterization, prefix="twin_"), x)
        f = layers.Scale(math.sqrt(0.5), name="over_root_two")(keras.layers.Subtract(name="copies")([f, twin]))
    if output is not None:
        f = layers.Activation(output, name="output")(f)
    if alpha != 1:
        f = layers.Scale(alpha, name="alpha")(f)
    return keras.Model(x, f)


def whole(name: str, value: Any) -> int:
    """Return an architecture's argument as an integer, or raise NtkbenchError when it is not one of at least 1."""
    return positive("The architecture", name, value)


def hidden_layers(make: Maker, h: Any, widths: list[int], activation: Any) -> Any:
    """Return the last of a stack of dense hidden layers, "hidden_1", "hidden_2", …: [N, widths[-1]]."""
    for number, units in enumerate(widths, start=1):
        h = make.dense(units, f"hidden_{number}", activation)(h)
    return h


def readout(make: Maker, h: Any, outputs: int) -> Any:
    """Return the linear output layer, "readout": [N, outputs].

    In the mean-field parameterisation it is a mean over its inputs: W h / fan_in with weights N(0, 1) (Yang, Hu 2021,
    arXiv 2011.14522), so that f is that of the NTK parameterisation over √fan_in.
    """
    std = 1 / math.sqrt(h.shape[-1]) if make.parameterization == "mean-field" else 1.0
    return make.dense(outputs, "readout", weight_std=std)(h)


def joined(features: list[Any]) -> Any:
    """Return features [N, m] of equal width side by side: [N, len(features) · m].

    By stack and reshape: a concatenation's slices stop XLA in forward over backward ("no entry for:
    XlaDynamicUpdateSlice").
    """
    if len(features) == 1:
        return features[0]
    return keras.layers.Flatten()(keras.ops.stack(features, axis=1))
