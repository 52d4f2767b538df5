"""Registrations of the family of mixtures."""

from .dense import grow
from .theory import VERDICT, derived, floor, linear


def mixture(given):
    """Return the claims on a mixture by its number of experts."""
    if given["experts"] == "grow":
        why = "experts have own parameters; R3: a softmax over many logits is an average, with tails (R8)"
        return linear(derived(1, why))
    why = "the router's logits, one for each expert"
    return floor(derived(2, why), hessian_from=8 * given["experts"], kernel_from=8 * given["experts"])


def register_all(register):
    """Register the family."""
    register(
        "mixture",
        "mixtures:build_mixture",
        summary="mixture of experts with soft routing",
        width_means="hidden units of each expert; the number of experts for experts=grow",
        params={"experts": grow(4, "number of experts; grow: one per width, of 8 hidden units")},
        theory=mixture,
        bottleneck=lambda given: given["experts"] != "grow",
        known_limit=False,
        pair=lambda given: "mixture" if given["experts"] == "grow" else "mixture:experts=grow",
        priority={"A": ({}, {"experts": "grow"})},
        decided_by=VERDICT,  # logits have tails
    )
