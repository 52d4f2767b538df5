"""Block Lanczos with full reorthogonalisation for many symmetric operators in parallel, with certified errors.

The norm of the residual of a Ritz pair bounds its distance to an eigenvalue (Parlett 1998, section 13.2). Each run has
two random start vectors (block size 2), so an eigenvalue is missed only if both are orthogonal to its eigenvectors, and
an eigenvalue of multiplicity two is found twice.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import numpy as np
import tensorflow as tf
from attrs import frozen

from ..checks import NotFinite
from ..ops import Compiled
from .orthonormal import largest_of, orthonormal, rounding_length

Matvec = Callable[[tf.Tensor], tf.Tensor]

RECENT_STEPS = 4  # steps whose vectors are stored separately before they are concatenated, to limit copying
LARGE = 2**18  # smallest number of entries in the vectors of one step for which copying the basis costs more than calls


class Lanczos:
    """Krylov spaces of B operators, extended step by step from `s` start vectors each.

    Args:
        matvec: Product with the operators, [B, s, D] -> [B, s, D].
        start: Start vectors [B, s, D].
        known: Orthonormal rows [B, q, D], such as eigenvectors found before; the spaces stay orthogonal to them.
    """

    def __init__(self, matvec: Matvec, start: tf.Tensor, known: tf.Tensor | None = None):
        self.matvec = matvec
        self._known = 0 if known is None else known.shape[1]
        if known is not None:
            for _ in range(2):  # the second pass removes the rounding errors of the first
                start, _ = _without(start, known)
        self.s = start.shape[1]
        self._large = start.shape.num_elements() >= LARGE
        self._advance = (_advance_large if self._large else _advance_small)(self.s, start.dtype)
        self.vectors_now, _ = orthonormal(start, rounding_length(start), self.s)
        self._before = tf.zeros_like(start)
        nothing = [] if self._large else [start[:, :0]]
        self._joined, self._recent, self._nothing = nothing, nothing, nothing  # the basis: [B, q + k·s, D] in parts
        if known is not None and self._known:
            self._joined = [known]
        self._projected: list[np.ndarray] = []  # per step: current basis · H · newest vectors, [B, k·s, s]
        self._beta = np.zeros(0)

    @property
    def steps(self) -> int:
        """Number of times the operators were applied."""
        return len(self._projected)

    @property
    def basis(self) -> list[tf.Tensor]:
        """Known vectors followed by the Krylov basis, [B, q + k·s, D], in parts."""
        return [*self._joined, *self._recent]

    def step(self) -> None:
        """Apply the operators once and orthogonalise the results against all previous vectors, the last two twice.

        Raises:
            NotFinite: If a product is not finite.
        """
        w, newest = self.matvec(self.vectors_now), self.vectors_now
        self.vectors_now, columns, beta = self._advance(w, self._before, newest, self.basis)
        self._before = newest
        self._add(newest)
        self._projected.append(columns[:, self._known :].numpy().astype(np.float64))
        self._beta = beta.numpy().astype(np.float64)
        if not (np.isfinite(self._projected[-1]).all() and np.isfinite(self._beta).all()):
            raise NotFinite("A Hessian-vector product is not finite.")

    def _add(self, newest: tf.Tensor) -> None:
        """Append the vectors of a step to the basis; large parts are copied at most once and have few shapes."""
        self._recent = [*self._recent, newest] if self._large else [tf.concat([*self._recent, newest], 1)]
        if sum(part.shape[1] for part in self._recent) == RECENT_STEPS * self.s:
            full = tf.concat(self._recent, 1)
            self._joined = [*self._joined, full] if self._large else [tf.concat([*self._joined, full], 1)]
            self._recent = self._nothing

    def projected(self) -> np.ndarray:
        """Return the operators projected onto the Krylov spaces: [B, k·s, k·s], symmetric, float64."""
        size = self.steps * self.s
        t = np.zeros((len(self._projected[0]), size, size))
        for k, columns in enumerate(self._projected):
            t[:, : columns.shape[1], k * self.s : (k + 1) * self.s] = columns
        upper = np.triu(t)
        return upper + np.triu(t, 1).transpose(0, 2, 1)

    def eigen(self, k: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the k Ritz values of largest magnitude [B, k], their residuals [B, k] and coefficients [B, k·s, k].

        The component along the first start vector fixes the sign of a Ritz vector, so that it does not depend on
        rounding.
        """
        values, vectors = largest_of(self.projected(), k)
        residual = np.linalg.norm(self._beta @ vectors[:, -self.s :, :], axis=1)
        return values, residual, vectors

    def vectors(self, coefficients: np.ndarray) -> tf.Tensor:
        """Return the Ritz vectors [B, D] for coefficients [B, k·s]."""
        coefficients = np.pad(coefficients, [(0, 0), (self._known, 0)])
        total, at = tf.zeros_like(self.vectors_now[:, 0]), 0
        for block in self.basis:
            part = tf.cast(coefficients[:, at : at + block.shape[1]], total.dtype)
            total += tf.linalg.matvec(block, part, transpose_a=True)
            at += block.shape[1]
        return total

    @property
    def exhausted(self) -> bool:
        """Whether every Krylov space is invariant, so that further steps find nothing new."""
        return bool(np.all(self._beta == 0.0))


