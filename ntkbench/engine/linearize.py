"""Linearize a model at its current weights: f_lin(w0 + δ; x) = f(w0; x) + J(w0; x)·δ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
import tensorflow as tf

from ..errors import NtkbenchError
from .at_origin import OriginJacobian, along, transposed
from .autodiff import dense_gradient, jvp, value_and_jvp
from .checks import enter, like_weights, require_finite, require_right_derivatives
from .model import Network, explained, network
from .rules.rule import Product


class Linearized:
    """The first-order Taylor expansion of a model in its trainable weights, around a copy of all its weights.

    Created by `linearize`. Call it with inputs x [N, ...] and one array per trainable variable to get the outputs of
    the linear model, [N, O].

    Args:
        model: The model; its weights are copied now.
        output_name: For a model with several outputs: the name, dictionary key or index of the output to use.
    """

    def __init__(self, model: Any, output_name: str | int | None = None):
        self.model, self.output_name = model, output_name
        self.net = network(model, output_name=output_name)
        self.origin = [(variable, variable.numpy()) for variable in self.net.all_variables]

    @explained("TensorFlow cannot differentiate this model")
    def __call__(self, x: Any, delta: Sequence[Any]) -> np.ndarray:
        """Return f(w0; x) + J(w0; x)·δ, all output units of the linear model.

        Frozen weights and moving statistics also come from the copy; the model's own are restored afterwards.

        Args:
            x: Inputs [N, ...]: an array, or a dict, tuple or list of arrays as the model takes it.
            delta: The step δ, one array per trainable variable.

        Returns:
            An array [N, O].

        Raises:
            NtkbenchError: The shapes of delta are not those of the trainable variables, or the model's trainable
                variables have changed since it was linearized.

        Source: Lee et al. 2019 (arXiv 1902.06720), equation 5.
        """
        step = like_weights(self.net, delta, "delta")
        now = [(variable, variable.numpy()) for variable, _ in self.origin]
        _assign(self.origin)
        try:
            net, x, _ = enter(self.model, x, output_name=self.output_name)
            require_right_derivatives(net, x, order=1, unit="every")
            if [id(v) for v in net.variables] != [id(v) for v in self.net.variables]:
                raise NtkbenchError(
                    "The model's trainable variables have changed since it was linearized; linearize it again."
                )
            at_origin = net.function("outputs", lambda: net.outputs)(x).numpy()
            found = at_origin + jvp(net, x, step)
            require_finite(found, net, x, "linear model")
            return found
        finally:
            _assign(now)


def _assign(values: Iterable[tuple[tf.Variable, np.ndarray]]) -> None:
    for variable, value in values:
        variable.assign(value)


def linearize(model: Any, *, output_name: str | int | None = None) -> Linearized:
    """Return the linear model around a copy of all of the model's current weights.

    Args:
        model: A Keras 3 model, a `tf.Module`, or a callable with `trainable_variables`; see `empirical_ntk`.
        output_name: For a model with several outputs: the name, dictionary key or index of the output to use.

    Returns:
        A `Linearized`: call it with inputs and a step in the weights.

    Examples:
        The expansion of exp(w x) around w = 0 is 1 + x δ:

        >>> import keras, numpy as np
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, "exponential", use_bias=False)])
        >>> model.set_weights([np.array([[0.0]])])
        >>> print(linearize(model)(np.array([[2.0]]), [np.array([[0.5]])]))
        [[2.]]
    """
    return Linearized(model, output_name)


class LinearModel:
    """f and its linear model at fixed probes, in flat weights, for one output unit, as used by the measurements.

    All methods leave the network at the weights they used last.

    Args:
        net: The network.
        x: Probes [N, ...].
        origin: w0, [P].
    """

    def __init__(self, net: Network, x: tf.Tensor, origin: tf.Tensor):
        require_right_derivatives(net, x, order=1)
        self.net, self.x, self.origin = net, x, origin

    def expansion(self, delta: tf.Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return f(w0; x), J(w0; x)·δ and f(w0 + δ; x): [N] float64 each, for δ: [P]."""
        if self._jacobian is None:
            build = partial(_build_expansion, self.net)
            found = self.net.function("linearization", build, follows=())(self.origin, delta, self.x)
        else:
            jacobian = self._jacobian
            build = partial(_build_expansion_from, self.net, jacobian.products)
            evaluate = self.net.function(("linearization from factors", self.x.shape[1:]), build)
            found = jacobian.value, *evaluate(self.origin, delta, self.x, jacobian.pairs)
        f0, rise, f = (np.asarray(part, np.float64) for part in found)
        return f0, rise, f

    def residual(self, delta: tf.Tensor) -> np.ndarray:
        """Return f(w0 + δ; x) − f(w0; x) − J(w0; x)·δ: [N] float64."""
        f0, rise, f = self.expansion(delta)
        return f - f0 - rise

    def residual_and_gradient(self, delta: tf.Tensor) -> tuple[np.ndarray, tf.Tensor]:
        """Return `residual` and the gradient with respect to δ of half the sum of its squares: [P]."""
        if self._jacobian is None:
            build = partial(_build_residual, self.net)
            evaluate = self.net.function("linearization residual", build, follows=())
            residual, gradient = evaluate(self.origin, delta, self.x)
        else:
            jacobian = self._jacobian
            build = partial(_build_residual_from, self.net, jacobian.products)
            evaluate = self.net.function(("linearization residual from factors", self.x.shape[1:]), build)
            residual, gradient = evaluate(self.origin, delta, self.x, jacobian.value, jacobian.pairs)
        return residual.numpy(), gradient

    @cached_property
    def _jacobian(self) -> OriginJacobian | None:
        """The Jacobian at w0, for evaluations at many points; None if it has no factors of moderate size."""
        fits = OriginJacobian.fits(self.net, self.x)
        return OriginJacobian(self.net, self.x, self.origin) if fits else None


