"""Second moments of the inputs, for all pairs of inputs or pair by pair."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf
from attrs import frozen

from .features import Features, sizes_of
from .layer import Pairing

POSITIONS, OTHERS = "hwd", "ijk"


@frozen
class Source:
    """The inputs of a network, after preprocessing without random weights.

    Attributes:
        prepare: Map from [N, *F] to [N, *F'], or None.
        feature_ndims: Rank of F', or None for the rank of F.
        mask: Map from [N, *F] to [N, T], which steps of each sequence exist, or None if all do.
    """

    prepare: Callable[[tf.Tensor], tf.Tensor] | None = None
    feature_ndims: int | None = None
    mask: Callable[[tf.Tensor], tf.Tensor] | None = None

    def read(self, x: tf.Tensor, feature_ndims: int, pairing: Pairing) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Return inputs [..., *F] after preprocessing, [..., *F'], and which steps exist, [..., T].

        With a mask, the existing steps are moved together: to the front if equal positions are counted from the first
        step, otherwise to the end. The values of all other steps are set to 0.
        """
        sizes = sizes_of(x)
        leading, features = sizes[: len(sizes) - feature_ndims], sizes[len(sizes) - feature_ndims :]
        if self.prepare is None and self.mask is None:
            return x, None
        flat = tf.reshape(x, [-1, *features])
        values = flat if self.prepare is None else self.prepare(flat)
        mask = None if self.mask is None else self.mask(flat)
        if mask is not None:
            values, mask = _gathered(values, mask, pairing == "first")
            mask = tf.reshape(mask, [*leading, *mask.shape[1:]])
        return tf.reshape(values, [*leading, *values.shape[1:]]), mask


def _gathered(values: tf.Tensor, mask: tf.Tensor, front: bool) -> tuple[tf.Tensor, tf.Tensor]:
    """Move the existing steps of [N, T, a], in their order, to the front or to the end, and set the others to 0."""
    steps = tf.range(tf.shape(mask)[1])
    order = tf.argsort(steps + tf.where(mask != front, tf.size(steps), 0), axis=1)
    values, mask = tf.gather(values, order, batch_dims=1), tf.gather(mask, order, batch_dims=1)
    return tf.where(mask[..., None], values, tf.zeros_like(values)), mask


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

    def features(self, source: Source, pairing: Pairing, compare: bool = False) -> Features:
        """Return the features of a source.

        Args:
            source: The source.
            pairing: Which pairs of positions to include.
            compare: Whether to find the pairs of the same input.
        """
        full = pairing == "full"
        axes = self.feature_ndims if source.feature_ndims is None else source.feature_ndims
        rank = self.batch + self.examples + axes
        (left, mask1), (right, mask2) = (source.read(x, self.feature_ndims, pairing) for x in (self.x1, self.x2))
        same = self._same(_with_mask(left, mask1), _with_mask(right, mask2), axes) if compare else None
        left, right = _lifted(left, rank), _lifted(right, rank)
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
            mask1=None if mask1 is None else self._steps(mask1, -1),
            mask2=None if mask2 is None else self._steps(mask2, -2),
            same=same,
        )

    def _steps(self, mask: tf.Tensor, other: int) -> tf.Tensor:
        """Return [B..., E..., T] as [T, pairs], where `other` is the axis of the other inputs."""
        mask = _lifted(mask, self.batch + self.examples + 1)
        mask = tf.transpose(mask, [mask.shape.rank - 1, *range(mask.shape.rank - 1)])
        return tf.expand_dims(mask, other) if self.crossed else mask

    def _same(self, left: tf.Tensor, right: tf.Tensor, axes: int) -> tf.Tensor:
        """Return which pairs of inputs with `axes` axes are pairs of the same input: [pairs]."""
        left, right = (_lifted(x, self.batch + self.examples + axes) for x in (left, right))
        if self.crossed:
            left, right = (tf.expand_dims(x, axis - axes) for x, axis in ((left, -1), (right, -2)))
        return tf.reduce_all(tf.equal(left, right), list(range(-axes, 0)))


def _with_mask(values: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
    """Append which steps exist to the features of each step."""
    return values if mask is None else tf.concat([values, tf.cast(mask, values.dtype)[..., None]], -1)


def _lifted(x: tf.Tensor, rank: int) -> tf.Tensor:
    """Prepend axes of size 1 to x until it has the given rank."""
    return tf.reshape(x, [*[1] * (rank - x.shape.rank), *sizes_of(x)]) if x.shape.rank < rank else x
