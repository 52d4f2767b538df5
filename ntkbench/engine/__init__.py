"""Derivatives of a model in its weights: tangent kernels, Hessians, linear models and gradient descent."""
