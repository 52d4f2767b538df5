"""Search away from initialisation: gradient descent, and the worst direction in a ball of weights."""

from .ascent import Maximum, ascend, ascend_best, largest
from .crossings import Crossings, rms_of_variables
from .curvature import SampleCurvature
from .descent import Trajectory, gradient_descent
from .kinks import kink_share
from .quasi_newton import climb
from .vectors import Vector, unit, vector
from .weighted_output import WeightedOutput

__all__ = [
    "Crossings",
    "Maximum",
    "SampleCurvature",
    "Trajectory",
    "Vector",
    "WeightedOutput",
    "ascend",
    "ascend_best",
    "climb",
    "gradient_descent",
    "kink_share",
    "largest",
    "rms_of_variables",
    "unit",
    "vector",
]
