"""Theory's exponents: what nine rules predict. The README explains the rules.

A source that starts with "derived: rule R…" follows from a rule in a few lines; other sources state the claim.
"""

RULES = {
    1: "many units",
    2: "few scalars",
    3: "averages",
    4: "reuse",
    5: "own scalars",
    6: "shared scalars",
    7: "scale",
    8: "tails",
    9: "depth grows with width",
}
VELOCITY = "the kernel's velocity is a sum over m units of random sign, each m^(-3/2)"
DAG = "Zhu, Liu, Belkin 2022 (arXiv 2205.11786)"
VERDICT = ("kernel_change_worst", "kernel_change_gd")
"""What a verdict rests on besides curvature; controls are judged by it."""


def derived(rule, why):
    """Return the source of a claim that follows from one of the nine rules."""
    return f"derived: rule R{rule} ({RULES[rule]}): {why}"


def claims(source, *, gradient=0.0, hessian, slope, descent=None, hessian_from=1, kernel_from=1):
    """Return the claims on one architecture.

    Args:
        source: Source of all claims.
        gradient: Exponent of gradient_norm.
        hessian: Exponent of hessian_norm.
        slope: Exponent of kernel_change_worst and of kernel_slope, its limit for small radii; None for no claim.
        descent: Exponent of kernel_change_gd; None for no claim.
        hessian_from: Smallest width at which the exponent of the Hessian is visible.
        kernel_from: Smallest width at which those of the kernel are visible.
    """
    found = {
        "gradient_norm": {"exponent": gradient, "source": source},
        "hessian_norm": {"exponent": hessian, "source": source, "from_width": hessian_from},
        "curvature_ratio": {"exponent": hessian - 2 * gradient, "source": source, "from_width": hessian_from},
    }
    if slope is not None:
        claim = {"exponent": slope, "source": source, "from_width": kernel_from}
        found |= {"kernel_change_worst": claim, "kernel_slope": claim}
    if descent is not None:
        found["kernel_change_gd"] = {"exponent": descent, "source": source, "from_width": kernel_from}
    return found


def linear(source):
    """Return the claims on a smooth network that becomes linear."""
    return claims(source, hessian=-0.5, slope=-0.5) | {
        "kernel_change_gd": {"exponent": -1.0, "source": f"{source}; derived: {VELOCITY}"}
    }


def linear_with_kinks(source):
    """Return the claims on a kinked network that becomes linear.

    The Hessian is meant almost everywhere. In the ball, m^(2/3) of m units flip, so that the worst change falls at
    least like m^(-1/3).
    """
    found = claims(source, hessian=-0.5, slope=None)
    found["kernel_change_worst"] = {"exponent": -1 / 3, "source": source, "kind": "upper bound"}
    return found


def floor(source, hessian_from=1, kernel_from=1):
    """Return the claims on a network that stays non-linear however wide it is."""
    return claims(source, hessian=0.0, slope=0.0, descent=0.0, hessian_from=hessian_from, kernel_from=kernel_from)


def exactly_linear(source):
    """Return the claims on a network whose output is linear in its trained parameters."""
    return {"gradient_norm": {"exponent": 0.0, "source": source}}
