"""Derivatives: tangent kernels, Hessians, linear models and gradient descent of a model in its weights."""
