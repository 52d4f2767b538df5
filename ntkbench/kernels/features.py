"""Represent a layer's features in the infinite-width limit by their covariances over all pairs of inputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from attrs import evolve, frozen

from ..errors import Unsupported


class NoLimit(Unsupported):
    """Raised for a network, or a part of it, whose infinite-width kernel is unknown; the message says which and why."""


@frozen(eq=False)
class Features:
    """Second moments of features h(x), the same for every unit of a layer, on all pairs (x, x').

    The last axes of all tensors are those of the pairs, [..., N1, N2] or any shape that broadcasts. The axes of
    positions p (rows and columns of an image, steps of a sequence) come before them. If `full` is true, covariances
    between positions are kept, and the axes of p' follow those of p: [h, w, h', w', ...].

    Attributes:
        cov: E[h(x) h(x')].
        ntk: ⟨∇h(x), ∇h(x')⟩ of one unit, None for 0.
        var1: E[h h] of x with itself.
        var2: E[h h] of x' with itself.
        mean1: E[h(x)] over the units, with the axes p, None for 0.
        mean2: E[h(x')] over the units, with the axes p, None for 0.
        pairs: Number of example axes, 2 for a matrix.
        positions: Number of axes of positions.
        full: Whether covariances between different positions are kept.
        gaussian: Whether units are independent Gaussians with mean 0, as the dual of an activation requires.
        gains: Number of trained factors of each unit, such as γ of layer normalisation: `ntk` holds gains · cov for
            them. They are correlated with the unit's own value. None if their part is not a multiple of cov.
        unknown: Why `ntk` is not the tangent kernel, "" if it is.
        flattened: Whether positions have been flattened into units.
        sources: Identities of the affine layers that produced the units; features without common ones are independent.
        mask1: Which steps of the sequence x exist, [T, pairs], None if all do. The existing steps are contiguous, and
            covariances at the others have no meaning.
        mask2: Which steps of the sequence x' exist.
        same: Whether x and x' are the same input, [pairs]; None if no layer asks for it.
    """

    cov: tf.Tensor
    ntk: tf.Tensor | None
    var1: tf.Tensor
    var2: tf.Tensor
    mean1: tf.Tensor | None = None
    mean2: tf.Tensor | None = None
    pairs: int = 2
    positions: int = 0
    full: bool = False
    gaussian: bool = False
    gains: int | None = 0
    unknown: str = ""
    flattened: bool = False
    sources: frozenset[Any] = frozenset()
    mask1: tf.Tensor | None = None
    mask2: tf.Tensor | None = None
    same: tf.Tensor | None = None

    def map(self, function: Callable[[tf.Tensor], tf.Tensor], **changes: Any) -> Features:
        """Apply `function` to the covariances, variances and ntk."""
        ntk = None if self.ntk is None else function(self.ntk)
        return evolve(
            self, cov=function(self.cov), ntk=ntk, var1=function(self.var1), var2=function(self.var2), **changes
        )

    def left(self, per_position: tf.Tensor) -> tf.Tensor:
        """Reshape values of x at its positions, [p..., pairs], to broadcast against `cov`."""
        return self._spread(per_position, False) if self.full else per_position

    def right(self, per_position: tf.Tensor) -> tf.Tensor:
        """Reshape values of x' at its positions, [p..., pairs], to broadcast against `cov`."""
        return self._spread(per_position, True) if self.full else per_position

    def _spread(self, t: tf.Tensor, before: bool) -> tf.Tensor:
        sizes = sizes_of(t)
        at = 0 if before else self.positions
        return tf.reshape(t, [*sizes[:at], *[1] * self.positions, *sizes[at:]])

    def joined(self) -> Features:
        """Merge all axes of positions into one, because TensorFlow cannot slice along many axes."""
        return self._with_positions((math.prod(self.cov.shape[: self.positions]),)) if self.positions else self

    def separated(self, sizes: Sequence[int]) -> Features:
        """Undo `joined`: split the axis of positions into axes of these sizes."""
        return self._with_positions(tuple(sizes)) if self.positions else self

    def _with_positions(self, sizes: tuple[int, ...]) -> Features:
        def reshaped(t: tf.Tensor, times: int) -> tf.Tensor:
            return tf.reshape(t, [*sizes * times, *sizes_of(t)[times * self.positions :]])

        means = [None if mean is None else reshaped(mean, 1) for mean in (self.mean1, self.mean2)]
        of_pairs = self.map(lambda t: reshaped(t, 2 if self.full else 1), mean1=means[0], mean2=means[1])
        return evolve(of_pairs, positions=len(sizes))

    @property
    def own1(self) -> tf.Tensor:
        """The variances of x at its positions: [p..., pairs]."""
        return diagonal(self.var1, self.positions) if self.full else self.var1

    @property
    def own2(self) -> tf.Tensor:
        """The variances of x' at its positions: [p..., pairs]."""
        return diagonal(self.var2, self.positions) if self.full else self.var2

    def narrowed(self) -> Features:
        """Keep only the covariances at equal positions."""
        return self.map(lambda t: diagonal(t, self.positions), full=False) if self.full else self

    def coefficient(self, value: Any) -> Any:
        """Reshape a layer's coefficient, or a batch of coefficients, to broadcast against `cov`."""
        if isinstance(value, int | float):
            return tf.constant(value, self.cov.dtype)
        value = tf.cast(tf.convert_to_tensor(value), self.cov.dtype)
        return tf.reshape(value, [*value.shape, *[1] * self.pairs]) if value.shape.rank else value


@frozen(eq=False)
class Joined:
    """Concatenated features of several kinds, as pairs (number of units, features)."""

    parts: tuple[tuple[float, Features], ...]

    def merged(self) -> Features:
        """Return the moments averaged over the units of all kinds."""
        total = sum(units for units, _ in self.parts)
        shares = [units / total for units, _ in self.parts]
        features = [part for _, part in self.parts]
        full = all(part.full for part in features)
        features = features if full else [part.narrowed() for part in features]

        def mean(tensors: Sequence[tf.Tensor | None]) -> tf.Tensor | None:
            known = [tf.cast(s, t.dtype) * t for s, t in zip(shares, tensors, strict=True) if t is not None]
            return sum(known[1:], known[0]) if known else None

        names = ("cov", "ntk", "var1", "var2", "mean1", "mean2")
        moments: dict[str, Any] = {name: mean([getattr(part, name) for part in features]) for name in names}
        return evolve(
            features[0],
            **moments,
            full=full,
            gaussian=False,
            gains=common_gains(features),
            unknown=first_unknown(features),
            flattened=any(part.flattened for part in features),
            sources=frozenset().union(*(part.sources for part in features)),
        )


def common_gains(features: Sequence[Features]) -> int | None:
    """Return the number of trained factors of each unit of combined features; None if it differs."""
    found = {part.gains for part in features}
    return found.pop() if len(found) == 1 else None


def first_unknown(features: Sequence[Features]) -> str:
    """Return why the tangent kernel of combined features is not known, "" if it is."""
    return next((part.unknown for part in features if part.unknown), "")


def diagonal(t: tf.Tensor, positions: int) -> tf.Tensor:
    """Take the entries of a tensor at equal positions p = p': [*P, *P, ...] -> [*P, ...]."""
    if not positions:
        return t
    sizes = sizes_of(t)
    total = math.prod(sizes[:positions])
    equal = tf.reshape(t, [total * total, *sizes[2 * positions :]])[:: total + 1]
    return tf.reshape(equal, [*sizes[:positions], *sizes[2 * positions :]])


def sizes_of(t: tf.Tensor) -> list[Any]:
    """Return the sizes of a tensor's axes, as integers where they are known statically."""
    static = t.shape.as_list()
    if None not in static:
        return static
    dynamic = tf.shape(t)
    return [dynamic[axis] if n is None else n for axis, n in enumerate(static)]
