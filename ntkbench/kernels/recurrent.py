"""Define the infinite-width layers over the steps of a sequence: recurrence, last step and reversal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from attrs import evolve, field, frozen

from .coefficients import deviation, real
from .duals import CLOSED, Dual, dual_of
from .features import Features, NoLimit
from .layer import Layer, Pairing, gains_unknown, require_gaussian, require_plain


@frozen(eq=False)
class Recurrence(Layer):
    """Recurrent layer h_t = φ(g_t), g_t = z_t + (weight_std / √n) W h_{t−1}, on the steps z_t of a dense layer.

    The entries of W are N(0, 1), and the same W acts at every step. In the limit all g_t are jointly Gaussian, and the
    gradients of g_t and g'_s have a covariance that follows the pairs of steps (t, s), (t−1, s−1), … to a first step:

        cov_g(t, s) = cov_z(t, s) + σ_w² cov_h(t−1, s−1)
        ntk_g(t, s) = ntk_z(t, s) + σ_w² (cov_h + ntk_h)(t−1, s−1)
        cov_h = E[φ(u) φ(v)],  ntk_h = E[φ'(u) φ'(v)] · ntk_g  for Gaussian u = g_t, v = g'_s

    A masked step has no state: the recurrence of a pair starts where both sequences exist, while the variances of each
    follow its whole length.

    Attributes:
        activation: Name of φ, or a smooth function of TensorFlow.
        weight_std: Standard deviation σ_w of the recurrent weights: a number, or a tensor or variable of the kernel's
            batch shape.
        initial_std: Standard deviation of the entries of the state before the first step, likewise. They are fixed
            Gaussian numbers, independent for different inputs.
        train_weights: Whether W is trained and therefore contributes to the tangent kernel.
        multiplier: Multiplier of W, as in `ntkbench.layers.Parametric`.
        who: Name of the layer in error messages.

    Source: Alemohammad et al. 2021 (arXiv 2006.10246); Yang 2020 (arXiv 2006.14548) for all pairs of steps.
    """

    activation: Dual = field(default=CLOSED["relu"], converter=dual_of)
    weight_std: Any = field(default=1.0, validator=deviation)
    initial_std: Any = field(default=0.0, validator=deviation)
    train_weights: bool = True
    multiplier: float = field(default=1.0, validator=real)
    who: str = "A recurrent layer"

    def __call__(self, *features: Features) -> Features:
        """Return the features of the states of all steps."""
        (z,) = features
        require_gaussian(z, self.who)
        if z.positions != 1:
            raise NoLimit(f"{self.who} reads {z.positions} axes of positions; it needs sequences [steps, features].")
        own1, own2 = self._variances(z, z.own1, z.mask1), self._variances(z, z.own2, z.mask2)
        cov, ntk = self._states(z, z.cov, z.ntk, (own1, own2), (z.mask1, z.mask2), z.same)
        if z.full:
            var1, _ = self._states(z, z.var1, None, (own1, own1), (z.mask1, z.mask1), None)
            var2, _ = self._states(z, z.var2, None, (own2, own2), (z.mask2, z.mask2), None)
        else:
            var1, var2 = (_existing(self.activation.second(own), m) for own, m in ((own1, z.mask1), (own2, z.mask2)))
        mean1, mean2 = self.activation.mean(own1), self.activation.mean(own2)
        moments = {"cov": cov, "ntk": ntk, "var1": var1, "var2": var2, "mean1": mean1, "mean2": mean2}
        return evolve(z, **moments, gaussian=False, unknown=z.unknown or gains_unknown(z, self.who))

    def _variances(self, z: Features, var: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
        """Return the variance of every pre-activation g_t of one of the inputs: [T, pairs]."""
        weight = z.coefficient(self.weight_std) ** 2
        initial = self._initial(z, _first(mask, var), None)

        def step(before: tuple[tf.Tensor, tf.Tensor], now: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
            g = now["var"] + weight * (before[0] + now.get("initial", 0))
            return _existing(self.activation.second(g), now.get("mask")), g

        return _scan(step, {"var": var, "initial": initial, "mask": mask}, 2, weight)[1]

    def _states(
        self,
        z: Features,
        cov: tf.Tensor,
        ntk: tf.Tensor | None,
        own: tuple[tf.Tensor, tf.Tensor],
        masks: tuple[tf.Tensor | None, tf.Tensor | None],
        same: tf.Tensor | None,
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Return cov and ntk of the states, given those of z and the variances of g.

        The scan runs over the steps t of x. It holds all steps s of x' if z is `full`, otherwise only s = t.
        """
        weight = z.coefficient(self.weight_std) ** 2
        with_ntk = ntk is not None or (self.train_weights and cov is z.cov)
        joint = initial = None
        if masks[0] is not None and masks[1] is not None:
            joint = z.left(masks[0]) & z.right(masks[1])
        first = [_first(mask, var) for mask, var in zip(masks, own, strict=True)]
        initial = self._initial(z, z.left(first[0]) & z.right(first[1]), same)

        def step(before: tuple[tf.Tensor, ...], now: dict[str, tf.Tensor]) -> tuple[tf.Tensor, ...]:
            state = [_one_later(h) for h in before] if z.full else list(before)
            state[0] = weight * (state[0] + now.get("initial", 0))
            g = now["cov"] + state[0]
            value, slope = self.activation.moments(now["own1"], now["own2"], g)
            after = [value]
            if with_ntk:
                parts = [weight * state[1], *([self.multiplier**2 * state[0]] if self.train_weights else [])]
                parts += [now["ntk"]] if "ntk" in now else []
                after.append(slope * sum(parts[1:], parts[0]))
            return tuple(_existing(h, now.get("mask")) for h in after)

        over = {"cov": cov, "ntk": ntk, "own1": own[0], "mask": joint, "initial": initial}
        over["own2"] = tf.broadcast_to(own[1], [own[1].shape[0], *own[1].shape]) if z.full else own[1]
        found = _scan(step, over, 1 + with_ntk, weight)
        return found[0], found[1] if with_ntk else None

    def _initial(self, z: Features, first: tf.Tensor, same: tf.Tensor | None) -> tf.Tensor | None:
        """Return the covariance of the states before the first steps, [T, pairs]; None if they are 0."""
        if not self.compares_inputs:
            return None
        value = z.coefficient(self.initial_std) ** 2
        return tf.where(first if same is None else first & same, value, tf.zeros_like(value))

    @property
    def compares_inputs(self) -> bool:
        """Whether the states before the first step differ from 0, and so are shared only by equal inputs."""
        return not (isinstance(self.initial_std, int | float) and self.initial_std == 0)

    @property
    def exact(self) -> bool:
        """Whether the dual is exact up to rounding."""
        return self.activation.exact

    def refined(self) -> Layer:
        """Return the layer with twice as many terms in its quadrature."""
        return evolve(self, activation=self.activation.refined())

    @property
    def parameters(self) -> tuple[Any, ...]:
        """The two standard deviations."""
        return self.weight_std, self.initial_std


