"""Divide a tangent kernel into blocks, so that its computation stays within a memory budget."""

from __future__ import annotations

from attrs import frozen

from ...errors import NtkbenchError
from ..budget import BASE, PER_OPERATION, gib, power_of_two
from ..structure import UNROLLED, ModelSizes, contraction

MAX_BLOCK_BYTES = 32 * 2**20  # bytes of a block of the kernels; larger blocks are no faster and exist in several copies
XLA_BYTES = 48 * 2**20  # bytes that compiling with XLA takes
MAX_WORKING_BYTES = 2**30  # maximum bytes of working memory per product, for any budget


@frozen
class Problem:
    """A kernel to compute.

    Attributes:
        n: Number of samples on the left side.
        m: Number of samples on the right side.
        same: Whether both sides are the same samples.
        units: Number of output units.
        trace: Whether the kernel is summed over output units.
        kernels: Number of kernels (one per requested layer).
        gradients: Number of weights whose gradients are computed per sample.
        weights: Total number of weights.
        products: Whether the kernel is computed by NTK-vector products.
        stored: Whether the result is kept in memory.
        itemsize: Bytes per number.
        xla: Whether the functions are compiled with XLA.
    """

    n: int
    m: int
    same: bool
    units: int
    trace: bool
    kernels: int
    gradients: int
    weights: int
    products: bool
    stored: bool
    itemsize: int
    xla: bool = False

    def block(self, rows: int, columns: int, units: int, kernels: int | None = None) -> int:
        """Return the size in bytes of a block of the kernels."""
        pairs = 1 if self.trace else units * units
        return self.itemsize * rows * columns * pairs * (self.kernels if kernels is None else kernels)

    @property
    def stored_bytes(self) -> int:
        """Return the size in bytes of the result."""
        return self.block(self.n, self.m, self.units)


@frozen
class Plan:
    """Block sizes of a kernel and their memory.

    Attributes:
        rows: Samples per block on the left side.
        columns: Samples per block on the right side.
        units: Output units per block.
        keep: Whether every representation is computed once and cached.
        whole: Whether there is only one block.
        allowance: Bytes of working memory per product.
        predicted_bytes: Peak of the additional memory.
    """

    rows: int
    columns: int
    units: int
    keep: bool
    whole: bool
    allowance: int
    predicted_bytes: int


def plan(problem: Problem, sizes: ModelSizes, budget: int) -> Plan:
    """Return the plan with the largest blocks that fit; raise NtkbenchError if none does."""
    rows, columns, units = problem.n, problem.m, problem.units
    least = _predicted(problem, sizes, rows, columns, units, False, budget)
    while True:
        for keep in (True, False):
            found = _predicted(problem, sizes, rows, columns, units, keep, budget)
            small = problem.products or rows == 1 or problem.block(rows, columns, units) <= MAX_BLOCK_BYTES
            if found.predicted_bytes <= budget and small:
                return found
            least = min(least, found, key=lambda p: p.predicted_bytes)
        if rows == columns == units == 1:
            raise _does_not_fit(problem, least, budget)
        if rows == columns == 1:
            units = -(-units // 2)
        else:
            half = -(-max(rows, columns) // 2)
            rows, columns = min(problem.n, half), min(problem.m, half)


def _predicted(
    problem: Problem, sizes: ModelSizes, rows: int, columns: int, units: int, keep: bool, budget: int
) -> Plan:
    """Return the plan for these block sizes. Compared with fresh processes, predictions are within a factor of 1.5."""
    item, whole = problem.itemsize, (rows, columns, units) == (problem.n, problem.m, problem.units)
    block = problem.block(rows, columns, units)
    passes = 2 + (1 if problem.products else min(units, UNROLLED))
    fixed = (
        BASE
        + XLA_BYTES * problem.xla
        + PER_OPERATION * passes * sizes.operations
        + problem.itemsize * sizes.of_weights
        + (problem.stored_bytes if problem.stored else block)
    )
    if problem.products:
        working = item * (rows * 4 * sizes.activations + 3 * problem.weights) + block
        return Plan(rows, columns, units, False, whole, 0, int(fixed + working))
    one = item * (sizes.rows + units * (sizes.cotangents + problem.gradients))
    sides = problem.n if problem.same else problem.n + problem.m
    if whole:
        kept = one * sides
    elif keep:
        kept = one * sides * -(-problem.units // units)
    else:
        kept = one * (rows + columns)
    # Patches exist in three copies, and cotangents of several output units are stacked.
    patches = max([2 * p.inputs for p in sizes.products if p.positions > 1], default=0)
    columns_at_once = max([p.cotangents for p in sizes.products], default=0)
    stacked = sizes.cotangents + problem.gradients if 1 < units <= UNROLLED else 0
    made = sides if whole else max(rows, columns)
    making = item * made * (sizes.activations + max(patches, columns_at_once) + units * stacked)
    allowance = min(MAX_WORKING_BYTES, power_of_two(budget / 4))
    ways = [contraction(p, rows, columns, units, problem.trace, item, allowance) for p in sizes.products]
    working = max([way.bytes for way in ways], default=2 * problem.block(rows, columns, units, 1)) + 2 * block
    return Plan(rows, columns, units, keep, whole, allowance, int(fixed + kept + max(making, working)))


def flops(problem: Problem, sizes: ModelSizes) -> int:
    """Return the operations of the matrix products: forward pass, one backward pass per unit, and contractions."""
    n, m, units, trace = problem.n, problem.m, problem.units, problem.trace
    passes = 2 * (n if problem.same else n + m) * (1 + units)
    of_passes = passes * sum(p.positions * p.matrices for p in sizes.products)
    return of_passes + sum(contraction(p, n, m, units, trace, problem.itemsize).flops for p in sizes.products)


def _does_not_fit(problem: Problem, least: Plan, budget: int) -> NtkbenchError:
    advice = "a larger memory_gib"
    if problem.stored and problem.stored_bytes > budget / 2:
        advice += f", out=PATH (the kernel itself takes {gib(problem.stored_bytes)}), fewer samples"
    if not problem.trace:
        advice += ", outputs='trace'"
    if problem.gradients:
        advice += ", method='ntk_vector_products'"
    if problem.itemsize == 8:
        advice += ", precision='float32'"
    return NtkbenchError(
        f"The kernel needs {gib(least.predicted_bytes)} even in its smallest blocks, but the memory budget is "
        f"{gib(budget)}. Possible remedies: {advice}."
    )
