"""Which quantities and architectures tables and plots show, and how."""

from __future__ import annotations

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
