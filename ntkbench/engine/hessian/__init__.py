"""The Hessian of one output: Hessian-vector products, spectral norm, eigenpairs and the product with the gradient."""

from .bend import bend
from .curvature_gradient import curvature_gradient
from .factored import FactoredHessian, FactoredProduct, factored_product
from .norm import Eigenpair, HessianEigs, HessianNorm, hessian_eigs, hessian_norm, norms_and_pairs, tied
from .product import hvp

__all__ = [
    "Eigenpair",
    "FactoredHessian",
    "FactoredProduct",
    "HessianEigs",
    "HessianNorm",
    "bend",
    "curvature_gradient",
    "factored_product",
    "hessian_eigs",
    "hessian_norm",
    "hvp",
    "norms_and_pairs",
    "tied",
]
