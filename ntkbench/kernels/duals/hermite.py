"""Duals by Hermite expansion: exact for polynomials, by Gauss–Hermite quadrature for any smooth activation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import tensorflow as tf
from attrs import evolve, frozen
from scipy.special import roots_hermitenorm

from ...errors import NtkbenchError
from .dual import Dual, Pair, correlation, safe_sqrt

ORDER = 64  # terms: tanh, erf, softplus, SiLU at unit variance to rounding in float64
NODES = 3  # for each term
SMALL = 2**17  # numbers of which all powers are made at once: fewer operations


@frozen(eq=False)
class Quadrature(Dual):
    """Any φ whose derivative TensorFlow knows, with `order` terms.

    E[φ(u)φ(u')] = Σ_k a_k(v1) a_k(v2) ρᵏ with a_k(v) = E[φ(√v z) he_k(z)] (Mehler), the coefficients by Gauss–Hermite
    quadrature, ρ the correlation; the same for φ'. What the terms leave of E[φ²], of the even and of the odd part of φ,
    is given to the next two powers, so that ρ = ±1 is right; it is still positive semidefinite. The coefficients of
    a φ that is analytic fall like e^{−r√(2k/v)}, r its distance from the poles; those of one with kinks like a power
    of k, so that `order` decides. `refined` doubles it, and the difference estimates the error.

    Source: Daniely, Frostig, Singer 2016 (arXiv 1602.05897), section 4.
    """

    function: Callable[[tf.Tensor], tf.Tensor]
    order: int = ORDER
    exact = False

    def moments(self, v1: tf.Tensor, v2: tf.Tensor, c: tf.Tensor) -> Pair:
        """Return E[φ(u) φ(u')] and E[φ'(u) φ'(u')]."""
        left, left_slope = self._coefficients(v1)
        right, right_slope = self._coefficients(v2)
        rho = correlation(v1, v2, c)
        return _series(left, right, rho), _series(left_slope, right_slope, rho)

    def second(self, v: tf.Tensor) -> tf.Tensor:
        """Return E[φ(u)²], by the terms that `moments` has."""
        value, _ = self._coefficients(v)
        return tf.reduce_sum(value * value, -1)

    def mean(self, v: tf.Tensor) -> tf.Tensor | None:
        """Return E[φ(u)]."""
        return self._coefficients(v)[0][..., 0]

    def refined(self) -> Dual:
        """Return the same dual with twice the terms."""
        return evolve(self, order=2 * self.order)

    def _coefficients(self, v: tf.Tensor) -> Pair:
        """Return the Hermite coefficients of t ↦ φ(√v t) and of its φ', and what they leave: [..., order + 2] each."""
        nodes, weighted = _rule(self.order, NODES * self.order)
        u = safe_sqrt(v)[..., None] * tf.constant(nodes, v.dtype)
        value, slope = value_and_slope(self.function, u)
        basis = tf.constant(weighted, v.dtype)
        return _completed(value, basis), _completed(slope, basis)


@frozen
class Polynomial(Dual):
    """φ(u) = Σ_k coefficients[k] uᵏ: its Hermite expansion ends, so that nothing is left out."""

    coefficients: tuple[float, ...]

    def moments(self, v1: tf.Tensor, v2: tf.Tensor, c: tf.Tensor) -> Pair:
        """Return E[φ(u) φ(u')] and E[φ'(u) φ'(u')]."""
        rho = correlation(v1, v2, c)
        slopes = tuple(k * a for k, a in enumerate(self.coefficients))[1:] or (0.0,)
        value, slope = (_series(_hermite_of(of, v1), _hermite_of(of, v2), rho) for of in (self.coefficients, slopes))
        return value, slope

    def mean(self, v: tf.Tensor) -> tf.Tensor | None:
        """Return E[φ(u)]."""
        return _hermite_of(self.coefficients, v)[..., 0] if any(self.coefficients[::2]) else None


def _completed(value: tf.Tensor, basis: tf.Tensor) -> tf.Tensor:
    """Return the coefficients of values at the nodes, [..., n] -> [..., order + 2], with the roots of what is left."""
    found = tf.tensordot(value, basis, 1)
    weight = basis[:, 0]  # he_0 = 1
    mirrored = value[..., ::-1]  # the nodes are symmetric
    floor = 64 * np.finfo(value.dtype.as_numpy_dtype).eps
    rest = []
    for sign in (1, -1) if found.shape[-1] % 2 == 0 else (-1, 1):
        second = tf.tensordot(((value + sign * mirrored) / 2) ** 2, weight, 1)
        known = tf.reduce_sum(found[..., (0 if sign == 1 else 1) :: 2] ** 2, -1)
        rest.append(safe_sqrt(second - known, floor * second))
    return tf.concat([found, tf.stack(rest, -1)], -1)


def value_and_slope(function: Callable[[tf.Tensor], tf.Tensor], u: tf.Tensor) -> Pair:
    """Return φ(u) and φ'(u); raise NtkbenchError for a function that is not elementwise."""
    with tf.GradientTape() as tape:
        tape.watch(u)
        value = tf.convert_to_tensor(function(u))
    slope = tape.gradient(value, u, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    if value.shape != u.shape or value.dtype != u.dtype:
        name = getattr(function, "__name__", type(function).__name__)
        raise NtkbenchError(
            f"The activation {name} made {value.dtype.name} {value.shape} of {u.dtype.name} {u.shape}; it must act on "
            "each entry alone and keep the type."
        )
    return value, slope


def _series(left: tf.Tensor, right: tf.Tensor, rho: tf.Tensor) -> tf.Tensor:
    """Return Σ_k left[..., k] right[..., k] rhoᵏ."""
    order = left.shape[-1]
    if order > 1 and rho.shape.is_fully_defined() and rho.shape.num_elements() * order <= SMALL:
        rest = tf.reduce_sum(left[..., 1:] * right[..., 1:] * _powers(rho, order - 1), -1)
        return left[..., 0] * right[..., 0] + rest
    # Horner's rule: XLA makes one pass of it.
    terms: Sequence[Any] = list(zip(tf.unstack(left, axis=-1), tf.unstack(right, axis=-1), strict=True))
    total = terms[-1][0] * terms[-1][1]
    for a, b in reversed(terms[:-1]):
        total = total * rho + a * b
    return total + tf.zeros_like(rho)


def _powers(rho: tf.Tensor, count: int) -> tf.Tensor:
    """Return rho, rho², … rho^count: [..., count], each half from the one before; `tf.pow` takes ten times as long."""
    powers = rho[..., None]
    while powers.shape[-1] < count:
        powers = tf.concat([powers, powers * powers[..., -1:]], -1)
    return powers[..., :count]


def _hermite_of(coefficients: Sequence[float], v: tf.Tensor) -> tf.Tensor:
    """Return the normalised Hermite coefficients of t ↦ Σ_k coefficients[k] (√v t)ᵏ: [..., degree + 1]."""
    size = len(coefficients)
    monomials = np.linalg.inv(_basis_in_monomials(size))  # tᵏ = Σ_j monomials[k, j] he_j(t)
    s = safe_sqrt(v)
    powers = tf.stack([a * s**k if k else a * tf.ones_like(s) for k, a in enumerate(coefficients)], -1)
    return tf.tensordot(powers, tf.constant(monomials, v.dtype), 1)


def _basis_in_monomials(size: int) -> np.ndarray:
    """Return [j, k]: the coefficient of tᵏ in the normalised Hermite polynomial he_j."""
    basis = np.zeros((size, size))
    basis[0, 0] = 1
    for j in range(1, size):
        basis[j, 1:] = basis[j - 1, :-1] / np.sqrt(j)
        if j > 1:
            basis[j] -= np.sqrt((j - 1) / j) * basis[j - 2]
    return basis


@lru_cache(maxsize=16)
def _rule(order: int, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the nodes [n] for the standard normal, and the weighted Hermite polynomials there [n, order]."""
    z, w = roots_hermitenorm(nodes)
    kept = w > 0  # beyond, weights underflow
    z, w = z[kept], w[kept] / w.sum()
    # With √w inside from the start: the polynomials alone overflow at large nodes.
    table = np.zeros((len(z), order))
    table[:, 0] = np.sqrt(w)
    for k in range(1, order):
        table[:, k] = z * table[:, k - 1] / np.sqrt(k)
        if k > 1:
            table[:, k] -= np.sqrt((k - 1) / k) * table[:, k - 2]
    return z, np.sqrt(w)[:, None] * table
