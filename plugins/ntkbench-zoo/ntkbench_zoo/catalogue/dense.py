"""Registrations of the dense family."""

from .theory import DAG, VERDICT, derived, floor, linear, linear_with_kinks

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


def hyper(given):
    """Return the claims on a hypernetwork by the size of the network that it makes."""
    both = "Littwin et al. 2020 (arXiv 2003.12193): linear only if both networks are infinitely wide"
    if given["primary"] == "grow":
        return linear(both)
    source = f"{both}; {derived(2, 'the generated weights are few scalars')}"
    return floor(source, hessian_from=8 * given["primary"], kernel_from=8 * given["primary"])


def neural_ode(given):
    """Return the claims on a neural ODE by the size of its state."""
    if given["state"] == "grow":
        return linear(derived(4, "weights are reused at each step; arXiv 2509.22436: the tangent kernel has a limit"))
    source = derived(2, "the state has few entries")
    return floor(source, hessian_from=8 * given["state"], kernel_from=8 * given["state"])


def weight_norm(given):
    """Return the claims on weight normalisation."""
    if given["output"] == "normalised":
        return floor(derived(6, "the gain of the output unit multiplies the features of all units"))
    return linear(derived(5, "each unit has a gain of its own; arXiv 2409.08935 bounds the Hessian"))


def film(given):
    """Return the claims on feature-wise modulation by the size of what modulates."""
    if given["k"] == "grow":
        return linear(derived(1, "gains and offsets come from a growing number of units"))
    source = derived(2, "few units modulate all others")
    return floor(source, hessian_from=8 * given["k"], kernel_from=8 * given["k"])


