"""Hessian-vector products of one output, in both orders of automatic differentiation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from ...errors import NtkbenchError, did_you_mean, reason_of
from ..checks.door import enter
from ..checks.finite import require_finite
from ..checks.guard import require_right_derivatives
from ..model.explained import explained
from ..model.layer_facts import is_stock, joined_by_layers
from ..model.network import Network
from .gradient import dense_gradient, inner_product

MODES = ("auto", "forward_over_backward", "double_backward")

# Layers whose second derivatives are right under forward over backward in a compiled function; the others go through
# double backward. Grouped convolutions are silently wrong there, loops and gathers raise.
FORWARD_SAFE = frozenset(
    {
        "Activation", "Add", "Average", "AveragePooling1D", "AveragePooling2D", "Concatenate", "Conv1D", "Conv2D",
        "Dense", "Dot", "Dropout", "ELU", "EinsumDense", "Flatten", "Functional", "GaussianDropout", "GaussianNoise",
        "GlobalAveragePooling1D", "GlobalAveragePooling2D", "Identity", "InputLayer", "LayerNormalization",
        "LeakyReLU", "Maximum", "Minimum", "Multiply", "Permute", "ReLU", "RepeatVector", "Rescaling", "Reshape",
        "Sequential", "Softmax", "SpatialDropout1D", "SpatialDropout2D", "Subtract", "ZeroPadding2D",
    }
)  # fmt: skip

# What TensorFlow raises where it has no derivative.
NO_DERIVATIVE = (LookupError, NotImplementedError, TypeError, ValueError, AttributeError, tf.errors.OpError)


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


def flat_hvp(net: Network, mode: str = "auto") -> Any:
    """Return the compiled function (x: [N, ...], v: [P]) -> H·v: [P], summed over x."""
    if mode == "auto":
        mode = "forward_over_backward" if forward_safe(net) else "double_backward"
    orders = {"double_backward": double_backward, "forward_over_backward": forward_over_backward}
    compiled = net.function(("hvp", mode), lambda: lambda x, v: orders[mode](net, x, v))

    def product(x: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
        try:
            return compiled(x, v)
        except (NtkbenchError, tf.errors.ResourceExhaustedError):
            raise
        except NO_DERIVATIVE as error:
            instead = "use mode='double_backward' or 'auto'" if mode != "double_backward" else "write it in other terms"
            raise NtkbenchError(
                f"TensorFlow cannot do {mode.replace('_', ' ')} for this model ({reason_of(error)}); {instead}."
            ) from error

    return product


def forward_over_backward(net: Network, x: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    """Return H·v as the forward-mode derivative of the gradient along v. For use in a compiled function."""
    with tf.autodiff.ForwardAccumulator(net.variables, net.unflatten(v)) as accumulator:
        with tf.GradientTape() as tape:
            target = tf.reduce_sum(net.scalar(x))
        gradient = dense_gradient(tape, target, net.variables)
    zero = tf.UnconnectedGradients.ZERO
    return net.flatten([accumulator.jvp(g, unconnected_gradients=zero) for g in gradient])


def double_backward(net: Network, x: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    """Return H·v as the gradient of ⟨∇f, v⟩. For use in a compiled function."""
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            target = tf.reduce_sum(net.scalar(x))
        gradient = net.flatten(dense_gradient(inner, target, net.variables))
        along = tf.reduce_sum(gradient * v)
    return net.flatten(dense_gradient(outer, along, net.variables))


def second_derivative(net: Network, x: tf.Tensor, v: Sequence[tf.Tensor]) -> tf.Tensor:
    """Return vᵀ·H·v, summed over x, for a tangent v of each trainable variable. For use in a compiled function."""
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            target = tf.reduce_sum(net.scalar(x))
        along = inner_product(dense_gradient(inner, target, net.variables), v)
    return inner_product(dense_gradient(outer, along, net.variables), v)


def forward_safe(net: Network) -> bool:
    """Return whether every layer of the model is known to be right under forward over backward."""
    return net.cached("forward safe", lambda: _forward_safe(net.model))


def _forward_safe(model: Any) -> bool:
    if not hasattr(model, "_flatten_layers"):
        return False
    layers = model._flatten_layers()
    return joined_by_layers(layers) and all(is_stock(layer) and _known_right(layer) for layer in layers)


def _known_right(layer: Any) -> bool:
    ours = type(layer).__module__.startswith("ntkbench.layers.")
    return ours or (type(layer).__name__ in FORWARD_SAFE and getattr(layer, "groups", 1) == 1)
