"""Second moments of the inputs, for all pairs of inputs or pair by pair."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf
from attrs import frozen

from .features import Features, sizes_of

POSITIONS, OTHERS = "hwd", "ijk"


@frozen
class Source:
    """The inputs of a network, after preprocessing without random weights.

    Attributes:
        prepare: Map from [N, *F] to [N, *F'], or None.
        feature_ndims: Rank of F', or None for the rank of F.
    """

    prepare: Callable[[tf.Tensor], tf.Tensor] | None = None
    feature_ndims: int | None = None

    def read(self, x: tf.Tensor, feature_ndims: int) -> tf.Tensor:
        """Return inputs [..., *F] after preprocessing: [..., *F']."""
        if self.prepare is None:
            return x
        sizes = sizes_of(x)
        leading, features = sizes[: len(sizes) - feature_ndims], sizes[len(sizes) - feature_ndims :]
        prepared = self.prepare(tf.reshape(x, [-1, *features]))
        return tf.reshape(prepared, [*leading, *prepared.shape[1:]])


@frozen(eq=False)
class Inputs:
    """Inputs x1 [B..., E1..., *F] and x2 [B..., E2..., *F].

    Attributes:
        x1: First inputs.
        x2: Second inputs.
        feature_ndims: Rank of F.
        batch: Number of batch axes B after broadcasting.
        examples: Number of example axes E.
        crossed: Whether to pair all of E1 = [N1] with all of E2 = [N2], giving [B..., N1, N2]; otherwise x1 and x2 are
            paired one to one, giving [B..., E...].
    """

    x1: tf.Tensor
    x2: tf.Tensor
    feature_ndims: int
    batch: int
    examples: int
    crossed: bool

    def features(self, source: Source, full: bool) -> Features:
        """Return the features of a source. If `full`, they include covariances between different positions."""
        axes = self.feature_ndims if source.feature_ndims is None else source.feature_ndims
        rank = self.batch + self.examples + axes
        left, right = (_lifted(source.read(x, self.feature_ndims), rank) for x in (self.x1, self.x2))
        p = POSITIONS[: axes - 1]
        q = OTHERS[: axes - 1] if full else p
        out = p + q if full else p
        channels = left.shape[-1]

        def product(a: tf.Tensor, b: tf.Tensor, n: str, m: str, both: str) -> tf.Tensor:
            return tf.einsum(f"...{n}{p}c,...{m}{q}c->{out}...{both}", a, b) / channels

        def mean(a: tf.Tensor, n: str) -> tf.Tensor:
            return tf.einsum(f"...{n}{p}c->{p}...{n}", a) / channels

        if self.crossed:
            moments = (
                product(left, right, "n", "m", "nm"),
                product(left, left, "n", "n", "n")[..., None],
                product(right, right, "n", "n", "n")[..., None, :],
                mean(left, "n")[..., None],
                mean(right, "n")[..., None, :],
            )
        else:
            moments = (
                product(left, right, "", "", ""),
                product(left, left, "", "", ""),
                product(right, right, "", "", ""),
                mean(left, ""),
                mean(right, ""),
            )
        cov, var1, var2, mean1, mean2 = moments
        return Features(
            cov=cov,
            ntk=None,
            var1=var1,
            var2=var2,
            mean1=mean1,
            mean2=mean2,
            pairs=self.examples + self.crossed,
            positions=axes - 1,
            full=full,
            sources=frozenset(["inputs"]),
        )


def _lifted(x: tf.Tensor, rank: int) -> tf.Tensor:
    """Prepend axes of size 1 to x until it has the given rank."""
    return tf.reshape(x, [*[1] * (rank - x.shape.rank), *sizes_of(x)]) if x.shape.rank < rank else x
