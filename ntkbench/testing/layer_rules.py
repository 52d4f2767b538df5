"""Checks of a layer rule."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ..engine.checks import relative
from ..engine.hessian import hessian_norm
from ..engine.model import Network, dtype_policy
from ..engine.ntk import empirical_ntk
from ..engine.rules.rule import key_of, rule_for
from ..engine.structure import structure_of
from ..registry.current import registry
from .checks import Checks, Fault, numbered, require, skip

TOLERANCE = 1e-9  # relative, in float64
INPUT_SHAPES = ((5,), (6, 5), (6, 6, 4), (4, 4, 4, 3))
SMALL = 3  # value of arguments without a default: units, filters, a rank
SMALLER = {"kernel_size": 2, "pool_size": 2, "num_heads": 2, "groups": 1}


class LayerRuleChecks(Checks):
    """Checks L1 to L5 of the rule of one layer type; subclass it in a test file.

    Attributes:
        layer: Returns a new layer; wrap a class in `staticmethod`.
        input_shape: Shape of one input.
        layer_rule: Instead of both, the registered name "module:Class". The class is then built with small numbers for
            arguments without a default, and given the first of INPUT_SHAPES that it and its rule accept.
    """

    layer: Callable[[], keras.Layer] | None = None
    input_shape: tuple[int, ...] = (5,)
    layer_rule: str = ""

    @property
    def model(self) -> keras.Model:
        """Input → layer → flatten → tanh of fixed weighted sums, in float64, with random weights."""
        return self.shared("model", self._make)

    def _subject(self) -> tuple[Callable[[], keras.Layer], tuple[int, ...]]:
        """Return a function that creates the layer, and the shape of its input."""
        make, name = type(self).layer, self.layer_rule
        if make is not None:
            return make, self.input_shape
        require(
            name, f"{type(self).__name__} has no layer; set layer = staticmethod(lambda: MyLayer(...)), or layer_rule."
        )
        kind = _layer_type(name)
        own = f"{kind.__module__}:{kind.__qualname__}"
        require(own == name, f"The class is defined as {own!r}, not {name!r}. Register the rule under {own!r}.")
        registry().get("layer_rules", name).load()
        found = _example(kind)
        if found is None:
            skip(
                f"{name} was not tested: no layer could be created from small numbers and called, or the rule rejects "
                "it. Subclass LayerRuleChecks in your own test, and set layer and input_shape."
            )
        assert found is not None
        return found

    def _make(self) -> keras.Model:
        make, shape = self.shared("subject", self._subject)
        rng = np.random.default_rng(0)
        with dtype_policy("float64"):
            x = keras.Input(shape)
            layer = make()
            h = keras.layers.Flatten()(layer(x))
            readout = keras.layers.Dense(2, "tanh", use_bias=False, trainable=False)
            model = keras.Model(x, readout(h))
        model.set_weights([w + 0.3 * rng.standard_normal(w.shape) / max(1, len(w)) ** 0.5 for w in model.get_weights()])
        self.shared("layer", lambda: layer)
        return model

    @property
    def x(self) -> Any:
        """Three inputs: [3, ...]."""
        return np.random.default_rng(1).standard_normal((3, *self.shared("subject", self._subject)[1]))

    @property
    def built(self) -> keras.Layer:
        """The layer inside the model."""
        assert self.model is not None
        return self.shared("layer", lambda: None)

    @numbered("L1", stops=True)
    def test_l01_the_rule_is_found(self) -> None:
        """The rule is registered under the layer's own type, and accepts the layer."""
        rule = rule_for(self.built)
        require(rule is not None, f"No rule accepts this layer; register one under {key_of(self.built)!r}.")

    @numbered("L2", stops=True)
    def test_l02_the_rule_computes_what_the_layer_does(self) -> None:
        """With its products applied unchanged, the rule returns the layer's outputs."""
        layer, x = self.built, tf.constant(self.x)
        rule = rule_for(layer)
        assert rule is not None
        found = rule.call(_applied, x)
        difference = relative(np.asarray(found), np.asarray(layer(x)))
        require(
            difference <= TOLERANCE, f"The rule's outputs differ from the layer's by {difference:.2g}. Fix its call."
        )

    @numbered("L3")
    def test_l03_every_weight_is_in_a_product(self) -> None:
        """Every trainable weight is in exactly one product."""
        net = Network(self.model)
        complete = structure_of(net, net.inputs(self.x)).complete
        require(complete, "The rule omits weights, or the engine rejects it. Name every weight in exactly one product.")

    @numbered("L4")
    def test_l04_the_kernel_is_the_jacobians(self) -> None:
        """The tangent kernel computed by the rule equals the one computed from the Jacobian."""
        by_rule = empirical_ntk(self.model, self.x, outputs="full", method="auto")
        difference = relative(by_rule, empirical_ntk(self.model, self.x, outputs="full", method="jacobian"))
        require(
            difference <= TOLERANCE, f"The tangent kernel differs by {difference:.2g} from the Jacobian's. Fix views."
        )

    @numbered("L5")
    def test_l05_the_hessian_is_the_dense_one(self) -> None:
        """The Hessian norm computed by the rule equals the norm of the dense Hessian."""
        by_rule = hessian_norm(self.model, self.x[:2], tol=1e-6)
        dense = hessian_norm(self.model, self.x[:2], method="dense")
        difference = relative(by_rule.value, dense.value)
        require(
            difference <= 1e-5, f"The Hessian norm differs by {difference:.2g} from the dense Hessian's. Fix the rule."
        )


def _applied(product: Any, rows: tf.Tensor) -> tf.Tensor:
    grouped = rows if len(rows.shape) == 4 else rows[:, :, None, :]
    z = product.apply(product.scale * grouped)
    return z if len(rows.shape) == 4 else z[:, :, 0, :]


def _layer_type(name: str) -> type[keras.Layer]:
    """Return the class that a rule is registered for; raise a Fault if it does not exist."""
    module, _, qualified = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for attribute in qualified.split("."):
            found = getattr(found, attribute)
        return found
    except (ImportError, AttributeError) as error:
        raise Fault(
            f"The layer type {name!r} cannot be imported ({error}). Register the rule under an importable name."
        ) from None


def _example(kind: type[keras.Layer]) -> tuple[Callable[[], keras.Layer], tuple[int, ...]] | None:
    """Return a function that creates a layer, and an input shape that layer and rule accept; None if there is none."""
    arguments = {
        name: SMALLER.get(name, SMALL)
        for name, parameter in inspect.signature(kind).parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }

    def make() -> keras.Layer:
        return kind(**arguments)

    for shape in INPUT_SHAPES:
        try:
            with dtype_policy("float64"):
                layer = make()
                layer(keras.Input(shape))
        except Exception:  # a custom layer may raise anything for arguments or shapes that it does not accept
            continue
        if layer.trainable_weights and rule_for(layer) is not None:
            return make, shape
    return None
