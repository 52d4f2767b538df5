"""How many Hessians Lanczos takes side by side, and how many steps, so that it stays within a memory budget."""

from __future__ import annotations

from attrs import frozen

from ...errors import NtkbenchError
from ..budget import BASE, PER_OPERATION, gib
from ..model import Network
from ..structure import made, numbers
from .factored import FactoredProduct
from .orthonormal import LARGE

FAST = 768 * 2**20  # bytes of the basis of samples side by side: a larger one is no faster
EXPECTED_STEPS = 48  # of Lanczos, by which samples are grouped
FEWEST_STEPS = 8  # with fewer nothing is certified
BESIDE = 32  # vectors beside the basis: the newest ones, copies while they are joined, what the allocator keeps
MOVING = 12  # vectors of a recurrence, which keeps no basis
XLA = 64 * 2**20  # bytes that XLA takes to compile the product, and as many for the orthogonalisation
AT_ONCE = 0.5  # of what a product makes, the share that is there at one time
GRADIENTS = 6  # vectors of all weights that one product with the Hessian of a sample makes


@frozen
class Plan:
    """samples: side by side.   steps: of Lanczos, at most.   predicted_bytes: what is added at EXPECTED_STEPS."""

    samples: int
    steps: int
    predicted_bytes: int


@frozen
class Sizes:
    """What one sample takes, with all vectors that are multiplied at once for it.

    fixed: bytes, whatever the samples are.   kept, working: bytes of one sample's constants, and of a product.
    vector: bytes of its vectors in one step of Lanczos.   basis: whether those of all steps are kept.
    """

    fixed: int
    kept: int
    working: int
    vector: int
    basis: bool = True

    def bytes(self, samples: int, steps: int) -> int:
        """Return the peak that `steps` of Lanczos add for so many samples side by side."""
        vectors = self.vector * (steps + BESIDE if self.basis else MOVING)
        return self.fixed + samples * (self.kept + max(self.working, vectors + self.working // 2))


def factored_sizes(operator: FactoredProduct, samples: int, copies: int, basis: bool = True) -> Sizes:
    """Return the sizes of the factored Hessian, from the graph of `samples`·`copies` products side by side."""
    item, hoisted = operator.net.dtype.size, operator.hoisted
    operations = len(hoisted.work) + len(hoisted.kept)
    large = samples > 1 and samples * copies * operator.size >= LARGE
    return Sizes(
        fixed=BASE + XLA * (operator.xla + large) + 2 * PER_OPERATION * operations,
        kept=item * numbers(hoisted.kept) // samples,
        working=int(AT_ONCE * item * made(hoisted.work) / samples),
        vector=item * copies * operator.size,
        basis=basis,
    )


def flat_sizes(net: Network, activations: int, copies: int, basis: bool = True) -> Sizes:
    """Return the sizes of the Hessian of one sample on vectors of all weights. activations: of one forward pass."""
    item = net.dtype.size
    return Sizes(BASE, 0, item * (GRADIENTS * net.size + 6 * activations), item * copies * net.size, basis)


def plan(sizes: Sizes, samples: int, limit: int, budget: int) -> Plan:
    """Return the plan of so many samples and at most `limit` steps.

    Raises NtkbenchError when one sample does not fit with the fewest steps that certify anything.
    """
    expected, fewest = min(limit, EXPECTED_STEPS), min(limit, FEWEST_STEPS)
    fast = FAST // max(1, sizes.vector * (expected if sizes.basis else MOVING))
    at_once = max(1, min(samples, fast))
    while at_once > 1 and sizes.bytes(at_once, expected) > budget:
        at_once -= 1
    if (least := sizes.bytes(at_once, fewest)) > budget:
        raise NtkbenchError(
            f"The Hessian of one sample needs {gib(least)}, and {gib(budget)} may be taken. What would help: a "
            f"narrower model, float32, or a larger memory_gib."
        )
    room = budget - sizes.bytes(at_once, 0)
    steps = min(limit, max(fewest, room // max(1, at_once * sizes.vector))) if sizes.basis else limit
    return Plan(at_once, steps, sizes.bytes(at_once, min(expected, steps)))
