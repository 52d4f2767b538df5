"""Code shared by all architectures: layer seeds, input checks, the two-copy construction and the output scale."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypedDict

import keras
from attrs import evolve, frozen

from .. import layers
from ..errors import NtkbenchError
from ..layers.checks import positive
from ..seeds import seed_for
from ..types import Form

RANKS: dict[Form, int] = {"vector": 1, "image": 3, "sequence": 2}
AXES: dict[Form, str] = {
    "vector": "(d,)",
    "image": "(height, width, channels)",
    "sequence": "(steps, features)",
    "ragged": "{'values': (steps, features), 'mask': (steps,)}",
}


MEAN_READOUT = ("mean-field", "mup")
"""Parameterisations whose output is a mean over the readout's inputs."""


class Common(TypedDict, total=False):
    """Keyword arguments that every architecture passes on to `assemble`."""

    seed: int
    init: str
    parameterization: str
    alpha: float
    two_copy: bool


@frozen
class Maker:
    """Factory for the layers of one network.

    Every layer has a role, which determines its name and its seed. A weight depends only on the network's seed and on
    its layer's role, so adding a layer does not change the weights of the others.

    Attributes:
        seed: Seed of the network.
        init: How kernels are drawn, see `ntkbench.layers.draws`.
        parameterization: "ntk" or "standard", as in `ntkbench.layers`; "mean-field": NTK layers, with the readout
            divided by another √fan_in (see `readout`); or "mup": mean-field with a multiplier.
        multiplier: Multiplier of all layers, see `Parametric`.
        prefix: Prefix of all layer names.
    """

    seed: int
    init: str = "gaussian"
    parameterization: str = "ntk"
    multiplier: float = 1.0
    prefix: str = ""

    def dense(self, units: int, role: str, activation: Any = None, **options: Any) -> layers.Dense:
        """Return the dense layer with the given role."""
        options["multiplier"] = self.multiplier
        return layers.Dense(units, activation, **self._of(role) | {"init": self._dense_init}, **options)

    def conv(self, filters: int, role: str, activation: Any = None, **options: Any) -> layers.Conv2D:
        """Return the 3×3 convolution with the given role."""
        options["multiplier"] = self.multiplier
        return layers.Conv2D(filters, activation=activation, **self._of(role), **options)

    def attention(self, units: int, heads: int, role: str, scale: str = "root") -> layers.Attention:
        """Return the self-attention layer with the given role."""
        return layers.Attention(units, heads, scale=scale, **self._of(role) | {"init": self._dense_init})

    @property
    def _dense_init(self) -> str:
        """Initialisation of dense layers. They have no centre tap, so delta-orthogonal becomes orthogonal."""
        return "orthogonal" if self.init == "delta-orthogonal" else self.init

    def _of(self, role: str) -> dict[str, Any]:
        return {
            "name": self.prefix + role,
            "seed": seed_for(self.seed, role),
            "init": self.init,
            "parameterization": "ntk" if self.parameterization in MEAN_READOUT else self.parameterization,
        }


CHANNELS_OF_A_HEAD = 8
"""Channels of each head if the number of heads grows with width."""


def heads_of(width: int, heads: int | str) -> int:
    """Return the number of heads; for "grow", one per 8 channels.

    Raises:
        NtkbenchError: The heads do not divide the width.
    """
    if heads != "grow":
        return whole("heads", heads)
    if width % CHANNELS_OF_A_HEAD:
        raise NtkbenchError(
            f"heads=grow makes heads of {CHANNELS_OF_A_HEAD} channels, which do not divide the width {width}; use a "
            f"multiple of {CHANNELS_OF_A_HEAD}."
        )
    return width // CHANNELS_OF_A_HEAD


Core = Callable[[Maker, Any], Any]