@frozen
class LastStep(Layer):
    """The features of the last step of every sequence."""

    unitwise = True
    reads = "last"

    def __call__(self, *features: Features) -> Features:
        """Return the features without positions."""
        h = features[0].narrowed()
        require_plain(h, "The last step")
        if h.positions != 1:
            raise NoLimit(f"The last step of features with {h.positions} axes of positions is not defined.")
        means = [None if mean is None else mean[-1] for mean in (h.mean1, h.mean2)]
        last = h.map(lambda t: t[-1], positions=0, mask1=None, mask2=None)
        return evolve(last, mean1=means[0], mean2=means[1])


@frozen
class Reverse(Layer):
    """The steps of every sequence in reverse order."""

    unitwise = True

    def __call__(self, *features: Features) -> Features:
        """Return the features in reverse order."""
        (h,) = features
        require_plain(h, "A reversal")
        if h.positions != 1:
            raise NoLimit(f"A reversal needs sequences, but the features have {h.positions} axes of positions.")

        def flipped(t: tf.Tensor | None) -> tf.Tensor | None:
            return None if t is None else tf.reverse(t, [0])

        axes = [0, 1] if h.full else [0]
        return evolve(
            h.map(lambda t: tf.reverse(t, axes)),
            mean1=flipped(h.mean1),
            mean2=flipped(h.mean2),
            mask1=flipped(h.mask1),
            mask2=flipped(h.mask2),
        )

    def pairing(self, later: Pairing) -> Pairing:
        """Return which pairs the layer reads: those counted from the other end."""
        ends: dict[Pairing, Pairing] = {"first": "last", "last": "first", "full": "full"}
        return ends[later]


def _first(mask: tf.Tensor | None, like: tf.Tensor) -> tf.Tensor:
    """Return which steps are the first of their sequence: [T, pairs]."""
    if mask is None:
        return tf.reshape(tf.range(like.shape[0]) == 0, [-1, *[1] * (like.shape.rank - 1)])
    return mask & ~_one_later(mask)


def _one_later(t: tf.Tensor) -> tf.Tensor:
    """Move the entries along the first axis by one step; the first one is 0 or false."""
    return tf.concat([tf.zeros_like(t[:1]), t[:-1]], 0)


def _existing(t: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
    """Set the entries of steps that do not exist to 0."""
    return t if mask is None else tf.where(mask, t, tf.zeros_like(t))


def _scan(
    step: Callable[[Any, dict[str, tf.Tensor]], Any], over: dict[str, tf.Tensor | None], count: int, weight: tf.Tensor
) -> tuple[tf.Tensor, ...]:
    """Return `count` tensors stacked over the steps, each computed from the ones before and the entries of `over`."""
    given = {name: t for name, t in over.items() if t is not None}
    zero = tf.zeros_like(sum(tf.cast(t[0], weight.dtype) for t in given.values()) + weight)
    return tf.scan(step, given, (zero,) * count)
