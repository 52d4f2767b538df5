"""The kernel of an architecture at infinite width: the one that it declares, or the one read off its model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import NtkbenchError, Unsupported
from ..registry.calling import call_with_known_names
from ..registry.specs import Architecture
from .keras_model import hidden_units, infinite_width
from .pair import paired

FEATURES_MOVE = ("mean-field", "mup")
"""Parameterisations in which no kernel describes a network of infinite width (Yang, Hu 2021, arXiv 2011.14522)."""


def limit_of(
    architecture: Architecture,
    params: Mapping[str, Any],
    input_shape: Any,
    model: Callable[[], Any],
    wider: Callable[[], Any] | None = None,
) -> Any:
    """Return the limit of the tangent kernel of an architecture as its width grows.

    Args:
        architecture: The architecture, resolved for its parameters.
        params: All its parameters.
        input_shape: Shape of one input.
        model: Returns a model of the architecture at some width. It is called only if the architecture declares no
            limit; its weights are not read.
        wider: Returns the same model at another width, to find hidden layers that do not grow; None to trust that all
            of them do. With it, the limit is that of a width of infinity, without it the one at the model's own width.

    Returns:
        A `tfp.math.psd_kernels.PositiveSemidefiniteKernel` with the views `ntk`, `nngp` and `both` of an
        `InfiniteWidth`.

    Raises:
        Unsupported: There is no limit, or none is known: non-linear outputs, bottlenecks, architectures whose "width"
            is another parameter, hidden layers that do not grow, the standard parameterisation (its tangent kernel
            grows with width), at infinite width the parameterisations in which features move, and models that
            `infinite_width` rejects.
    """
    if architecture.limit is not None:
        kernel = call_with_known_names(architecture.load_field("limit"), **{"input_shape": input_shape, **params})
        if not hasattr(kernel, "matrix"):
            raise NtkbenchError(
                f"The limit of {architecture.name!r} is a {type(kernel).__name__}; it must be a "
                "tfp.math.psd_kernels kernel."
            )
        return paired(kernel)
    name = architecture.name
    if wider is not None and params.get("parameterization") in FEATURES_MOVE:
        raise Unsupported(
            f"In the parameterisation {params['parameterization']!r} a network of infinite width learns features: its "
            "tangent kernel changes in training, and its first outputs are 0. Use parameterization=ntk."
        )
    if not architecture.grows:
        raise Unsupported(
            f"The tangent kernel of {name!r} has no limit as its width grows ({architecture.width_means})."
        )
    if architecture.bottleneck or not architecture.linear_output:
        what = "a bottleneck" if architecture.bottleneck else "a non-linear output"
        raise Unsupported(f"{name!r} has {what}, so its tangent kernel stays random at every width.")
    network = model()
    try:
        kernel = infinite_width(network)
    except Unsupported:
        raise
    except NtkbenchError as error:
        raise Unsupported(str(error)) from error
    if kernel.standard:
        raise Unsupported(
            f"The tangent kernel grows with width in the standard parameterisation ({', '.join(kernel.standard)}); use "
            "parameterization=ntk, or layers of ntkbench.layers."
        )
    if wider is not None:
        _refuse_fixed_layers(name, network, wider())
    return kernel


def _refuse_fixed_layers(name: str, model: Any, wider: Any) -> None:
    """Raise Unsupported for hidden layers that have the same number of units at both widths."""
    pairs = zip(hidden_units(model), hidden_units(wider), strict=False)
    fixed = [f"{layer} ({units})" for (layer, units), (_, more) in pairs if units == more]
    if fixed:
        raise Unsupported(
            f"Hidden layers of {name!r} have the same number of units at every width: {', '.join(fixed)}. While they "
            "stay finite, the tangent kernel stays random. Let them grow with the width, or declare the limit."
        )
