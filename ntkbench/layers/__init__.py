"""NTK-parameterised, twice-differentiable Keras layers: the public names of `ntkbench.layers`."""

from __future__ import annotations

from .attention import Attention
from .block_dense import BlockDense
from .conv2d import Conv2D
from .dense import Dense
from .depthwise_conv2d import DepthwiseConv2D
from .gain import Gain
from .lag_convolution import LagConvolution
from .normalization import GroupNormalization, LayerNormalization
from .parametric import Parametric
from .pointwise import Activation, Scale
from .weight_norm_dense import WeightNormDense

__all__ = [
    "Activation",
    "Attention",
    "BlockDense",
    "Conv2D",
    "Dense",
    "DepthwiseConv2D",
    "Gain",
    "GroupNormalization",
    "LagConvolution",
    "LayerNormalization",
    "Parametric",
    "Scale",
    "WeightNormDense",
]