@frozen
class Pieces:
    """The operations of one Lanczos step; see `_first`, `_without` and `_again`."""

    first: Callable[..., tuple[tf.Tensor, tf.Tensor, tf.Tensor]]
    without: Callable[..., tuple[tf.Tensor, tf.Tensor]]
    again: Callable[..., tuple[tf.Tensor, tf.Tensor]]


def _advance(
    pieces: Pieces, w: tf.Tensor, before: tf.Tensor, v: tf.Tensor, basis: list[tf.Tensor]
) -> tuple[tf.Tensor, ...]:
    """Return the vectors and coefficients of one Lanczos step.

    Args:
        pieces: The operations of the step.
        w: H·v.
        before: Vectors of the step before v, zeros in the first step.
        v: Newest vectors.
        basis: Vectors of all steps before v, in parts, ending with `before`.

    Returns:
        The next vectors, the components of w along the basis and v [B, k·s, s], and β.
    """
    # In exact arithmetic w has components along the last two steps only; the loop removes rounding errors.
    rest, r, along = pieces.first(w, before, v)
    parts = []
    for block in [*basis, v]:
        rest, part = pieces.without(rest, block)
        parts.append(part)
    following, again = pieces.again(rest)
    columns = tf.matmul(tf.concat(parts, 1), r)
    missing = tf.shape(columns)[1] - tf.shape(along)[1]
    columns += tf.pad(along[:, tf.maximum(-missing, 0) :], [[0, 0], [tf.maximum(missing, 0), 0], [0, 0]])
    return following, columns, tf.matmul(again, r)


def _first(s: int, w: tf.Tensor, before: tf.Tensor, v: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Orthogonalise w against `before` and v.

    Returns orthonormal rows q, their coefficients r, and the removed components [B, 2·s, s].
    """
    along = [tf.matmul(part, w, transpose_b=True) for part in (before, v)]
    rest = w - sum(tf.matmul(a, part, transpose_a=True) for a, part in zip(along, (before, v), strict=True))
    return *orthonormal(rest, rounding_length(w), s), tf.concat(along, 1)


def _without(rest: tf.Tensor, block: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return `rest` without its components along the rows of the block, and those components."""
    part = tf.matmul(block, rest, transpose_b=True)
    return rest - tf.matmul(part, block, transpose_a=True), part


def _again(s: int, rest: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Orthonormalise rows again after their components along the basis were removed.

    Rows that were nearly parallel to the basis now consist mostly of rounding errors: rows that shrink once more are
    dropped.
    """
    return orthonormal(rest, tf.fill(tf.shape(rest)[:2], tf.constant(0.1, rest.dtype)), s)


@cache
def _advance_small(s: int, dtype: tf.DType) -> Callable[..., tuple[tf.Tensor, ...]]:
    """Return `_advance` as one compiled function for any size and number of operators."""
    pieces = Pieces(partial(_first, s), _without, partial(_again, s))
    vectors = tf.TensorSpec([None, None, None], dtype)
    return Compiled(partial(_advance, pieces), input_signature=[vectors] * 3 + [[vectors] * 2])


@cache
def _advance_large(s: int, dtype: tf.DType) -> Callable[..., tuple[tf.Tensor, ...]]:
    """Return `_advance` in separately compiled pieces, for a basis of any number of parts."""
    vectors = tf.TensorSpec([None, None, None], dtype)
    first = Compiled(partial(_first, s), input_signature=[vectors] * 3)
    without = Compiled(_without, input_signature=[vectors] * 2)
    again = Compiled(partial(_again, s), input_signature=[vectors])
    return partial(_advance, Pieces(first, without, again))
