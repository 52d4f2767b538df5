"""Rows and cotangents of every product of a model, from which tangent kernels are computed without a Jacobian.

K(x, x') = Σ_l Σ_{t,s} ⟨A_l[x,t], A_l[x',s]⟩ ⟨G_l[x,t], G_l[x',s]⟩, summed over groups if there are several (Novak et
al. 2022, arXiv 2206.08720).
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf
from attrs import frozen

from ..model import Network, vectorises
from ..ops import cotangents_side_by_side, for_each, reshape
from ..rules.rule import Product, Rule
from .taps import Tapped, cotangents, run_tapped

UNROLLED = 16  # maximum number of output units with a backward pass of their own in the graph; more are looped


@frozen(eq=False)
class Factor:
    """Rows and cotangents of one product.

    Attributes:
        product: The product.
        a: Rows [N, g, T, a].
        g: Cotangents [N, g, T, b] for one output unit, [N, O, g, T, b] for several.
    """

    product: Product
    a: tf.Tensor
    g: tf.Tensor


def factors(net: Network, rules: Sequence[Rule], x: tf.Tensor) -> list[Factor]:
    """Return the factors of every product for the chosen output unit. For use inside compiled functions."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        outputs, layers = run_tapped(net, rules, x, tape.watch)
        target = net.chosen(outputs)
    found = cotangents(tape, target, layers)
    return [Factor(tapped.product, tapped.rows(), g) for tapped, g in zip(layers, found, strict=True)]


def factors_of_outputs(net: Network, rules: Sequence[Rule], x: tf.Tensor, units: tf.Tensor) -> list[Factor]:
    """Return the factors of every product for output units [O]. For use inside compiled functions."""
    tape = tf.GradientTape(persistent=True, watch_accessed_variables=False)
    with cotangents_side_by_side(units.shape[0] or 1), tape:
        outputs, layers = run_tapped(net, rules, x, tape.watch)
    taps = [tap for tapped in layers for tap in tapped.taps]

    def backward(unit: tf.Tensor) -> list[tf.Tensor]:
        return tape.gradient(outputs, taps, unit * tf.ones_like(outputs), tf.UnconnectedGradients.ZERO)

    chosen = tf.one_hot(units, outputs.shape[1], dtype=outputs.dtype)
    # Vectorised output units share large matrix products; convolutions are slower when vectorised.
    flat = all(tapped.has_one_position for tapped in layers) and vectorises(net.model)
    if units.shape[0] == 1 or (units.shape[0] <= UNROLLED and not flat):
        g = [_joined(layers, backward(chosen[i])) for i in range(units.shape[0])]
        stacked = [tf.stack([of_unit[i] for of_unit in g], 1) for i in range(len(layers))]
    else:
        # The cotangents of each tap, [O, ...], with output units merged into the axis of samples.
        many = for_each(backward, chosen, flat)
        o, n = units.shape[0], tf.shape(x)[0]
        joined = _joined(layers, [reshape(tap, [-1, *tap.shape[2:]]) for tap in many])
        stacked = [tf.transpose(reshape(g, [o, n, *g.shape[1:]]), [1, 0, 2, 3, 4]) for g in joined]
    return [Factor(tapped.product, tapped.rows(), g) for tapped, g in zip(layers, stacked, strict=True)]


def _joined(layers: Sequence[Tapped], of_taps: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Merge the tensors of each product's taps into one tensor per product."""
    uses = iter(of_taps)
    return [tapped.joined([next(uses) for _ in tapped.taps]) for tapped in layers]
