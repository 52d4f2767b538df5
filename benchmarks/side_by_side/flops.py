"""Compute the matmul limit: the minimum number of operations in the matrix products of a tangent kernel."""

from __future__ import annotations

import math

from .case import Case, products


def kernel_flops(case: Case) -> int:
    """Return the flops of one forward pass, one backward pass of the activations per output, and the kernel.

    For a layer with T positions, fan-in a and b units, the kernel [N, N, O, O] takes the cheaper of Gram matrices over
    positions, N²T²(a + O²b), and gradients of the layer, NOT·ab + N²O²·ab (times 2 flops). The first layer needs no
    backward pass. Pointwise operations are not counted, and symmetry is not used.
    """
    n, o = case.n, case.outputs
    total = 0
    for i, (shape, positions) in enumerate(products(case.net, case.inputs)):
        a, b, t = math.prod(shape[:-1]), shape[-1], positions
        passes = 1 + (o if i > 0 else 0)
        gram = (n * t) ** 2 * (a + o * o * b)
        gradients = n * o * t * a * b + (n * o) ** 2 * a * b
        total += 2 * (passes * n * t * a * b + min(gram, gradients))
    return total
