"""Block Lanczos without a stored basis, for the eigenvalue of largest magnitude of many symmetric operators.

Each step uses only the vectors of the step before, so it costs little more than its products, and memory does not grow.
The vectors lose orthogonality as eigenvalues converge, and converged eigenvalues reappear, which does not change the
extreme ones (Paige 1980, Linear Algebra Appl. 34; Parlett 1998, section 13.4).

That holds as long as neighbouring vectors are orthogonal. A short remainder consists of rounding errors in part, so its
direction is not orthogonal to the vectors before it. It is dropped, and its length is added to the residuals.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import numpy as np
import tensorflow as tf

from ..checks import NotFinite
from ..ops import Compiled
from .orthonormal import eps, largest_of, orthonormal, rounding_length, without_short

WORTH_XLA = 2**19  # entries of the vectors of one step; compiling takes a third of a second


class Recurrence:
    """The projections of B operators on the Krylov spaces of `s` start vectors each.

    Args:
        matvec: Product with the operators, [B, s, D] -> [B, s, D].
        start: Start vectors [B, s, D].
        xla: Whether XLA may compile the steps with large vectors.
    """

    def __init__(self, matvec: Callable[[tf.Tensor], tf.Tensor], start: tf.Tensor, xla: bool = False):
        self.matvec, self.xla = matvec, xla
        batch, self.s, _ = start.shape
        self._newest, _ = orthonormal(start, rounding_length(start), self.s)
        self._before = tf.zeros_like(start)
        self._beta = tf.zeros([batch, self.s, self.s], start.dtype)
        self._scale = tf.zeros([batch, 1], start.dtype)
        self._diagonal: list[np.ndarray] = []  # blocks [B, s, s]
        self._below: list[np.ndarray] = []
        self._dropped: list[np.ndarray] = []  # lengths of the remainders that were dropped, [B, s]

    @property
    def steps(self) -> int:
        """How many times the operators were applied."""
        return len(self._diagonal)

    def step(self) -> None:
        """Apply the operators once. Raises NotFinite."""
        w = self.matvec(self._newest)
        advance = _advance(self.s, w.dtype, self.xla and w.shape.num_elements() >= WORTH_XLA)
        following, diagonal, self._beta, dropped, self._scale = advance(
            w, self._before, self._newest, self._beta, self._scale
        )
        self._before, self._newest = self._newest, following
        for blocks, block in ((self._diagonal, diagonal), (self._below, self._beta), (self._dropped, dropped)):
            blocks.append(block.numpy().astype(np.float64))
            if not np.isfinite(blocks[-1]).all():
                raise NotFinite("A product with the Hessian is not finite.")

    def narrow(self, which: np.ndarray, matvec: Callable[[tf.Tensor], tf.Tensor]) -> None:
        """Go on with the chosen operators only, whose product is `matvec`."""
        self.matvec = matvec
        self._newest, self._before, self._beta, self._scale = (
            tf.gather(each, which) for each in (self._newest, self._before, self._beta, self._scale)
        )
        for blocks in (self._diagonal, self._below, self._dropped):
            blocks[:] = [block[which] for block in blocks]

    def projected(self, which: np.ndarray) -> np.ndarray:
        """Return the chosen operators on their Krylov spaces: [b, k·s, k·s] symmetric, block tridiagonal, float64."""
        s, size = self.s, self.steps * self.s
        t = np.zeros((len(which), size, size))
        for k, block in enumerate(self._diagonal):
            here = slice(k * s, (k + 1) * s)
            t[:, here, here] = (block[which] + block[which].transpose(0, 2, 1)) / 2
        for k, block in enumerate(self._below[:-1]):
            here, following = slice(k * s, (k + 1) * s), slice((k + 1) * s, (k + 2) * s)
            t[:, following, here] = block[which]
            t[:, here, following] = block[which].transpose(0, 2, 1)
        return t

    def leading(self, which: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the k signed Ritz values of largest magnitude and their residuals, of the chosen operators: [b, k]."""
        values, vectors = largest_of(self.projected(which), k)
        dropped = np.concatenate([each[which] for each in self._dropped], 1)
        residuals = np.linalg.norm(self._below[-1][which] @ vectors[:, -self.s :, :], axis=1)
        return values, residuals + np.einsum("bn,bnk->bk", dropped, np.abs(vectors))

    @property
    def ended(self) -> np.ndarray:
        """Whether each Krylov space is invariant, so that nothing more can be found from its starts: [B]."""
        return np.all(self._below[-1] == 0.0, axis=(1, 2))


@cache
def _advance(s: int, dtype: tf.DType, xla: bool) -> Callable[..., tuple[tf.Tensor, ...]]:
    """Return the compiled `_step`: once for all sizes and numbers of operators, or by XLA for each that occurs."""
    if xla:
        return Compiled(partial(_step, s, _inner_fused, _combined_fused), jit_compile=True)
    vectors = tf.TensorSpec([None, None, None], dtype)
    signature = [vectors] * 4 + [tf.TensorSpec([None, 1], dtype)]
    return Compiled(partial(_step, s, _inner, tf.matmul), input_signature=signature)


def _inner(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """Return inner products [B, i, j] of vectors [B, i, D] and [B, j, D]."""
    return tf.matmul(left, right, transpose_b=True)


# XLA fuses products and sums into one loop, but calls a slower function for each product of thin matrices.


def _inner_fused(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(left[:, :, None] * right[:, None], 3)


def _combined_fused(weights: tf.Tensor, vectors: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(weights[..., None] * vectors[:, None], 2)


def _step(
    s: int,
    inner: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    combined: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    w: tf.Tensor,
    before: tf.Tensor,
    v: tf.Tensor,
    beta: tf.Tensor,
    scale: tf.Tensor,
) -> tuple[tf.Tensor, ...]:
    """Take one step from w = H·v: w = βᵀ·before + ⟨w, v⟩·v + β'·next.

    Args:
        s: Number of vectors of one operator.
        inner: Inner products [B, s, s] of vectors.
        combined: Combinations of vectors, with weights [B, s, s].
        w: Products [B, s, D] of the vectors v.
        before: Vectors of the previous step.
        v: Newest vectors.
        beta: β of the previous step [B, s, s]. It is removed exactly as it stands in the projection, however far the
            vectors are from orthogonal; otherwise the projection would not be one of H.
        scale: Largest ‖w‖ so far, [B, 1]. Remainders shorter than √ε of it are dropped: directions are accurate to
            √ε then.

    Returns:
        The next vectors, ⟨w, v⟩ [B, s, s], β' [B, s, s], the lengths of the dropped remainders [B, s], and the new
        scale.
    """
    scale = tf.maximum(scale, tf.reduce_max(tf.norm(w, axis=2), 1, keepdims=True))
    rest = w - combined(beta, before)
    along = inner(rest, v)
    rest -= combined(along, v)
    rest -= combined(inner(rest, v), v)  # removes rounding errors
    following, beta, dropped = without_short(rest, tf.tile(eps(w) ** 0.5 * scale, [1, s]), s)
    return following, along, beta, dropped, scale
