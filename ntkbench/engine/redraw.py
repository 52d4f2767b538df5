"""Draw the weights of any Keras model again, all with standard deviation 1/√fan-in, whatever its own initializers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from ..errors import NtkbenchError
from ..registry.current import registry
from ..seeds import seed_for
from .model import Network, replaced_calls
from .rules.rule import Product, Rule
from .rules.scaling import Scaling

EMBEDDED = re.compile(r"(?<!reverse)(?:^|_)(?:embeddings?|tokens?|latents?)\Z")
"""Names of variables whose entries are features themselves instead of factors in a sum."""
GAINS = re.compile(r"(?:^|_)(?:alpha|beta|gain|gamma|scale)\Z")
"""Names of variables that scale or shift single entries."""


def redraw(model: keras.Model, seed: int) -> list[float]:
    """Draw the weights of a model again in place, and return the unit of each trainable variable.

    Kernels become N(0, 1/fan-in), where fan-in is the number of products that a unit sums: for a layer with a rule, the
    number of rows of the matrix in which the rule sees its kernel. Embeddings become N(0, 1), and biases 0. Variables
    whose entries are all equal keep their value, and so do gains. Units are the standard deviations of what was drawn,
    and 1 for everything else; a kernel that keeps its value has the unit of its fan-in.

    Args:
        model: A built Keras model.
        seed: Seed of all weights; they do not depend on the model's precision.

    Returns:
        One unit for each trainable variable.

    Raises:
        NtkbenchError: The fan-in of a weight is not known.
    """
    spreads: dict[int, float] = {}
    biases: set[int] = set()
    for layer in model._flatten_layers():
        for variable, spread in _spreads(layer):
            if spread == 0:
                biases.add(id(variable))
            else:
                spreads.setdefault(id(variable), spread)
    for place, variable in enumerate(model.variables):
        constant = is_constant(variable.numpy())
        if id(variable) in spreads and not constant:
            rng = np.random.default_rng(seed_for("redraw", seed, place))
            variable.assign(spreads[id(variable)] * rng.standard_normal(variable.shape))
        elif id(variable) in biases and not constant:
            variable.assign(np.zeros(variable.shape))
    return [spreads.get(id(variable), 1.0) for variable in model.trainable_variables]


def initial_units(model: keras.Model) -> list[float]:
    """Return the standard deviation of the entries of each trainable variable, 1 if they are all equal."""
    values = [variable.numpy().astype(np.float64) for variable in model.trainable_variables]
    return [1.0 if is_constant(value) else float(value.std()) for value in values]


def is_constant(value: np.ndarray) -> bool:
    """Return whether all entries of an array are equal."""
    return bool(np.all(value == value.flat[0])) if value.size else True


def calibrate(model: keras.Model, inputs: Callable[[], Any]) -> None:
    """Set the statistics of every BatchNormalization layer to those of its own input at a batch, in place.

    In inference the layers then normalise the features of these inputs as they would in training.

    Args:
        model: A built Keras model.
        inputs: Returns the batch [N, ...], as the model takes it; called only for models with such layers.

    Raises:
        NtkbenchError: A layer sees the same number for all inputs in every channel.
    """
    layers = [each for each in model._flatten_layers() if isinstance(each, keras.layers.BatchNormalization)]
    if not layers:
        return
    net = Network(model)
    momenta = [layer.momentum for layer in layers]

    def in_training(layer: Any) -> Any:
        return lambda x, training=None, mask=None: type(layer).call(layer, x, training=True, mask=mask)

    try:
        for layer in layers:
            layer.momentum = 0.0
        with replaced_calls([(layer, in_training(layer)) for layer in layers]):
            model(net.given(net.inputs(inputs())), training=False)
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
    for layer in layers:
        if layer.trainable and not np.any(layer.moving_variance.numpy()):
            raise NtkbenchError(
                f"The layer {layer.name!r} cannot be calibrated, because each of its channels is constant over the "
                "inputs. Measure at more inputs, for example with --probes 64."
            )


def _spreads(layer: Any) -> Iterator[tuple[Any, float]]:
    """Yield the weights of a layer's own that are drawn, with their standard deviation, which is 0 for biases."""
    rule = _rule_of(layer)
    known: set[int] = set()
    for product in () if rule is None else rule.products:
        known |= {id(variable) for variable in product.variables}
        if product.bias is not None:
            yield product.bias.variable, 0.0
        if product.kernel is not None and not isinstance(rule, Scaling) and not _scales(product):
            yield product.kernel.variable, _spread(layer, product)
    for variable in layer._trainable_variables:
        if id(variable) not in known:
            yield from _without_rule(layer, variable)


def _rule_of(layer: Any) -> Rule | None:
    """Return the rule of a layer's type or of the first of its base types that has one, None if there is none."""
    for kind in type(layer).__mro__:
        entry = registry().layer_rules.get(f"{kind.__module__}:{kind.__qualname__}")
        if entry is not None and layer.built:
            found: Any = entry.load()
            return found(layer) if found.accepts(layer) else None
    return None


def _scales(product: Product) -> bool:
    """Return whether a kernel multiplies single entries and starts at a constant, as gains do."""
    kernel = product.kernel
    return kernel is not None and kernel.shape[1:] == (1, 1) and is_constant(kernel.variable.numpy())


def _spread(layer: Any, product: Product) -> float:
    assert product.kernel is not None
    fan_in = 1 if isinstance(layer, keras.layers.Embedding) else product.kernel.shape[1]
    return 1 / (abs(product.scale) * math.sqrt(fan_in))


def _without_rule(layer: Any, variable: Any) -> Iterator[tuple[Any, float]]:
    """Yield a weight that no rule describes, unless it is constant."""
    shape = tuple(variable.shape)
    if is_constant(variable.numpy()) or GAINS.search(variable.name):
        return
    if variable.name.endswith("bias"):
        yield variable, 0.0
    elif EMBEDDED.search(variable.name):
        yield variable, 1.0
    elif len(shape) == 2:
        yield variable, 1 / math.sqrt(shape[0])
    else:
        raise NtkbenchError(
            f"This model cannot be redrawn: how many products the weight {variable.name!r} {list(shape)} of the layer "
            f"{layer.name!r} ({type(layer).__name__}) sums is not known. Register a layer rule for "
            f"{type(layer).__name__} (docs/layer-rules.md), or omit --redraw."
        )
