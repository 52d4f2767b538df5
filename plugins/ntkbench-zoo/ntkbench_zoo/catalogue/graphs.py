"""Registrations of the family of graphs and sets."""

from .dense import grow
from .recurrent import WIDTHS
from .theory import VERDICT, derived, floor, linear

GNTK = "Du et al. 2019 (arXiv 1905.13192): the tangent kernel has a limit"


def gat(given):
    """Return the claims on graph attention by its number of heads."""
    if given["heads"] == "grow":
        return linear("arXiv 2310.08176: a limit exists as the number of heads grows; derived: rule R1 (many units)")
    why = "a head's score of an edge is one scalar"
    return floor(derived(2, why), hessian_from=8 * given["heads"], kernel_from=8 * given["heads"])


def register_all(register):
    """Register the family."""

    def graph(name, target, **spec):
        register(name, f"graphs:{target}", width_means="channels of each node", inputs="graph", widths=WIDTHS, **spec)

    graph(
        "gcn",
        "build_gcn",
        summary="graph convolutions",
        theory=linear(derived(4, f"weights are reused at every node; {GNTK}")),
        pair="gin",
        priority="A",
    )
    graph(
        "gin",
        "build_gin",
        summary="graph isomorphism network with a trained weight ε of a node against its neighbours",
        theory=floor(derived(6, "ε multiplies the features of all channels")),
        bottleneck=True,
        known_limit=False,
        pair="gcn",
        priority="A",
    )
    graph(
        "gat",
        "build_gat",
        summary="graph attention",
        params={"heads": grow(2, "number of heads, which must divide the width; grow: one head per 8 channels")},
        theory=gat,
        bottleneck=lambda given: given["heads"] != "grow",
        known_limit=False,
        pair=lambda given: "gat" if given["heads"] == "grow" else "gat:heads=grow",
        priority={"B": ({}, {"heads": "grow"})},
        decided_by=VERDICT,  # scores have tails
    )
    register(
        "deepsets",
        "graphs:build_deepsets",
        summary="mean over the elements of a set",
        width_means="units in each hidden layer",
        inputs="set",
        theory=linear(derived(4, "weights are reused for every element")),
        widths=WIDTHS,
        pair="set-transformer",
        priority="C",
    )
