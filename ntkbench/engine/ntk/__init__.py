"""The empirical tangent kernel: planned, computed in blocks by the cheapest exact route, and split by layer."""

from .distance import kernel_distance, relative_change
from .empirical import empirical_ntk
from .jacobian import jacobian
from .kernel_map import KernelMap

__all__ = ["KernelMap", "empirical_ntk", "jacobian", "kernel_distance", "relative_change"]