def prelu(given):
    """Return the claims on trained slopes."""
    if given["slope"] == "own":
        return linear(derived(5, "each unit has a slope of its own"))
    return floor(derived(6, "one slope bends all units of a layer"))


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
        known_limit=False,  # ntkbench knows limits of a fixed depth
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
        known_limit=False,
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
        known_limit=False,  # weights that start at 0
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
    register(
        "maxout",
        "dense:build_maxout",
        summary="hidden units are the maximum of 4 linear ones",
        width_means=UNITS,
        params={"pieces": {"default": 4, "minimum": 2, "maximum": 64, "help": "linear functions of each unit"}},
        theory=linear_with_kinks(derived(1, "units have own parameters; arXiv 2208.04468: the outputs have a limit")),
        pair="fc-relu:depth=3",
        priority="B",
    )
    register(
        "hyper",
        "dense:build_hyper",
        summary="hypernetwork: one half of the input gives the weights of a network of the other half",
        width_means="units in each hidden layer of the hypernetwork; those of the primary network too for primary=grow",
        params={"primary": grow(8, "hidden units of the primary network; grow: width")},
        theory=hyper,
        bottleneck=lambda given: given["primary"] != "grow",
        known_limit=False,
        pair=lambda given: "hyper" if given["primary"] == "grow" else "hyper:primary=grow",
        priority={"B": ({}, {"primary": "grow"})},
    )
    register(
        "kan",
        "dense:build_kan",
        summary="Kolmogorov-Arnold network: a trained function of one variable on each edge",
        width_means="nodes in each hidden layer",
        theory=linear(
            derived(1, "edges have own parameters")
            + "; arXiv 2410.08041 for two layers: gradient descent stays in the kernel regime"
        ),
        pair="fc",
        priority="B",
    )
    register(
        "siren",
        "dense:build_siren",
        summary="sines of a steep first layer and of a second one",
        width_means=UNITS,
        theory=linear(derived(1, "units have own parameters")),
        pair="fc:activation=sin",
        priority="B",
    )
    register(
        "deq",
        "dense:build_equilibrium",
        summary="deep equilibrium network: 12 iterations with the same weights",
        width_means="units of the state",
        theory=linear(derived(4, "weights are reused 12 times; arXiv 2310.14062: the tangent kernel has a limit")),
        pair="fc",
        priority="B",
    )
    register(
        "neural-ode",
        "dense:build_neural_ode",
        summary="eight Euler steps with the same weights",
        width_means="units of the vector field; entries of the state too for state=grow",
        params={
            "state": {"type": "int", "default": "grow", "minimum": 1, "words": ("grow",)}
            | {"help": "entries of the state; grow: width"}
        },
        theory=neural_ode,
        bottleneck=lambda given: given["state"] != "grow",
        known_limit=False,
        pair=lambda given: "neural-ode:state=8" if given["state"] == "grow" else "neural-ode",
        priority={"B": ({}, {"state": 8})},
    )
    register(
        "weight-norm",
        "dense:build_weight_norm",
        summary="weight normalisation of the hidden layers, or of the output unit too",
        width_means=UNITS,
        params={
            "output": {"default": "plain", "choices": ("plain", "normalised"), "help": "whether the readout has a gain"}
        },
        theory=weight_norm,
        bottleneck=lambda given: given["output"] == "normalised",
        pair=lambda given: "weight-norm" if given["output"] == "normalised" else "weight-norm:output=normalised",
        priority={"B": ({}, {"output": "normalised"})},
    )
    register(
        "block-diagonal",
        "dense:build_block_diagonal",
        summary="block-diagonal hidden layers",
        width_means=UNITS,
        params={"block": {"default": 8, "minimum": 1, "maximum": 64, "help": "units of each block"}},
        theory=linear(
            "Zhu, Pandit, Belkin 2022 (arXiv 2203.05104), assembly of weak models; derived: rule R1 (many units)"
        ),
        pair="fc-sparse",
        priority="B",
    )
    register(
        "prelu",
        "dense:build_prelu",
        summary="trained slopes of smooth leaky ReLUs",
        width_means=UNITS,
        params={
            "slope": {"default": "shared", "choices": ("shared", "own")}
            | {"help": "shared: one for each layer; own: one for each unit"}
        },
        theory=prelu,
        bottleneck=lambda given: given["slope"] == "shared",
        known_limit=False,
        pair=lambda given: "prelu" if given["slope"] == "own" else "prelu:slope=own",
        priority={"C": ({}, {"slope": "own"})},
    )
    register(
        "film",
        "dense:build_film",
        summary="feature-wise modulation: one half of the input scales and shifts the units of the other half",
        width_means=UNITS,
        params={
            "k": {"type": "int", "default": "grow", "minimum": 1, "words": ("grow",)}
            | {"help": "units that modulate; grow: width"}
        },
        theory=film,
        bottleneck=lambda given: given["k"] != "grow",
        known_limit=False,
        pair=lambda given: "film:k=4" if given["k"] == "grow" else "film",
        priority={"C": ({}, {"k": 4})},
    )
    register(
        "ensemble",
        "dense:build_ensemble",
        summary="sum of small networks with two hidden layers of four units",
        width_means="number of networks",
        theory=linear(
            "Zhu, Pandit, Belkin 2022 (arXiv 2203.05104), assembly of weak models; derived: rule R1 (many units)"
        ),
        pair="fc",
        priority="C",
    )
    register(
        "albert",
        "dense:build_albert",
        summary="the same hidden layer three times",
        width_means=UNITS,
        theory=linear(derived(4, "weights are reused three times")),
        pair="fc:depth=4",
        priority="C",
    )
    register(
        "icnn",
        "dense:build_icnn",
        summary="input-convex network: averages with positive weights softplus(W)",
        width_means=UNITS,
        theory={},  # Positive sums have a mean, and the rules are about sums of random sign.
        known_limit=False,
        # The network holds a copy of ψ(W) for each sample.
        widths={"quick": (16, 40, 104, 256), "zoo": (16, 32, 64, 128, 256)},
        pair="fc",
        priority="C",
    )
