"""Compute the product of the Hessian of one output with a vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from ...errors import NtkbenchError
from ..autodiff import MODES, flat_hvp, forward_safe
from ..checks import enter, like_weights, require_finite, require_one_of, require_right_derivatives
from ..model import explained


@explained("TensorFlow cannot differentiate this model")
def hvp(
    model: Any,
    x: Any,
    vectors: Sequence[Any],
    *,
    output: int = 0,
    output_name: str | int | None = None,
    mode: Literal["auto", "forward_over_backward", "double_backward"] = "auto",
) -> list[np.ndarray]:
    """Return the Hessian of Σ_n f(w; x_n) times a vector, where f is one output unit.

    Args:
        model: A Keras 3 model, a `tf.Module`, or a callable with `trainable_variables`; see `empirical_ntk`.
        x: Inputs [N, ...]: an array, or a dict, tuple or list of arrays as the model takes it. The result is the SUM
            over the N inputs.
        vectors: One array per trainable variable, with its shape.
        output: Index of the output unit.
        output_name: For a model with several outputs: the name, dictionary key or index of the output to use.
        mode: "forward_over_backward", "double_backward", or "auto": the first for models whose layers are known to be
            correct under it, otherwise the second, which is correct for every model that Keras can run.

    Returns:
        One array per trainable variable, in the model's precision.

    Raises:
        NtkbenchError: The vectors have other shapes, or TensorFlow cannot compute the mode for this model. If
            "forward_over_backward" is requested for a model that is not known to be correct under it, its product is
            compared with that of the other mode and refused if they differ.

    Examples:
        For f = exp(w x), the second derivative is x² exp(w x):

        >>> import keras, numpy as np
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, "exponential", use_bias=False)])
        >>> model.set_weights([np.array([[0.0]])])
        >>> print(hvp(model, np.array([[3.0]]), [np.array([[1.0]])])[0])
        [[9.]]
    """
    require_one_of(mode, MODES, "mode")
    net, x, _ = enter(model, x, output=output, output_name=output_name)
    vector = like_weights(net, vectors, "vectors")
    require_right_derivatives(net, x, order=2, mode=mode)
    result = flat_hvp(net, mode)(x, vector)
    if mode == "forward_over_backward" and not forward_safe(net):
        _require_agreement(result, flat_hvp(net, "double_backward")(x, vector))
    require_finite(result, net, x, "Hessian-vector product")
    return [part.numpy() for part in net.unflatten(result)]


def _require_agreement(forward: tf.Tensor, double: tf.Tensor) -> None:
    """Raise NtkbenchError if the products of the two modes differ by more than rounding."""
    size = max(float(tf.norm(forward)), float(tf.norm(double)))
    difference = float(tf.norm(forward - double))
    if difference > np.sqrt(np.finfo(forward.dtype.as_numpy_dtype).eps) * size:
        raise NtkbenchError(
            f"mode='forward_over_backward' is wrong for this model: its product has a relative difference of "
            f"{difference / size:.2g} from that of double backward. TensorFlow's forward mode is wrong for grouped "
            f"convolutions, for example. Use mode='double_backward' or 'auto'."
        )
