"""Theory's exponents in width for the built-in architectures, each with its source.

"derived" means: it follows in a few lines from the source named, or from the definition, and no paper prints it.
"""

from __future__ import annotations

from ..types import Theory

LIU = "Liu, Zhu, Belkin 2020 (arXiv 2010.01092)"
DAG = "Zhu, Liu, Belkin 2022 (arXiv 2205.11786)"
LINEAR_BOTTLENECK = "Zhu, Pandit, Belkin 2022 (arXiv 2206.15058)"
HIERARCHY = "Huang, Yau 2020 (arXiv 1909.08156)"
RNTK = "Alemohammad et al. 2021 (arXiv 2006.10246)"
LAZY = "Chizat, Oyallon, Bach 2019 (arXiv 1812.07956)"

_LIMIT = "derived: the tangent kernel has a limit"
_CONVERGENCE = "derived: the kernel is a mean over m random units, which scatters by 1/√m around its limit"
_INFINITY = "derived: each of m neurons enters the output through a weight of order 1/√m"

KERNEL_LIMIT = {
    "gradient_norm": Theory(0.0, _LIMIT),
    "lambda_min": Theory(0.0, _LIMIT),
    "condition": Theory(0.0, _LIMIT),
    "kernel_convergence": Theory(-0.5, _CONVERGENCE),
}

SMOOTH = KERNEL_LIMIT | {
    "hessian_norm": Theory(-0.5, f"{DAG}, theorem 3.6"),
    "hessian_norm_ball": Theory(-0.5, f"{DAG}, theorem 3.6"),
    "curvature_ratio": Theory(-0.5, f"derived: {DAG}, theorem 3.6, over a gradient norm that stays"),
    "kernel_change_worst": Theory(-0.5, f"derived: {DAG}, theorem 3.6, integrated over the ball"),
    "linearization_error_worst": Theory(-0.5, f"{DAG}, corollary 3.7"),
    "kernel_change_gd": Theory(-1.0, f"{HIERARCHY}: the kernel's velocity is of order 1/m"),
    "linearization_error_gd": Theory(-1.0, f"derived: {HIERARCHY}, a kernel that moves by 1/m"),
    "kernel_change_random": Theory(-1.5, "derived: m² weights share the radius (two or more hidden layers)"),
    "q_infinity": Theory(-0.5, _INFINITY),
    "weight_change": Theory(0.0, "derived: gradient descent in a fixed kernel"),
}
"""Wide, smooth, linear output, two or more hidden layers."""

RELU = KERNEL_LIMIT | {
    "hessian_norm": Theory(-0.5, f"{DAG}, after assumption 3.2: expected, the proof needs smoothness"),
    "curvature_ratio": Theory(-0.5, f"derived: {DAG}, after assumption 3.2, over a gradient norm that stays"),
    "kernel_change_worst": Theory(-0.5, f"derived: {DAG}, after assumption 3.2; a share 1/√m of neurons flips"),
    "kernel_change_gd": Theory(-0.75, "derived for one hidden layer: √m flips of random sign, each worth 1/m"),
    "q_infinity": Theory(-0.5, _INFINITY),
}

_BENT = f"{DAG}: a non-linear output keeps the Hessian at order 1; derived: |φ''(f)| ‖∇f‖²"
_BENT_KERNEL = "derived: K is multiplied by φ'(f)φ'(f'), which moves with the output"

BENT_OUTPUT = {
    "gradient_norm": Theory(0.0, _LIMIT),
    "hessian_norm": Theory(0.0, _BENT),
    "hessian_norm_ball": Theory(0.0, _BENT),
    "curvature_ratio": Theory(0.0, _BENT),
    "kernel_change_worst": Theory(0.0, _BENT_KERNEL),
    "linearization_error_worst": Theory(0.0, _BENT),
    "kernel_change_gd": Theory(0.0, f"{LIU}, abstract: non-linear last layer; {_BENT_KERNEL}"),
    "linearization_error_gd": Theory(0.0, _BENT_KERNEL),
}
"""Non-linear output φ with φ''(0) ≠ 0."""

SATURATING_OUTPUT = {name: BENT_OUTPUT[name] for name in ("gradient_norm", "kernel_change_gd")}
"""φ''(0) = 0: at f ≈ 0 the Hessian's floor vanishes, so only the trained kernel shows the bend."""

_NECK = f"{LINEAR_BOTTLENECK}, abstract, on {LIU}; derived: |∂²f/∂z²| ‖∂z/∂w‖² for a bottleneck neuron z"

BOTTLENECK = {
    "gradient_norm": Theory(0.0, _NECK),
    "hessian_norm": Theory(0.0, _NECK),
    "hessian_norm_ball": Theory(0.0, _NECK),
    "curvature_ratio": Theory(0.0, _NECK),
    "kernel_change_worst": Theory(0.0, _NECK),
    "linearization_error_worst": Theory(0.0, _NECK),
    "kernel_change_gd": Theory(0.0, _NECK),
    "linearization_error_gd": Theory(0.0, _NECK),
    "q_infinity": Theory(0.0, "derived: a bottleneck neuron alone carries a share 1/k of the output"),
}

RECURRENT = {"gradient_norm": Theory(0.0, f"{RNTK}: the tangent kernel has a limit")}

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
    # A single copy has −1. Here the copies move oppositely, by ±δ with δ ~ 1/α, and even orders cancel:
    # K = (K_g(w0 + δ) + K_g(w0 − δ))/2 changes by O(δ²), f = (g(w0 + δ) − g(w0 − δ))/√2 bends by O(δ³).
    "kernel_change_gd": Theory(-2.0, f"{LAZY}; derived: two copies move oppositely by 1/α, first order cancels"),
    "linearization_error_gd": Theory(-2.0, f"{LAZY}; derived: two copies move oppositely by 1/α, second order cancels"),
    "q_infinity": Theory(1.0, _SCALED),
    "lambda_min": Theory(2.0, _SCALED),
    "condition": Theory(0.0, _SCALED),
    "weight_change": Theory(-1.0, f"{LAZY}; derived: weights move by 1/α"),
    "relative_weight_change": Theory(-1.0, f"{LAZY}; derived: weights move by 1/α"),
}
