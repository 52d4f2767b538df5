"""Choose which of the measured quantities to show."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from ..analysis.scaling import FLAT
from ..analysis.verdicts import GD, SLOPE, WORST
from ..errors import NtkbenchError, did_you_mean
from ..types import HEADLINES, CellResult, Quantity, Theory

PER_VARIABLE = ("bend_share", "kernel_share", "variable_size")
KERNEL_CHANGES = (WORST, GD, SLOPE)
"""The changes of the kernel that verdicts rest on."""


def chosen(
    measured: Mapping[str, Quantity], wanted: Sequence[str] = (), curves: Collection[str] = ()
) -> dict[str, Quantity]:
    """Return the quantities to show, by result key.

    Args:
        measured: All measured quantities, by result key.
        wanted: Result keys or names to show; a name selects every reduction. By default, the headline quantities that
            were measured, or all quantities if none of these was.
        curves: Names of the measured curves, which cannot be shown.

    Raises:
        NtkbenchError: If a wanted quantity was not measured.
    """
    shown: dict[str, Quantity] = {}
    for name in wanted:
        keys = [name] if name in measured else [key for key, quantity in measured.items() if quantity.name == name]
        if not keys and name.partition(":")[0] in PER_VARIABLE:
            raise NtkbenchError(f"{name} has one value per variable. Use `ntkbench table RUN --why ARCH` to show them.")
        if not keys and name in curves:
            raise NtkbenchError(
                f"{name} is a curve. Use `ntkbench plot RUN --curves` to draw it, or `ntkbench export RUN --curves`."
            )
        if not keys:
            raise NtkbenchError(f"This run did not measure {name!r}. {did_you_mean(name, measured)}")
        shown |= {key: measured[key] for key in keys}
    if not wanted:
        shown = {key: measured[key] for key in HEADLINES if key in measured} or dict(measured)
    return shown


def curves_in(results: Iterable[CellResult]) -> list[str]:
    """Return the names of the curves that the results hold, in the order of their first appearance."""
    return list(dict.fromkeys(name for result in results for name in result.curves))


def nonlinear_in_theory(declared: Mapping[str, Quantity], claims: Mapping[str, Mapping[str, Theory]]) -> set[str]:
    """Return the labels of the architectures that stay non-linear according to theory.

    These are the ones of which theory claims that a change of the kernel does not fall. Where it makes no claim on the
    kernel, the exponent 0 of another quantity that is 0 for linear networks counts. It does not count otherwise: in the
    standard parameterisation the Hessian stays, but the gradient grows, and the network becomes linear.

    Args:
        declared: The measured quantities, by result key.
        claims: Theory's claims, by label and result key.
    """
    lower = [key for key, quantity in declared.items() if quantity.direction == "lower"]

    def stays(laws: Mapping[str, Theory]) -> bool:
        changes = [laws[key].exponent for key in KERNEL_CHANGES if key in laws]
        return any(each >= -FLAT for each in changes) if changes else any(_is_zero(laws.get(key)) for key in lower)

    return {label for label, laws in claims.items() if stays(laws)}


def _is_zero(claim: Theory | None) -> bool:
    return claim is not None and claim.exponent == 0
