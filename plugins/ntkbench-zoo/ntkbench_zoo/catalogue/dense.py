"""Registrations of the dense family."""

from .theory import DAG, VERDICT, derived, floor, linear

UNITS = "units in each hidden layer"


def grow(default, what, **bounds):
    """Return the specification of a number that may grow with width, by one per 8 units."""
    return {"type": "int", "default": default, "minimum": 1, "words": ("grow",), "help": what} | bounds


WORST = {"exponent": 0.5, "source": derived(9, "a change of one unit in the worst direction multiplies over layers")}
DEEP = {
    "gradient_norm": {"exponent": 0.5, "source": derived(9, "‖∇f‖² is a sum over layers")},
    "kernel_change_worst": WORST,
    "kernel_slope": WORST,
    "kernel_change_gd": {
        "exponent": 0.0,
        "source": "Hanin, Nica 2020 (arXiv 1909.05989): the kernel moves in training if depth is in proportion to "
        "width; derived: its relative change stays",
    },
}
"""The claims on a plain stack whose depth is in proportion to its width. There is none on the Hessian."""

# Weights grow with the third power of width.
DEEP_WIDTHS = {"quick": (16, 40, 104, 256), "zoo": (16, 32, 64, 128, 256), "full": (16, 32, 64, 128, 256, 512)}


def lora(given):
    """Return the claims on low-rank adapters."""
    if given["rank"] == "grow":
        return linear(derived(1, "the number of units of the adapter grows"))
    why = "∂²f/∂B∂A is the product of ∂f/∂y and the input of an adapter with r hidden units, both of order 1"
    return floor(derived(2, why), hessian_from=8 * given["rank"], kernel_from=8 * given["rank"])


def register_all(register):
    """Register the family."""
    register(
        "fc-sparse",
        "dense:build_sparse",
        summary="fully connected; hidden units read 8 random units each",
        width_means=UNITS,
        params={"degree": {"default": 8, "minimum": 1, "maximum": 64, "help": "inputs of each hidden unit"}},
        theory=linear(derived(1, f"units have own parameters, and in-degrees need not grow ({DAG} asks that they do)")),
        pair="fc:depth=3",
        priority="A",
    )
    register(
        "fc-deep",
        "dense:build_deep",
        summary="plain ReLU network whose depth is width/8",
        width_means=f"{UNITS}; the depth is in proportion",
        params={"ratio": {"default": 8, "minimum": 1, "maximum": 64, "help": "width divided by depth"}},
        theory=DEEP,
        widths=DEEP_WIDTHS,
        pair="resnet-deep",
        priority="A",
        decided_by=VERDICT,
    )
    register(
        "resnet-deep",
        "dense:build_deep_residual",
        summary="residual network whose depth is width/8, with branches divided by √depth",
        width_means=f"{UNITS}; the depth is in proportion",
        params={"ratio": {"default": 8, "minimum": 1, "maximum": 64, "help": "width divided by depth"}},
        theory=linear(
            derived(9, "branches are divided by √depth, so that m²/8 units count as in R1")
            + "; Hayou, Yang 2023 (arXiv 2302.00453) for the forward limit"
        ),
        widths=DEEP_WIDTHS,
        pair="fc-deep",
        priority="A",
    )
    register(
        "rezero",
        "dense:build_rezero",
        summary="residual blocks, each multiplied by one trained number",
        width_means=UNITS,
        theory=floor(derived(6, "one number multiplies the branches of all units")),
        bottleneck=True,
        pair="layerscale",
        priority="A",
    )
    register(
        "layerscale",
        "dense:build_layerscale",
        summary="residual blocks, multiplied by a trained number for each unit",
        width_means=UNITS,
        theory=linear(derived(5, "each unit has a number of its own")),
        pair="rezero",
        priority="A",
    )
    register(
        "lora",
        "dense:build_lora",
        summary="frozen fully connected network with trained low-rank adapters",
        width_means=f"{UNITS}; the rank is fixed, except for rank=grow",
        params={"rank": grow(4, "rank of the adapters; grow: width/8")},
        theory=lora,
        bottleneck=lambda given: given["rank"] != "grow",
        pair=lambda given: "lora" if given["rank"] == "grow" else "lora:rank=grow",
        priority={"A": ({}, {"rank": "grow"})},
        decided_by=VERDICT,
    )
    register(
        "soft-trees",
        "dense:build_soft_trees",
        summary="sum of soft decision trees of depth 2",
        width_means="number of trees",
        theory=linear(
            "derived: rule R1 (many units): trees have own parameters; Kanoh, Sugiyama 2022 (arXiv 2109.04983): the "
            "tangent kernel has a limit and stays constant in training"
        ),
        pair="fc",
        priority="A",  # a control
        decided_by=VERDICT,
    )
