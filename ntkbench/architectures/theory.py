"""Exponents in width that theory predicts for the built-in architectures, as functions of their parameters.

Every exponent names its source. "derived" means that it follows in a few lines from the named source or from the
definition, but is not printed in any paper. A constant output scale, two copies and orthogonal weights do not change
exponents: the scale multiplies f and all its derivatives by a constant, relative changes in a ball do not depend on
it, and relative changes along gradient descent change only by a constant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve

from ..types import Theory

Params = Mapping[str, Any]
Claims = dict[str, Theory]

LIU = "Liu, Zhu, Belkin 2020 (arXiv 2010.01092)"
DAG = "Zhu, Liu, Belkin 2022 (arXiv 2205.11786)"
LINEAR_BOTTLENECK = "Zhu, Pandit, Belkin 2022 (arXiv 2206.15058)"
HIERARCHY = "Huang, Yau 2020 (arXiv 1909.08156)"
FLIPS = "Allen-Zhu, Li, Song 2018 (arXiv 1811.03962)"
RNTK = "Alemohammad et al. 2021 (arXiv 2006.10246)"
TP2B = "Yang, Littwin 2021 (arXiv 2105.03703)"
TP4 = "Yang, Hu 2021 (arXiv 2011.14522)"
FINITE_HEADS = "arXiv 2506.00846: with finitely many heads the scores stay random"
MANY_HEADS = "Hron et al. 2020 (arXiv 2006.10540): a limit exists as the number of heads grows"
LAZY = "Chizat, Oyallon, Bach 2019 (arXiv 1812.07956)"

KINKED = ("relu",)
"""Activations whose derivative is discontinuous."""
UNBOUNDED = ("quadratic",)
"""Smooth activations with an unbounded derivative, which theorem 3.6 of DAG excludes."""
VISIBLE_RATIO = 8
"""Smallest ratio of width m to bottleneck k at which the exponent of the bottleneck is visible. The contributions of m
units and of k units are of order m^(−1/2) and k^(−1/2); from 8k on, over a factor of 16 in width, their sum falls as
m^(−0.08)."""

_LIMIT = "derived: the tangent kernel has a limit"
_CONVERGENCE = "derived: the kernel is a mean over m random units, which scatters by 1/√m around its limit"
_INFINITY = "derived: each of m neurons enters the output through a weight of order 1/√m"

KERNEL_LIMIT = {
    "gradient_norm": Theory(0.0, _LIMIT),
    "lambda_min": Theory(0.0, _LIMIT),
    "condition": Theory(0.0, _LIMIT),
    "kernel_convergence": Theory(-0.5, _CONVERGENCE),
}

_BLOCK = "derived, at least: the block of a readout weight and its unit's weights is |φ'| ‖h‖/√m · 1/√m"
_HESSIAN = f"{DAG}, theorem 3.6, at most; {_BLOCK}"
_GRADIENT = "derived, at least: ∇K in the m readout weights has the norm 1/√m"
_VELOCITY = "derived: the kernel's velocity is a sum over m units of random sign, each m^(-3/2)"

SMOOTH = KERNEL_LIMIT | {
    "hessian_norm": Theory(-0.5, _HESSIAN),
    "hessian_norm_ball": Theory(-0.5, _HESSIAN),
    "curvature_ratio": Theory(-0.5, f"derived: the Hessian over a gradient norm that stays; {_HESSIAN}"),
    "kernel_change_worst": Theory(-0.5, f"{DAG}, theorem 3.6, integrated over the ball, at most; {_GRADIENT}"),
    "linearization_error_worst": Theory(-0.5, f"{DAG}, corollary 3.7, at most; {_BLOCK}"),
    "kernel_change_gd": Theory(-1.0, f"{HIERARCHY}: the kernel's velocity is 1/m at most; {_VELOCITY}"),
    "linearization_error_gd": Theory(-1.0, f"derived: {HIERARCHY}, a kernel that moves by 1/m"),
    "q_infinity": Theory(-0.5, _INFINITY),
    "weight_change": Theory(0.0, "derived: gradient descent in a fixed kernel"),
}
"""Wide networks with a smooth activation and a linear output."""

_SLOPES = f"{_INFINITY} (slopes are not bounded, so that {DAG}, theorem 3.6, is silent; logarithms apart)"

RANDOM = {
    1: Theory(-1.0, "derived: ∇K has the norm 1/√m, and m weights share the radius (one hidden layer)"),
    2: Theory(-1.5, "derived: ∇K has the norm 1/√m, and m² weights share the radius (two or more hidden layers)"),
}
"""kernel_change_random of smooth networks: {1: one hidden layer, 2: two or more}."""

_ALMOST = f"derived: almost everywhere; {_BLOCK}; expected by {DAG}, after assumption 3.2, whose proof needs smoothness"

RELU = KERNEL_LIMIT | {
    "hessian_norm": Theory(-0.5, _ALMOST),
    "curvature_ratio": Theory(-0.5, _ALMOST),
    "kernel_change_worst": Theory(
        -1 / 3,
        f"derived: m^(2/3) of m units flip, as in {FLIPS}: those with |z| below δ are mδ, they cost mδ³ = R², and all "
        "change K alike",
        from_width=8192,
    ),
    "q_infinity": Theory(-0.5, _INFINITY),
}
"""Wide networks with a kinked activation and a linear output. At smaller widths the smooth part of the change of K is
as large as the part from flipped units, and it falls faster: with 8 or 16 probes the exponent of both together comes
within 0.1 of −⅓ from width 8,192 on (docs/laws.md)."""
RELU_DESCENT = Theory(-0.75, "derived for one hidden layer: √m flips of random sign, each worth 1/m")
"""kernel_change_gd of a kinked network with one hidden layer; no law is derived for deeper ones."""

_READOUT = "derived: ∂f/∂v = h for the readout v, and ‖h‖ grows as √m"
_DESCENT = "derived: up to a first layer that stands still, gradient descent in the NTK parameterisation"
# Widths from which on the exponents measured at depths 1 and 2 are within 0.1 of the limit's: for derivatives of f, and
# for changes of the kernel. Below the second, kernel changes are large or not yet dominated by the readout.
_SHOWS, _SHOWS_IN_CHANGES = 256, 1024

STANDARD = {
    1: {
        "hessian_norm": Theory(0.0, "derived: ∂²f/∂v_i∂w_i = φ'x for the readout v and unit i's weights w_i"),
        "curvature_ratio": Theory(-1.0, f"derived: ∂²f/∂v_i∂w_i = φ'x stays; {_READOUT}"),
        "kernel_change_worst": Theory(-0.5, "derived: a step of length R changes h by R, and ‖h‖ grows as √m"),
        "kernel_change_gd": Theory(-2.0, "derived: hidden weights move by 1/m, and their effects have random signs"),
    },
    2: {
        "hessian_norm": Theory(0.5, "derived: ∂²f/∂v_i∂W_i = φ'h, and ‖h‖ grows as √m"),
        "curvature_ratio": Theory(-0.5, f"derived: ∂²f/∂v_i∂W_i = φ'h grows as √m; {_READOUT}"),
        "kernel_change_worst": Theory(0.0, "derived: a step R along h in the last hidden weights moves all units by R"),
        "kernel_change_gd": Theory(-1.0, f"{_DESCENT}; {_VELOCITY}"),
    },
}
"""Fully connected networks in the standard parameterisation: {1: one hidden layer, 2: two or more}."""


def with_slope(claims: Claims, params: Params) -> Claims:
    """Return the claims together with that on kernel_slope, which is kernel_change_worst per radius as R → 0.

    In a kinked network kernel_change_worst is that of flipped units, which kernel_slope does not see.
    """
    worst = claims.get("kernel_change_worst")
    if worst is None or params["activation"] in KINKED:
        return claims
    return claims | {"kernel_slope": evolve(worst, source=f"derived: the limit R → 0; {worst.source}")}


def kernel_limit(params: Params) -> Claims:
    """Return the claims for a network of which only the limit kernel is known."""
    return _parameterised(dict(KERNEL_LIMIT), params)


def wide(params: Params, hidden: int, plain: bool = False) -> Claims:
    """Return the claims for a wide network with a linear output.

    Args:
        params: Parameters of the architecture, with "activation" and "parameterization".
        hidden: Smallest number of hidden layers on a path from input to output.
        plain: Whether the network is fully connected and each layer reads only the previous one.
    """
    activation, depth = params["activation"], min(hidden, 2)
    if activation in KINKED:
        claims = dict(RELU)
        if plain and depth == 1:
            claims["kernel_change_gd"] = RELU_DESCENT
    else:
        claims = SMOOTH | {"kernel_change_random": RANDOM[depth]}
    if activation in UNBOUNDED:
        for key, claim in claims.items():
            if DAG in claim.source or HIERARCHY in claim.source:
                claims[key] = evolve(claim, source=_SLOPES, kind="upper bound")
    found = _parameterised(claims, params)
    found |= {"mean-field": MEAN_FIELD_DESCENT, "mup": MUP_CHANGES}.get(params["parameterization"], {})
    if params["parameterization"] == "standard" and plain:
        for key, claim in STANDARD[depth].items():
            found[key] = evolve(claim, from_width=_SHOWS_IN_CHANGES if "change" in key else _SHOWS)
        if activation in KINKED:
            del found["kernel_change_gd"]
    return found


def _parameterised(claims: Claims, params: Params) -> Claims:
    """Return the claims for a network with a linear readout of m units, given those for the NTK parameterisation."""
    if params["parameterization"] == "mean-field":
        return _scaled(claims)
    if params["parameterization"] == "mup":
        return _stretched(claims)
    if params["parameterization"] == "standard":
        found = {"gradient_norm": Theory(0.5, f"{_READOUT}; no other weight's part grows faster", from_width=_SHOWS)}
        if "lambda_min" in claims:
            for key, exponent in (("lambda_min", 1.0), ("condition", 0.0)):
                found[key] = Theory(exponent, "derived: K/m has a limit", from_width=_SHOWS_IN_CHANGES)
        return found
    return claims


_OVER = "the output is that of the NTK parameterisation over √m"
_POWERS = {"gradient_norm": 1, "hessian_norm": 1, "hessian_norm_ball": 1, "q_infinity": 1, "lambda_min": 2}
_POWERS |= {"curvature_ratio": -1} | dict.fromkeys(
    ("condition", "kernel_convergence", "kernel_change_worst", "kernel_change_random", "linearization_error_worst"), 0
)
"""Power of the output scale by which a quantity is multiplied. Quantities along gradient descent do not follow one."""

_FAR = "a kernel of order 1/m lets weights move by √m, and features by order 1"
MEAN_FIELD_DESCENT = {
    "kernel_change_gd": Theory(0.0, f"{TP4}; derived: {_FAR}"),
    "linearization_error_gd": Theory(0.0, f"{TP4}; derived: {_FAR}"),
    "weight_change": Theory(0.5, f"derived: {_FAR}"),
}


def _scaled(claims: Claims) -> Claims:
    """Return the claims for the mean-field parameterisation, without those along gradient descent."""
    return {
        key: evolve(claim, exponent=claim.exponent - _POWERS[key] / 2, source=f"derived: {_OVER}; {claim.source}")
        for key, claim in claims.items()
        if key in _POWERS
    }


_STRETCHED = {"gradient_norm": 0.5, "hessian_norm": 1.0, "lambda_min": 1.0, "curvature_ratio": 0.0}
_STRETCHED |= {"condition": 0.0, "kernel_convergence": 0.0, "q_infinity": 0.0}
"""Exponents by which quantities at w0 grow when w is replaced by √m·w, added to those of the mean-field
parameterisation. A ball of radius R then is one of radius R√m, so its claims do not carry over."""

_MAXIMAL = f"{TP4}, theorem on maximal updates: one learning rate moves features, and with them K, by order 1"
MUP_CHANGES = {
    "kernel_change_gd": Theory(0.0, _MAXIMAL),
    "linearization_error_gd": Theory(0.0, f"derived: {_MAXIMAL}"),
    "kernel_change_worst": Theory(0.0, f"derived: within a distance of order 1; {_MAXIMAL}"),
    "weight_change": Theory(0.0, "derived: mean-field weights move by √m, and these are 1/√m of them"),
}
"""Changes of a network of full width in the maximal-update parameterisation."""


def _stretched(claims: Claims) -> Claims:
    """Return the claims for the maximal-update parameterisation at w0: mean-field with weights √m times as large."""
    scale = "derived: mean-field in weights √m times as large"
    return {
        key: evolve(claim, exponent=claim.exponent + _STRETCHED[key], source=f"{scale}; {claim.source}")
        for key, claim in _scaled(claims).items()
        if key in _STRETCHED
    }


_NONLINEAR = f"{DAG}: a non-linear output keeps the Hessian at order 1; derived: |φ''(f)| ‖∇f‖²"
_NONLINEAR_KERNEL = "derived: K is multiplied by φ'(f)φ'(f'), which moves with the output"

NONLINEAR_OUTPUT = {
    "gradient_norm": Theory(0.0, _LIMIT),
    "hessian_norm": Theory(0.0, _NONLINEAR),
    "hessian_norm_ball": Theory(0.0, _NONLINEAR),
    "curvature_ratio": Theory(0.0, _NONLINEAR),
    "kernel_change_worst": Theory(0.0, _NONLINEAR_KERNEL),
    "linearization_error_worst": Theory(0.0, _NONLINEAR),
    "kernel_change_gd": Theory(0.0, f"{LIU}, abstract: non-linear last layer; {_NONLINEAR_KERNEL}"),
    "linearization_error_gd": Theory(0.0, _NONLINEAR_KERNEL),
}
"""Non-linear output activation φ with φ''(0) ≠ 0."""

SATURATING_OUTPUT = {name: NONLINEAR_OUTPUT[name] for name in ("gradient_norm", "kernel_change_gd")}
"""Output activation with φ''(0) = 0: near f = 0 its contribution to the Hessian vanishes, so the non-linearity shows
only in the trained kernel."""


def nonlinear_output(params: Params, saturating: bool = False) -> Claims:
    """Return the claims for a network with a non-linear output activation; none outside the NTK parameterisation."""
    if params["parameterization"] != "ntk":
        return {}
    return SATURATING_OUTPUT if saturating else NONLINEAR_OUTPUT


_NECK = f"{LINEAR_BOTTLENECK}, abstract, on {LIU}; derived: |∂²f/∂z²| ‖∂z/∂w‖² for a bottleneck neuron z"
_FLOORS = (
    "hessian_norm", "hessian_norm_ball", "curvature_ratio", "kernel_change_worst", "linearization_error_worst",
    "kernel_change_gd", "linearization_error_gd",
)  # fmt: skip


_ROOT = "derived: rule R1 with √m units: each enters through a weight of order m^(-1/4)"

ROOT_BOTTLENECK = {
    "gradient_norm": Theory(0.0, _LIMIT),
    "hessian_norm": Theory(-0.25, _ROOT, from_width=64),
    "curvature_ratio": Theory(-0.25, _ROOT, from_width=64),
    "kernel_change_worst": Theory(-0.25, _ROOT, from_width=64),
    "kernel_change_gd": Theory(
        -0.5, "derived: the kernel's velocity is a sum over √m units of random sign", from_width=64
    ),
}
"""Fully connected networks with a bottleneck of √m units. From width 64 on, the bottleneck is VISIBLE_RATIO times
narrower than the other layers."""


def bottleneck(params: Params) -> Claims:
    """Return the claims for a network with a layer of k units, or of √m; most hold only for widths well above k.

    With log m units the Hessian falls more slowly than any power of m, for which there is no exponent.
    """
    if params["k"] == "sqrt":
        return _parameterised(ROOT_BOTTLENECK, params)
    if params["k"] == "log":
        return _parameterised({"gradient_norm": ROOT_BOTTLENECK["gradient_norm"]}, params)
    above = VISIBLE_RATIO * params["k"]
    claims = {"gradient_norm": Theory(0.0, _NECK)} | {key: Theory(0.0, _NECK, from_width=above) for key in _FLOORS}
    share = "derived: a bottleneck neuron alone carries a share 1/k of the output"
    return _parameterised(claims | {"q_infinity": Theory(0.0, share, from_width=above)}, params)


_REUSED = (
    f"derived: T uses of one matrix, each a sum over m units; {TP2B}: the kernel's limit holds with shared weights"
)


def averaged(params: Params, hidden: int) -> Claims:
    """Return the claims for a wide network with a readout of the mean over positions, which reuses its weights there.

    Args:
        params: Parameters of the architecture, with "activation" and "parameterization".
        hidden: Smallest number of hidden layers on a path from input to output.
    """
    shown = ("gradient_norm", "hessian_norm", "curvature_ratio", "kernel_change_worst", "kernel_change_gd")
    claims = wide(params, hidden)
    return {
        key: evolve(claims[key], source=f"derived: rule R4, weights reused at every pixel; {claims[key].source}")
        for key in shown
        if key in claims
    }


def recurrent(params: Params) -> Claims:
    """Return the claims for a recurrent network with a readout of the last state or of the mean of all states.

    For kinked activations only the limit of the kernel is known. With shared weights the constants grow with the number
    of steps, and measured exponents approach the bounds from steeper ones.
    """
    claims = {"gradient_norm": Theory(0.0, f"{RNTK}: the tangent kernel has a limit")}
    if params["activation"] not in KINKED:
        claims |= {
            "hessian_norm": Theory(-0.5, f"{_REUSED}; {_BLOCK}"),
            "curvature_ratio": Theory(-0.5, f"{_REUSED}; {_BLOCK}"),
            "kernel_change_worst": Theory(-0.5, _REUSED, "upper bound"),
            "kernel_change_gd": Theory(-1.0, f"{_REUSED}; {_VELOCITY}", "upper bound"),
        }
    return _parameterised(claims, params)


def attention(params: Params) -> Claims:
    """Return the claims for attention with a fixed number of heads, at widths well above that number.

    The effect of the attention scores on the kernel shows only at large width: with 4 heads at width 512, query and key
    weights carry 12 % of ‖∇²f·∇f‖², and the remaining part falls as 1/m. The exponent is therefore within 0.1 of 0 only
    from about 4096 channels per head on. With a growing number of heads, or scores that average over channels, there
    is no such effect.
    """
    if params["heads"] == "grow":
        source = f"derived: rules R1 and R2, one score per head, and m/8 heads; {MANY_HEADS}"
        return _parameterised(_many_units(source, params), params)
    if params["scale"] == "inverse":
        source = "derived: rule R3, a score q·k/d averages over d channels"
        return _parameterised(_many_units(source, params), params)
    source = f"derived: a score q·k/√d is one scalar z with |∂²f/∂z²| ‖∂z/∂w‖² of order 1; {FINITE_HEADS}"
    return _parameterised(_few_scalars(source, VISIBLE_RATIO * params["heads"], 4096 * params["heads"]), params)


def mixer(params: Params) -> Claims:
    """Return the claims for the MLP-mixer: the number of tokens is fixed, and all channels share the token mixing.

    The effect of token mixing shows only at large width. In the Hessian it shows from width 64 on (eight times the
    eight tokens); in the kernel later: at width 512 the token matrices carry 64 % of ‖∇²f·∇f‖², and the remaining part
    falls as 1/m.
    """
    source = "derived: a weight that mixes tokens moves all m channels at once, so that it is one scalar of order 1"
    return _parameterised(_few_scalars(source, 64, 1024), params)


def _many_units(source: str, params: Params) -> Claims:
    """Return the claims for a network whose output is a sum over many units with parameters of their own."""
    claims = {"gradient_norm": Theory(0.0, source)}
    claims |= {key: Theory(-0.5, source) for key in ("hessian_norm", "curvature_ratio")}
    if params["activation"] not in KINKED:
        claims["kernel_change_worst"] = Theory(-0.5, source)
        claims["kernel_change_gd"] = Theory(-1.0, f"{source}; {_VELOCITY}")
    return claims


def _few_scalars(source: str, hessian_from: int, kernel_from: int) -> Claims:
    claims = {"gradient_norm": Theory(0.0, f"derived: random, and of order 1; {source}")}
    claims |= {key: Theory(0.0, source, from_width=hessian_from) for key in ("hessian_norm", "curvature_ratio")}
    return claims | {
        key: Theory(0.0, source, from_width=kernel_from) for key in ("kernel_change_worst", "kernel_change_gd")
    }


_SCALED = "derived: the output and all its derivatives are multiplied by α"

LAZY_SCALE = {
    "gradient_norm": Theory(1.0, _SCALED),
    "hessian_norm": Theory(1.0, _SCALED),
    "hessian_norm_ball": Theory(1.0, _SCALED),
    "curvature_ratio": Theory(-1.0, _SCALED),
    "kernel_change_worst": Theory(0.0, "derived: a relative change is blind to α"),
    "kernel_change_random": Theory(0.0, "derived: a relative change is blind to α"),
    "linearization_error_worst": Theory(0.0, "derived: a relative error is blind to α"),
    "linearization_error_random": Theory(0.0, "derived: a relative error is blind to α"),
    # The exponent of a single copy is −1. Here the copies move in opposite directions, by ±δ with δ ~ 1/α, so even
    # orders cancel:
    # K = (K_g(w0 + δ) + K_g(w0 − δ))/2 changes by O(δ²), and the error of the linear model of
    # f = (g(w0 + δ) − g(w0 − δ))/√2 is O(δ³).
    "kernel_change_gd": Theory(-2.0, f"{LAZY}; derived: two copies move oppositely by 1/α, first order cancels"),
    "linearization_error_gd": Theory(-2.0, f"{LAZY}; derived: two copies move oppositely by 1/α, second order cancels"),
    "q_infinity": Theory(1.0, _SCALED),
    "lambda_min": Theory(2.0, _SCALED),
    "condition": Theory(0.0, _SCALED),
    "weight_change": Theory(-1.0, f"{LAZY}; derived: weights move by 1/α"),
    "relative_weight_change": Theory(-1.0, f"{LAZY}; derived: weights move by 1/α"),
}


def lazy(params: Params) -> Claims:
    """Return the claims for a sweep of the output scale α, for any parameterisation of the fixed network.

    With kinked activations there are no claims along gradient descent: weights that move by 1/α may or may not cross a
    kink.
    """
    along = ("kernel_change_gd", "linearization_error_gd")
    kinked = params["activation"] in KINKED
    return {key: claim for key, claim in LAZY_SCALE.items() if not (kinked and key in along)}
