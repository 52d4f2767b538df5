"""Wrap a model as a function of one weight vector, and inspect its layers, graph and precision."""

from .casting import (
    COPIED,
    copied,
    dtype_policy,
    in_precision,
    network_in,
    require_same_outputs,
    take_weights,
)
from .every_unit import EveryUnit, every_unit, with_unit
from .explained import explained
from .fingerprint import fingerprint
from .graph import POINTS, Graph, graph_of, owner_of
from .in_units import InUnits
from .layer_facts import (
    FORWARD_SAFE,
    KEEPS_SAMPLES,
    OPAQUE,
    PLAIN,
    has,
    is_known,
    is_ours,
    is_stock,
    joined_by_layers,
    made_of,
    vectorises,
)
from .network import Network, SeveralOutputs, network, renewed
from .ownership import layers_of
from .perturbed import perturbed, sizes_of, unchanged
from .replaced import replaced_calls
from .spread import spread
from .trace import EPS, layer_of, named_layers, noise_of, rounding_of, trace_of
from .variable_names import variable_names

__all__ = [
    "COPIED",
    "EPS",
    "FORWARD_SAFE",
    "KEEPS_SAMPLES",
    "OPAQUE",
    "PLAIN",
    "POINTS",
    "EveryUnit",
    "Graph",
    "InUnits",
    "Network",
    "SeveralOutputs",
    "copied",
    "dtype_policy",
    "every_unit",
    "explained",
    "fingerprint",
    "graph_of",
    "has",
    "in_precision",
    "is_known",
    "is_ours",
    "is_stock",
    "joined_by_layers",
    "layer_of",
    "layers_of",
    "made_of",
    "named_layers",
    "network",
    "network_in",
    "noise_of",
    "owner_of",
    "perturbed",
    "renewed",
    "replaced_calls",
    "require_same_outputs",
    "rounding_of",
    "sizes_of",
    "spread",
    "take_weights",
    "trace_of",
    "unchanged",
    "variable_names",
    "vectorises",
    "with_unit",
]
