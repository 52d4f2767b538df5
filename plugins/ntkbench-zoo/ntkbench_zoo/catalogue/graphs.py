"""Registrations of the family of graphs and sets."""

from .recurrent import WIDTHS
from .theory import derived, floor, linear

GNTK = "Du et al. 2019 (arXiv 1905.13192): the tangent kernel has a limit"


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
