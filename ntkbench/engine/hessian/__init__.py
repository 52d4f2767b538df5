"""The Hessian of an output: times a vector, its norm and eigenpairs, and which weights bend it."""

from .bend import bend
from .factored import FactoredHessian, FactoredProduct
from .norm import Eigenpair, HessianEigs, HessianNorm, hessian_eigs, hessian_norm, norms_and_pairs, tied
from .product import hvp

__all__ = [
    "Eigenpair",
    "FactoredHessian",
    "FactoredProduct",
    "HessianEigs",
    "HessianNorm",
    "bend",
    "hessian_eigs",
    "hessian_norm",
    "hvp",
    "norms_and_pairs",
    "tied",
]
