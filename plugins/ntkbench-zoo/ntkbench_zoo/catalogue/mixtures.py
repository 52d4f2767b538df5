"""Registrations of the family of mixtures."""

from .dense import grow
from .theory import VERDICT, derived, floor, linear


def mixture(given):
    """Return the claims on a mixture by its number of experts and its routing."""
    if given["route"] == "hash":
        return linear(derived(1, "an input has one expert, which nothing that is trained chooses"))
    if given["route"] == "top":
        return floor(
            derived(2, "the router's logit of the expert; almost everywhere, for borders between experts jump")
        )
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
        summary="mixture of experts with soft routing, or with one expert for each input",
        width_means="hidden units of each expert; the number of experts for experts=grow",
        params={
            "experts": grow(4, "number of experts; grow: one per width, of 8 hidden units"),
            "route": {"default": "soft", "choices": ("soft", "top", "hash")}
            | {"help": "soft: all experts; top: the likeliest; hash: one that is fixed for each input"},
        },
        theory=mixture,
        bottleneck=lambda given: given["route"] == "top" or (given["route"] == "soft" and given["experts"] != "grow"),
        known_limit=False,
        pair=lambda given: "mixture:experts=grow" if given == {"experts": 4, "route": "soft"} else "mixture",
        priority={"A": ({}, {"experts": "grow"}), "B": ({"route": "top"},), "C": ({"route": "hash"},)},
        decided_by=VERDICT,  # logits have tails
    )
