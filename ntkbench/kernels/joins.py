"""Layers with several inputs: weighted sums and concatenation."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from attrs import evolve, field, frozen

from ..errors import NtkbenchError
from .features import Features, Joined, NoLimit, first_unknown
from .layer import Layer, require_plain


@frozen
class Add(Layer):
    """Weighted sum of features whose last layers of weights differ.

    The units of different branches are independent, so cov is the sum of the branches' covariances plus the products of
    the means of different branches. The tangent kernels add.

    Attributes:
        signs: One factor per branch; 1 by default.
    """

    signs: tuple[float, ...] = ()

    def __call__(self, *features: Features) -> Features:
        """Return the features of the sum."""
        signs = self.signs or (1.0,) * len(features)
        for h in features:
            require_plain(h, "A sum")
        if len({h.positions for h in features}) > 1:
            raise NoLimit("A sum combines features with and without positions; give all branches the same shape.")
        seen: set[Any] = set()
        for h in features:
            if seen & h.sources:
                raise NoLimit(
                    "A sum combines features that come from the same weights, so its limit needs their covariance; "
                    "give each branch a layer of its own."
                )
            seen |= h.sources
        full = all(h.full for h in features)
        hs = list(features) if full else [h.narrowed() for h in features]
        squares = [sign**2 for sign in signs]
        cov, var1, var2 = (
            _total([s * getattr(h, name) for s, h in zip(squares, hs, strict=True)]) for name in ("cov", "var1", "var2")
        )
        ntks = [s * h.ntk for s, h in zip(squares, hs, strict=True) if h.ntk is not None]
        mean1 = _sum_of_means([(s, h.mean1) for s, h in zip(signs, hs, strict=True)])
        mean2 = _sum_of_means([(s, h.mean2) for s, h in zip(signs, hs, strict=True)])
        first = hs[0]
        if mean1 is not None and mean2 is not None:
            cov = cov + _mixed(first, hs, signs, mean1, mean2, "mean1", "mean2")
            var1 = var1 + _mixed(first, hs, signs, mean1, mean1, "mean1", "mean1")
            var2 = var2 + _mixed(first, hs, signs, mean2, mean2, "mean2", "mean2")
        return evolve(
            first,
            cov=cov,
            ntk=_total(ntks) if ntks else None,
            var1=var1,
            var2=var2,
            mean1=mean1,
            mean2=mean2,
            gaussian=all(h.gaussian for h in hs),
            gains=0 if all(h.gains == 0 for h in hs) else None,
            unknown=first_unknown(hs),
            sources=frozenset(seen),
        )


def _total(tensors: Sequence[tf.Tensor]) -> tf.Tensor:
    return sum(tensors[1:], tensors[0])


def _sum_of_means(terms: Sequence[tuple[float, tf.Tensor | None]]) -> tf.Tensor | None:
    known = [sign * mean for sign, mean in terms if mean is not None]
    return _total(known) if known else None


def _mixed(
    of: Features, hs: Sequence[Features], signs: Sequence[float], total1: Any, total2: Any, name1: str, name2: str
) -> tf.Tensor:
    """Return Σ_{a≠b} mean_a mean_b': the product of the sums minus the products within each branch."""
    mixed = of.left(total1) * of.right(total2)
    for sign, h in zip(signs, hs, strict=True):
        left, right = getattr(h, name1), getattr(h, name2)
        if left is not None and right is not None:
            mixed = mixed - sign**2 * of.left(left) * of.right(right)
    return mixed


def _shares(units: Sequence[float]) -> tuple[float, ...]:
    if not all(isinstance(each, numbers.Real) and 0 < each < math.inf for each in units):
        raise NtkbenchError(f"A concatenation has units={tuple(units)!r:.80}; each must be a positive number.")
    total = sum(units)
    return tuple(each / total for each in units)


@frozen
class Concatenate(Layer):
    """Concatenation of features.

    Attributes:
        units: Each branch's share of the units, given as relative numbers of units; equal by default. As shares, they
            are the same at all widths.
    """

    units: tuple[float, ...] = field(default=(), converter=_shares)

    def __call__(self, *features: Features) -> Joined:
        """Return the concatenated features."""
        units = self.units or (1.0,) * len(features)
        if len(units) != len(features):
            raise NtkbenchError(f"A concatenation of {len(features)} branches has {len(units)} numbers of units.")
        for h in features:
            require_plain(h, "A concatenation")
        return Joined(tuple(zip(units, features, strict=True)))
