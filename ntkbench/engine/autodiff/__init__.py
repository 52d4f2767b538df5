"""First derivatives and Hessian-vector products by automatic differentiation, as compiled functions."""

from .gradient import dense_gradient, gradients, jvp, value_and_jvp
from .hvp import MODES, flat_hvp, forward_safe, second_derivative

__all__ = [
    "MODES",
    "dense_gradient",
    "flat_hvp",
    "forward_safe",
    "gradients",
    "jvp",
    "second_derivative",
    "value_and_jvp",
]
