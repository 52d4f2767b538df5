"""Choose how many Hessians Lanczos processes in parallel, and how many steps, within a memory budget."""

from __future__ import annotations

from attrs import frozen

from ...errors import NtkbenchError
from ..budget import BASE, PER_OPERATION, gib
from ..model import Network
from .factored import FactoredProduct

MAX_BASIS_BYTES = 768 * 2**20  # bytes of the bases of all samples processed in parallel; a larger batch is no faster
EXPECTED_STEPS = 48  # Lanczos steps assumed when samples are grouped
FEWEST_STEPS = 8  # fewer steps certify nothing
WORKSPACE = 32  # vectors besides the basis: the newest ones, copies during concatenation, allocator overhead
RECURRENCE = 12  # vectors of the recurrence, which keeps no basis
XLA_BYTES = 64 * 2**20  # bytes that compiling the product with XLA takes
ALIVE_SHARE = 0.5  # share of a product's intermediate results that is alive at one time
GRADIENTS = 6  # vectors of length P allocated by one Hessian-vector product of one sample


@frozen
class Plan:
    """Batch size and step limit of Lanczos.

    Attributes:
        samples: Number of samples processed in parallel.
        steps: Maximum number of Lanczos steps.
        predicted_bytes: Additional memory at EXPECTED_STEPS.
    """

    samples: int
    steps: int
    predicted_bytes: int


@frozen
class Sizes:
    """Memory of one sample, including all vectors that are multiplied at once for it.

    Attributes:
        fixed: Bytes that do not depend on the number of samples.
        kept: Bytes of one sample's constants.
        working: Bytes of one product.
        vector: Bytes of one sample's vectors in one Lanczos step.
        basis: Whether the vectors of all steps are kept.
    """

    fixed: int
    kept: int
    working: int
    vector: int
    basis: bool = True

    def bytes(self, samples: int, steps: int) -> int:
        """Return the peak of the additional memory for so many samples in parallel and `steps` Lanczos steps."""
        vectors = self.vector * (steps + WORKSPACE if self.basis else RECURRENCE)
        return self.fixed + samples * (self.kept + max(self.working, vectors + self.working // 2))


def factored_sizes(operator: FactoredProduct, samples: int, copies: int, basis: bool = True) -> Sizes:
    """Return the sizes for the factored Hessian, from the graph of `samples`·`copies` parallel products."""
    item = operator.net.dtype.size
    return Sizes(
        fixed=BASE + XLA_BYTES * operator.xla + 2 * PER_OPERATION * operator.operations,
        kept=item * operator.kept // samples,
        working=int(ALIVE_SHARE * item * operator.made / samples),
        vector=item * copies * operator.size,
        basis=basis,
    )


def flat_sizes(net: Network, activations: int, copies: int, basis: bool = True) -> Sizes:
    """Return the sizes for one sample's Hessian on vectors of length P; `activations`: size of a forward pass."""
    item = net.dtype.size
    return Sizes(BASE, 0, item * (GRADIENTS * net.size + 6 * activations), item * copies * net.size, basis)


def plan(sizes: Sizes, samples: int, limit: int, budget: int) -> Plan:
    """Return the plan for so many samples and at most `limit` steps.

    Raises:
        NtkbenchError: If one sample with the fewest useful steps does not fit into the budget.
    """
    expected, fewest = min(limit, EXPECTED_STEPS), min(limit, FEWEST_STEPS)
    vectors = sizes.vector * (expected if sizes.basis else RECURRENCE)
    at_once = max(1, min(samples, MAX_BASIS_BYTES // max(1, vectors)))
    while at_once > 1 and sizes.bytes(at_once, expected) > budget:
        at_once -= 1
    if (least := sizes.bytes(at_once, fewest)) > budget:
        raise NtkbenchError(
            f"The Hessian of one sample needs {gib(least)}, but the memory budget is {gib(budget)}. "
            f"Use a narrower model, float32 or a larger memory_gib."
        )
    room = budget - sizes.bytes(at_once, 0)
    steps = min(limit, max(fewest, room // max(1, at_once * sizes.vector))) if sizes.basis else limit
    return Plan(at_once, steps, sizes.bytes(at_once, min(expected, steps)))
