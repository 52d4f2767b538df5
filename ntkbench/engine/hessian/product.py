"""The Hessian of one output times a vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from ...errors import NtkbenchError, did_you_mean
from ..autodiff import MODES, flat_hvp, forward_safe
from ..checks import enter, require_finite, require_right_derivatives
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
        model: as for `empirical_ntk`.   x: [N, ...]; the result is the SUM over its N inputs.
        vectors: one array for each trainable variable, of its shape.
        output: the output unit.   output_name: as for `empirical_ntk`.
        mode: "forward_over_backward", "double_backward", or "auto": the first for models made of layers known to be
            right under it, otherwise the second, which is right for every model that Keras can run.

    Returns:
        One array for each trainable variable, in the model's precision.

    Raises:
        NtkbenchError: for vectors of other shapes, or a mode that TensorFlow cannot do for this model. Where
            "forward_over_backward" is requested for a model that is not known to be right under it, its product is
            compared with the other mode's, and refused where they differ.

    >>> import keras, numpy as np
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, "exponential", use_bias=False)])
    >>> model.set_weights([np.array([[0.0]])])     # f = exp(w x), f'' = x² exp(w x)
    >>> print(hvp(model, np.array([[3.0]]), [np.array([[1.0]])])[0])
    [[9.]]
    """
    if mode not in MODES:
        raise NtkbenchError(f"No mode is called {mode!r}. {did_you_mean(mode, MODES)}")
    net, x, _ = enter(model, x, output=output, output_name=output_name)
    shapes = [tuple(np.shape(v)) for v in vectors]
    if shapes != net.shapes:
        raise NtkbenchError(f"The vectors have shapes {shapes}; the trainable variables have {net.shapes}.")
    require_right_derivatives(net, x, order=2, mode=mode)
    vector = net.flatten([tf.cast(v, net.dtype) for v in vectors])
    result = flat_hvp(net, mode)(x, vector)
    if mode == "forward_over_backward" and not forward_safe(net):
        _require_agreement(result, flat_hvp(net, "double_backward")(x, vector))
    require_finite(result, net, x, "Hessian-vector product")
    return [part.numpy() for part in net.unflatten(result)]


def _require_agreement(forward: tf.Tensor, double: tf.Tensor) -> None:
    """Raise NtkbenchError where products of the two modes differ by more than rounding."""
    size = max(float(tf.norm(forward)), float(tf.norm(double)))
    difference = float(tf.norm(forward - double))
    if difference > np.sqrt(np.finfo(forward.dtype.as_numpy_dtype).eps) * size:
        raise NtkbenchError(
            f"mode='forward_over_backward' is not right for this model: its product differs by "
            f"{difference / size:.2g} (relative) from that of double backward, as TensorFlow's forward mode does for "
            f"grouped convolutions. Use mode='double_backward' or 'auto'."
        )