def _build_expansion(net: Network) -> Any:
    def expansion(origin: tf.Tensor, delta: tf.Tensor, x: tf.Tensor) -> tuple[tf.Tensor, ...]:
        net.assign(origin)
        f0, rise, _ = value_and_jvp(net, net.scalar, x, net.unflatten(delta))
        net.assign(origin + delta)
        return f0, rise, net.scalar(x)

    return expansion


def _build_expansion_from(net: Network, products: Sequence[Product]) -> Any:
    def expansion(
        origin: tf.Tensor, delta: tf.Tensor, x: tf.Tensor, pairs: list[tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        net.assign(origin + delta)
        return along(net, products, pairs, net.unflatten(delta)), net.scalar(x)

    return expansion


def _build_residual_from(net: Network, products: Sequence[Product]) -> Any:
    def residual_and_gradient(
        origin: tf.Tensor, delta: tf.Tensor, x: tf.Tensor, f0: tf.Tensor, pairs: list[tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        net.assign(origin + delta)
        with tf.GradientTape() as here:
            f = net.scalar(x)
        rise = along(net, products, pairs, net.unflatten(delta))
        residual = tf.cast(f, tf.float64) - tf.cast(f0, tf.float64) - tf.cast(rise, tf.float64)
        r = tf.cast(residual, net.dtype)
        both = zip(dense_gradient(here, f, net.variables, r), transposed(net, products, pairs, r), strict=True)
        return residual, net.flatten([g - g0 for g, g0 in both])

    return residual_and_gradient


def _build_residual(net: Network) -> Any:
    def residual_and_gradient(origin: tf.Tensor, delta: tf.Tensor, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        net.assign(origin)
        f0, rise, at_origin = value_and_jvp(net, net.scalar, x, net.unflatten(delta))
        net.assign(origin + delta)
        with tf.GradientTape() as here:
            f = net.scalar(x)
        residual = tf.cast(f, tf.float64) - tf.cast(f0, tf.float64) - tf.cast(rise, tf.float64)
        r = tf.cast(residual, net.dtype)
        both = zip(
            dense_gradient(here, f, net.variables, r), dense_gradient(at_origin, f0, net.variables, r), strict=True
        )
        return residual, net.flatten([g - g0 for g, g0 in both])

    return residual_and_gradient
