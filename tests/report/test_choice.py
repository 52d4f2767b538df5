"""Which quantities and architectures tables and plots show, and how."""

from __future__ import annotations

from ntkbench.architectures.theory import wide
from ntkbench.report.choice import nonlinear_in_theory
from ntkbench.types import Quantity, Theory


def test_variants_are_non_linear_by_their_own_label():
    declared = {
        "kernel_change_gd": Quantity("kernel_change_gd", "", direction="lower"),
        "gradient_norm": Quantity("gradient_norm", ""),
    }
    stays = {"kernel_change_gd": Theory(0, "source")}
    falls = {"kernel_change_gd": Theory(-1, "source"), "gradient_norm": Theory(0, "source")}
    assert nonlinear_in_theory(declared, {"neck:k=4": stays, "neck:k=256": falls}) == {"neck:k=4"}


def test_a_hessian_that_stays_while_the_gradient_grows_is_not_non_linear():
    # Standard parameterisation, one hidden layer: ‖H‖ stays, ‖∇f‖ grows as √m, and the kernel's change falls.
    declared = {"hessian_norm": Quantity("hessian_norm", "", direction="lower")}
    params = {"activation": "tanh", "parameterization": "standard"}
    claims = {"shallow": wide(params, 1, plain=True), "deep": wide(params, 2, plain=True)}
    assert claims["shallow"]["hessian_norm"].exponent == 0
    assert nonlinear_in_theory(declared, claims) == {"deep"}  # one step in its last hidden weights moves all units
    assert nonlinear_in_theory(declared, {"own": {"hessian_norm": Theory(0, "source")}}) == {"own"}
