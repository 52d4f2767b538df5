"""Whether a fitted exponent agrees with theory's."""

from __future__ import annotations

from collections.abc import Mapping

from ..types import Theory
from .scaling import Fit

MARGIN = 0.15
"""How far a finite range of widths may bend an asymptotic exponent (log factors, metrics.md)."""


def agrees(fit: Fit, theory: Theory | None, margin: float = MARGIN) -> bool | None:
    """Tell whether the interval of `fit` meets theory's exponent ± margin; None where one of the two claims nothing."""
    if theory is None or fit.low is None or fit.high is None:
        return None
    return fit.low <= theory.exponent + margin and fit.high >= theory.exponent - margin


def theory_of(theory: Mapping[str, Mapping[str, Theory]], architecture: str, key: str) -> Theory | None:
    """Return theory's claim on a result key. A second reduction ("hessian_norm:max") follows the law of the first."""
    claims = theory.get(architecture, {})
    return claims.get(key, claims.get(key.partition(":")[0]))
