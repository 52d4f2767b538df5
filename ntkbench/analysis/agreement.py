"""Compare fitted exponents with the exponents that theory claims."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from ..types import Theory
from .scaling import Fit

Agreement = Literal["agrees", "disagrees", "undecided"]
MARKS: dict[Agreement | None, str] = {"agrees": "✓", "disagrees": "✗", "undecided": "·", None: ""}
MARGIN = 0.1
"""Tolerance on an asymptotic exponent: logarithmic factors shift it over a finite range of widths (metrics.md)."""

_RIVALS_OF_ZERO = {
    "gradient_norm": (-0.5, 0.5),
    "lambda_min": (-0.5, 0.5),
    "condition": (-0.5, 0.5),
    "weight_change": (-0.5, 0.5),
    "relative_weight_change": (-0.5, 0.5),
    "kernel_change_worst": (-1 / 3,),
}


def agreement(fit: Fit, theory: Theory | None, quantity: str, margin: float = MARGIN) -> Agreement | None:
    """Compare the interval of a fitted exponent with the exponent that theory claims.

    "disagrees": the interval does not overlap exponent ± margin. If the claim is an upper bound, the interval lies
    above exponent + margin.
    "agrees": the interval overlaps exponent ± margin and excludes the exponents of the rival claim, so that the data
    support this claim over its rival.
    "undecided": the interval contains both.

    The rival claim is the one that would hold if the network had the opposite verdict:

    - For a claimed exponent other than 0, the rival is 0: the quantity does not depend on the width.
    - For the claim 0 (the network does not become linear), the rival is the slowest decay among networks that do become
      linear: −1/3 for kernel_change_worst, the exponent of networks with kinks (smooth networks have −1/2), and −1/2
      for the other quantities (the exponent of the Hessian; along gradient descent the decay is steeper still).
    - For the claim 0 on gradient_norm and other quantities that no verdict rests on, there are rivals on both sides,
      ±1/2: the exponents in other parameterisations.

    Args:
        fit: The fitted law.
        theory: The claim, or None if theory makes none.
        quantity: The quantity's name or result key.
        margin: Tolerance on the claimed exponent.

    Returns:
        "agrees", "disagrees" or "undecided"; None without a claim or without an interval.
    """
    far = excess(fit, theory)
    if theory is None or fit.low is None or fit.high is None or far is None:
        return None
    if far > margin:
        return "disagrees"
    excluded = all(not fit.low <= rival <= fit.high for rival in _rivals(theory, quantity.partition(":")[0]))
    return "agrees" if excluded else "undecided"


def excess(fit: Fit, theory: Theory | None) -> float | None:
    """Return the distance from the interval of `fit` to theory's exponent, 0 if the interval contains it.

    If the claim is an upper bound, an interval that reaches below it has the distance 0. None without a claim or
    without an interval.
    """
    if theory is None or fit.low is None or fit.high is None:
        return None
    below = 0.0 if theory.kind == "upper bound" else theory.exponent - fit.high
    return max(fit.low - theory.exponent, below, 0.0)


def _rivals(theory: Theory, quantity: str) -> tuple[float, ...]:
    if theory.exponent != 0:
        return (0.0,)
    rivals = _RIVALS_OF_ZERO.get(quantity, (-0.5,))
    # Exponents below an upper bound are consistent with it, so they are not rivals.
    return (0.5,) if theory.kind == "upper bound" else rivals


def theory_of(theory: Mapping[str, Mapping[str, Theory]], label: str, key: str, fit: Fit) -> Theory | None:
    """Return theory's claim on the law of a result key, or None if there is none.

    Other reductions of a quantity ("hessian_norm:max") follow the law of the first. A claim with a `from_width` does
    not apply to a law that was fitted to smaller widths as well.

    Args:
        theory: Claims by label and quantity.
        label: Label of the architecture, with its parameters.
        key: Result key.
        fit: The fitted law.
    """
    claims = theory.get(label, {})
    claim = claims.get(key, claims.get(key.partition(":")[0]))
    if claim is None or claim.from_width <= 1 or (fit.from_width or 0) >= claim.from_width:
        return claim
    return None