def assemble(
    core: Core,
    forms: Form | tuple[Form, ...],
    input_shape: Any,
    *,
    seed: int,
    width: int | None = None,
    init: str = "gaussian",
    parameterization: str = "ntk",
    alpha: float = 1.0,
    two_copy: bool = False,
    output: str | None = None,
) -> keras.Model:
    """Return the model x → alpha · output(g(x)), where g = core(maker, x) is a network [N, O].

    Args:
        core: Builds g from a `Maker` and the symbolic input, a dict for ragged sequences.
        forms: Forms of the input that the network takes.
        input_shape: Shape of one input, without the batch axis; for ragged sequences, a dict of shapes.
        seed: Seed of the network.
        width: The width m of the maximal-update parameterisation; None if the architecture has none.
        init: How kernels are drawn.
        parameterization: "ntk", "standard", "mean-field" or "mup". The last one is "mean-field" with the multiplier √m
            in every layer, that is, with a learning rate m times as large: the maximal-update parameterisation, in
            which gradient descent with one learning rate for all widths moves all features by order 1. For a fully
            connected network, its layers are √m·w, w and w/√m with entries w ~ N(0, 1/m) (input: N(0, 1/m)/√d): Yang,
            Hu 2021 (arXiv 2011.14522), table 1 and section 5.
        alpha: Output scale.
        two_copy: Replace g by (g(w1; x) − g(w2; x)) / √2 with w2 = w1 at initialisation. Then g is exactly 0 at
            initialisation and its tangent kernel is that of one copy (Chizat, Oyallon, Bach 2019, arXiv 1812.07956).
        output: Activation applied after the last layer.

    Raises:
        NtkbenchError: If `input_shape` fits none of the forms, or if the architecture has no such parameterisation.
    """
    x = _inputs((forms,) if isinstance(forms, str) else forms, input_shape)
    make = Maker(seed, init, parameterization, _multiplier(parameterization, width))
    f = core(make, x)
    if two_copy:
        twin = core(evolve(make, prefix="twin_"), x)
        f = layers.Scale(math.sqrt(0.5), name="over_root_two")(keras.layers.Subtract(name="copies")([f, twin]))
    if output is not None:
        f = layers.Activation(output, name="output")(f)
    if alpha != 1:
        f = layers.Scale(alpha, name="alpha")(f)
    return keras.Model(x, f)


def _multiplier(parameterization: str, width: int | None) -> float:
    if parameterization != "mup":
        return 1.0
    if width is None:
        raise NtkbenchError(
            "This architecture has no maximal-update parameterisation; use parameterization='ntk', 'standard' or "
            "'mean-field'."
        )
    return math.sqrt(width)


def _inputs(forms: tuple[Form, ...], input_shape: Any) -> Any:
    """Return the symbolic input of a network, or a dict of them for ragged sequences."""
    # A float32 input layer would round float64 data before they reach the first layer.
    dtype = keras.config.dtype_policy().compute_dtype
    if isinstance(input_shape, Mapping):
        if "ragged" in forms and input_shape.keys() == {"values", "mask"}:
            types = {"values": dtype, "mask": "bool"}
            return {name: keras.Input(tuple(input_shape[name]), dtype=types[name], name=name) for name in types}
    elif len(input_shape) in [RANKS[form] for form in forms if form in RANKS]:
        return keras.Input(tuple(input_shape), dtype=dtype, name="x")
    given = dict(input_shape) if isinstance(input_shape, Mapping) else tuple(input_shape)
    expected = " or ".join(f"{form} inputs of shape {AXES[form]}" for form in forms)
    raise NtkbenchError(
        f"This architecture expects {expected}, but got shape {given}; use a dataset in {' or '.join(forms)} form."
    )


def whole(name: str, value: Any) -> int:
    """Return an argument of an architecture as an integer; raise NtkbenchError unless it is at least 1."""
    return positive("The architecture", name, value)


def hidden_layers(make: Maker, h: Any, widths: list[int], activation: Any) -> Any:
    """Apply a stack of dense hidden layers "hidden_1", "hidden_2", …; return the last one: [N, widths[-1]]."""
    for number, units in enumerate(widths, start=1):
        h = make.dense(units, f"hidden_{number}", activation)(h)
    return h


def readout(make: Maker, h: Any, outputs: int) -> Any:
    """Apply the linear output layer "readout": [N, outputs].

    In the mean-field parameterisation, and in that of maximal updates, the output is a mean over the layer's inputs,
    W h / fan_in with weights N(0, 1) (Yang, Hu 2021, arXiv 2011.14522), that is, the output of the NTK parameterisation
    divided by √fan_in.
    """
    std = 1 / math.sqrt(h.shape[-1]) if make.parameterization in MEAN_READOUT else 1.0
    return make.dense(outputs, "readout", weight_std=std)(h)


def joined(features: list[Any]) -> Any:
    """Concatenate features [N, m] of equal width: [N, len(features) · m].

    Implemented as stack and reshape, because XLA cannot compile the slices of a concatenation in forward over backward
    mode ("no entry for: XlaDynamicUpdateSlice").
    """
    if len(features) == 1:
        return features[0]
    return keras.layers.Flatten()(keras.ops.stack(features, axis=1))
