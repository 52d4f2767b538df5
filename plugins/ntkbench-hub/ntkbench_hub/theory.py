"""Theory's exponents. The rules R1 to R9 are those of ntkbench-zoo; its README states them."""

RULES = {1: "many units", 2: "few scalars"}
VELOCITY = "the kernel's velocity is a sum over m units of random sign, each m^(-3/2)"


def derived(rule, why):
    """Return the source of a claim that follows from one of the rules."""
    return f"derived: rule R{rule} ({RULES[rule]}): {why}"


def _claims(source, hessian, slope, descent, hessian_from=1, kernel_from=1):
    found = {
        "gradient_norm": {"exponent": 0.0, "source": source},
        "hessian_norm": {"exponent": hessian, "source": source, "from_width": hessian_from},
        "curvature_ratio": {"exponent": hessian, "source": source, "from_width": hessian_from},
    }
    if slope is not None:
        claim = {"exponent": slope, "source": source, "from_width": kernel_from}
        found |= {"kernel_change_worst": claim, "kernel_slope": claim}
    if descent is not None:
        found["kernel_change_gd"] = {
            "exponent": descent,
            "source": f"{source}; derived: {VELOCITY}" if descent else source,
            "from_width": kernel_from,
        }
    return found


def linear(source):
    """Return the claims on a smooth network that becomes linear."""
    return _claims(source, -0.5, -0.5, -1.0)


def linear_with_kinks(source):
    """Return the claims on a kinked network that becomes linear; the Hessian is meant almost everywhere.

    In the ball, m^(2/3) of m units flip, so that the worst change falls at least like m^(-1/3).
    """
    worst = {"exponent": -1 / 3, "source": source, "kind": "upper bound"}
    return _claims(source, -0.5, None, None) | {"kernel_change_worst": worst}


def floor(source, hessian_from, kernel_from):
    """Return the claims on a network that stays non-linear however wide it is."""
    return _claims(source, 0.0, 0.0, 0.0, hessian_from, kernel_from)
