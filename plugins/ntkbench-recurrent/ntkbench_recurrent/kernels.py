"""The Recurrent Neural Tangent Kernel, assembled from ntkbench's layers of infinite width."""

import math
import numbers

from ntkbench import NtkbenchError, kernels as nb

POOLINGS = ("none", "untied", "tied")
DIRECTIONS = ("forward", "backward", "bidirectional")


def rntk(
    *,
    depth=1,
    activation="relu",
    weight_std=2**0.5,
    input_std=1.0,
    bias_std=0.0,
    output_std=1.0,
    initial_std=0.0,
    frozen=0,
    pooling="none",
    direction="forward",
    kind="ntk",
    memory_gib=None,
    dtype=None,
):
    """Return the kernel of infinitely wide recurrent networks in the NTK parameterisation.

    With layers l = 1…L of width n, entries of all weights N(0, 1), and h^(0,t) = x_t with m features:

        g^(l,t) = (σ_w/√n) W^l h^(l,t−1) + (σ_u/√fan_in) U^l h^(l−1,t) + σ_b b^l,   h^(l,t) = φ(g^(l,t))

    The inputs are {"values": [N, T, m], "mask": [N, T]}, where the mask is true for the steps that exist, or values
    alone, whose steps all exist. Standard deviations may be tensors or variables; their shapes, broadcast, are the
    kernel's batch shape, so that a grid of settings is one call, and gradients flow to them.

    Args:
        depth: Number L of recurrent layers.
        activation: Name of φ.
        weight_std: Standard deviation σ_w of the recurrent weights.
        input_std: Standard deviation σ_u of the input weights.
        bias_std: Standard deviation σ_b of the biases.
        output_std: Standard deviation σ_v of the readout weights.
        initial_std: Standard deviation σ_h of the entries of h^(l,0), drawn once for every input.
        frozen: Number L_f of first layers that are not trained; with L_f = L, the tangent kernel is the NNGP kernel.
        pooling: "none": f = σ_v/√n V·h^(L,T). "untied": f = σ_v/√(nT) Σ_t V_t·h^(L,t). "tied":
            f = σ_v/(√n T) Σ_t V·h^(L,t), at the cost of all pairs of steps.
        direction: "forward", "backward" (the steps in reverse order), or "bidirectional": the sum of two independent
            networks, one for each order.
        kind: "ntk" or "nngp".
        memory_gib: Memory budget of one call in GiB.
        dtype: Floating-point type of the computation; None follows the inputs.

    Returns:
        An `ntkbench.kernels.InfiniteWidth` kernel.

    Raises:
        NtkbenchError: A value is not allowed.

    Source: Alemohammad et al. 2021 (arXiv 2006.10246); for both directions and pooling, Alemohammad et al. 2020
    (arXiv 2012.04859); for tied pooling, Yang 2020 (arXiv 2006.14548).
    """
    _one_of("pooling", pooling, POOLINGS)
    _one_of("direction", direction, DIRECTIONS)
    for name, value in {
        "weight_std": weight_std,
        "input_std": input_std,
        "bias_std": bias_std,
        "output_std": output_std,
        "initial_std": initial_std,
    }.items():
        if isinstance(value, numbers.Real) and not 0 <= value < math.inf:
            raise NtkbenchError(f"{name}={value!r} is invalid; pass a finite number of at least 0.")
    if not _is_whole(depth) or depth < 1:
        raise NtkbenchError(f"depth={depth!r} is invalid; pass an integer of at least 1.")
    if not _is_whole(frozen) or not 0 <= frozen <= depth:
        raise NtkbenchError(f"frozen={frozen!r} is invalid for {depth} layers; pass an integer from 0 to {depth}.")

    def network():
        layers = []
        for number in range(depth):
            trained = number >= frozen
            layers.append(nb.Dense(input_std, bias_std, train_weights=trained, train_bias=trained))
            layers.append(nb.Recurrence(activation, weight_std, initial_std, train_weights=trained))
        readout = {"none": nb.LastStep(), "untied": nb.Flatten(), "tied": nb.GlobalAveragePooling()}[pooling]
        return [*layers, readout, nb.Dense(output_std)]

    backward = [nb.Reverse(), *network()]
    layers = {"forward": network(), "backward": backward, "bidirectional": [nb.add(network(), backward)]}[direction]
    return nb.InfiniteWidth(layers, kind, nb.RAGGED, memory_gib, dtype=dtype, name="RNTK")


def _is_whole(value):
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _one_of(name, value, allowed):
    if value not in allowed:
        raise NtkbenchError(f"{name}={value!r} is invalid; use one of {', '.join(allowed)}.")
