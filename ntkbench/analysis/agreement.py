"""Whether a fitted exponent agrees with theory's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from ..types import Theory
from .scaling import Fit

Agreement = Literal["agrees", "disagrees", "undecided"]
MARKS: dict[Agreement | None, str] = {"agrees": "✓", "disagrees": "✗", "undecided": "·", None: ""}
MARGIN = 0.1
"""How far a finite range of widths may bend an asymptotic exponent (log factors, metrics.md)."""

_RIVALS_OF_ZERO = {
    "gradient_norm": (-0.5, 0.5),
    "lambda_min": (-0.5, 0.5),
    "condition": (-0.5, 0.5),
    "weight_change": (-0.5, 0.5),
    "relative_weight_change": (-0.5, 0.5),
    "kernel_change_worst": (-1 / 3,),
}


def agreement(fit: Fit, theory: Theory | None, quantity: str, margin: float = MARGIN) -> Agreement | None:
    """Compare the interval of a fitted exponent with theory's claim on a quantity.

    "disagrees": the interval misses the exponent ± margin; of an upper bound, it lies above exponent + margin.
    "agrees": it meets that, and excludes the exponents of the rival claim, so that the data speak for this one.
    "undecided": it meets both.

    The rival is what would be true if the network's verdict were the other one. Of an exponent that is not 0 it is 0:
    nothing depends on width. Of 0, that the network does not become linear, it is the slowest fall among networks that
    do: −1/3 for kernel_change_worst, which is that of networks with kinks (smooth ones have −1/2), and −1/2 for the
    others (the Hessian's; along gradient descent the fall is steeper still). The exponent 0 of gradient_norm and of
    other quantities on which no verdict rests has rivals on both sides, ±1/2: those of other parameterisations.

    Args:
        fit: the fitted law.
        theory: the claim, None where there is none.
        quantity: the quantity's name or result key.
        margin: how far the interval may be from the exponent.

    Returns:
        The answer, None without a claim or without an interval.
    """
    far = excess(fit, theory)
    if theory is None or fit.low is None or fit.high is None or far is None:
        return None
    if far > margin:
        return "disagrees"
    excluded = all(not fit.low <= rival <= fit.high for rival in _rivals(theory, quantity.partition(":")[0]))
    return "agrees" if excluded else "undecided"


def excess(fit: Fit, theory: Theory | None) -> float | None:
    """Return how far the interval of `fit` is from theory's exponent, 0 where it holds it.

    Below an upper bound nothing is far. None without a claim or without an interval.
    """
    if theory is None or fit.low is None or fit.high is None:
        return None
    below = 0.0 if theory.kind == "upper bound" else theory.exponent - fit.high
    return max(fit.low - theory.exponent, below, 0.0)


def _rivals(theory: Theory, quantity: str) -> tuple[float, ...]:
    if theory.exponent != 0:
        return (0.0,)
    rivals = _RIVALS_OF_ZERO.get(quantity, (-0.5,))
    # What is allowed by an upper bound is no rival of it.
    return (0.5,) if theory.kind == "upper bound" else rivals


def theory_of(theory: Mapping[str, Mapping[str, Theory]], label: str, key: str, fit: Fit) -> Theory | None:
    """Return theory's claim on the law of a result key, None where theory is silent.

    A second reduction ("hessian_norm:max") follows the law of the first. A claim that speaks from some width on is
    silent on a law that is fitted to smaller widths too.

    Args:
        theory: label → quantity → claim.
        label: the architecture with its parameters.
        key: the result key.
        fit: the fitted law.
    """
    claims = theory.get(label, {})
    claim = claims.get(key, claims.get(key.partition(":")[0]))
    if claim is None or claim.from_width <= 1 or (fit.from_width or 0) >= claim.from_width:
        return claim
    return None
