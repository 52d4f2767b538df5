"""NTK-parameterised, twice-differentiable Keras layers: the public names of `ntkbench.layers`."""

from __future__ import annotations

from .attention import Attention
from .conv2d import Conv2D
from .dense import Dense
from .normalization import LayerNormalization
from .parametric import Parametric
from .pointwise import Activation, Scale

__all__ = ["Activation", "Attention", "Conv2D", "Dense", "LayerNormalization", "Parametric", "Scale"]
