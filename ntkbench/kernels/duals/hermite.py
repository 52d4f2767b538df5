"""Dual activations by Hermite expansion: exact for polynomials, by quadrature for all others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import tensorflow as tf
from attrs import evolve, frozen

from ...errors import NtkbenchError
from .dual import Dual, Pair, correlation, safe_sqrt

ORDER = 64  # terms; enough for tanh, erf, softplus and SiLU at unit variance in float64
STEP = 0.64  # step of the quadrature rule, divided by the number of terms
RANGE = (-3.6, 2.25)  # of the rule's variable: z from 1e-17 to 8.5
MAX_POWERS = 2**17  # largest number of powers computed at once instead of by Horner's rule


@frozen(eq=False)
class Quadrature(Dual):
    """Dual of any elementwise φ that TensorFlow can differentiate, truncated after `order` terms.

    E[φ(u)φ(u')] = Σ_k a_k(v1) a_k(v2) ρᵏ with a_k(v) = E[φ(√v z) he_k(z)] (Mehler), where ρ is the correlation and the
    coefficients come from a double-exponential rule, whose nodes accumulate at 0 and so resolve φ at any √v; likewise
    for φ'. The truncated part of E[φ²], for the even and the
    odd part of φ separately, is added to the next two powers. This makes ρ = ±1 exact and preserves positive
    semidefiniteness. For an analytic φ the coefficients fall like e^{−r√(2k/v)}, where r is the distance to the poles;
    for a φ with kinks they fall like a power of k, so the accuracy depends on `order`. `refined` doubles the order, and
    the difference estimates the error.

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
        """Return E[φ(u)²], with the same terms as `moments`."""
        value, _ = self._coefficients(v)
        return tf.reduce_sum(value * value, -1)

    def mean(self, v: tf.Tensor) -> tf.Tensor | None:
        """Return E[φ(u)]."""
        return self._coefficients(v)[0][..., 0]

    def refined(self) -> Dual:
        """Return the same dual with twice as many terms."""
        return evolve(self, order=2 * self.order)

    def _coefficients(self, v: tf.Tensor) -> Pair:
        """Return the Hermite coefficients of t ↦ φ(√v t) and of its φ', each completed: [..., order + 2]."""
        nodes, weighted = _rule(self.order)
        u = safe_sqrt(v)[..., None] * tf.constant(nodes, v.dtype)
        value, slope = value_and_slope(self.function, u)
        basis = tf.constant(weighted, v.dtype)
        return _completed(value, basis), _completed(slope, basis)


@frozen
class Polynomial(Dual):
    """Dual of φ(u) = Σ_k coefficients[k] uᵏ, whose Hermite expansion is finite and therefore exact."""

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
    """Return the coefficients of values at the nodes [..., n] and the roots of the truncated part: [..., order + 2]."""
    mirrored = value[..., ::-1]  # the nodes are symmetric
    parts = {1: (value + mirrored) / 2, -1: (value - mirrored) / 2}
    # he_k is even or odd as k is. The other part of φ would leave its rounding errors, which may be larger.
    even = tf.constant(np.arange(basis.shape[1]) % 2 == 0)
    found = tf.where(even, tf.tensordot(parts[1], basis, 1), tf.tensordot(parts[-1], basis, 1))
    weight = basis[:, 0]  # he_0 = 1
    floor = 64 * np.finfo(value.dtype.as_numpy_dtype).eps
    rest = []
    for sign in (1, -1) if found.shape[-1] % 2 == 0 else (-1, 1):
        second = tf.tensordot(parts[sign] ** 2, weight, 1)
        known = tf.reduce_sum(found[..., (0 if sign == 1 else 1) :: 2] ** 2, -1)
        rest.append(safe_sqrt(second - known, floor * second))
    return tf.concat([found, tf.stack(rest, -1)], -1)


def value_and_slope(function: Callable[[tf.Tensor], tf.Tensor], u: tf.Tensor) -> Pair:
    """Return φ(u) and φ'(u); raise NtkbenchError if the function is not elementwise."""
    with tf.GradientTape() as tape:
        tape.watch(u)
        value = tf.convert_to_tensor(function(u))
    slope = tape.gradient(value, u, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    if value.shape != u.shape or value.dtype != u.dtype:
        name = getattr(function, "__name__", type(function).__name__)
        raise NtkbenchError(
            f"The activation {name} turned {u.dtype.name} {u.shape} into {value.dtype.name} {value.shape}; an "
            "activation must be elementwise and preserve shape and dtype."
        )
    return value, slope


def _series(left: tf.Tensor, right: tf.Tensor, rho: tf.Tensor) -> tf.Tensor:
    """Return Σ_k left[..., k] right[..., k] rhoᵏ."""
    order = left.shape[-1]
    if order > 1 and rho.shape.is_fully_defined() and rho.shape.num_elements() * order <= MAX_POWERS:
        rest = tf.reduce_sum(left[..., 1:] * right[..., 1:] * _powers(rho, order - 1), -1)
        return left[..., 0] * right[..., 0] + rest
    # Horner's rule, which XLA fuses into one pass.
    terms: Sequence[Any] = list(zip(tf.unstack(left, axis=-1), tf.unstack(right, axis=-1), strict=True))
    total = terms[-1][0] * terms[-1][1]
    for a, b in reversed(terms[:-1]):
        total = total * rho + a * b
    return total + tf.zeros_like(rho)


def _powers(rho: tf.Tensor, count: int) -> tf.Tensor:
    """Return rho, rho², … rho^count: [..., count], by repeated doubling; `tf.pow` takes ten times as long."""
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
    """Return a matrix whose entry [j, k] is the coefficient of tᵏ in the normalised Hermite polynomial he_j."""
    basis = np.zeros((size, size))
    basis[0, 0] = 1
    for j in range(1, size):
        basis[j, 1:] = basis[j - 1, :-1] / np.sqrt(j)
        if j > 1:
            basis[j] -= np.sqrt((j - 1) / j) * basis[j - 2]
    return basis


@lru_cache(maxsize=16)
def _rule(order: int) -> tuple[np.ndarray, np.ndarray]:
    """Return quadrature nodes [n] for the standard normal, and the weighted Hermite polynomials there [n, order].

    Each half line is mapped by z = exp(t − e^{−t}), and the trapezoidal rule is applied in t.

    Source: Takahasi, Mori 1974, "Double exponential formulas for numerical integration".
    """
    t = np.arange(*RANGE, STEP / order)
    half = np.exp(t - np.exp(-t))
    density = half * (1 + np.exp(-t)) * np.exp(-(half**2) / 2)
    z, w = np.concatenate([-half[::-1], half]), np.concatenate([density[::-1], density])
    w = w / w.sum()
    # The recurrence starts from √w, because the bare polynomials overflow at large nodes.
    table = np.zeros((len(z), order))
    table[:, 0] = np.sqrt(w)
    for k in range(1, order):
        table[:, k] = z * table[:, k - 1] / np.sqrt(k)
        if k > 1:
            table[:, k] -= np.sqrt((k - 1) / k) * table[:, k - 2]
    return z, np.sqrt(w)[:, None] * table
